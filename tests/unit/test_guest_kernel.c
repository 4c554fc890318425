/* Symbols and types of a kernel in guest memory: every layout, damage, and what is said of it. */
#include "analysis/guest/task.h"
#include "tests/unit/made_kernel.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum made_order order;
    enum address_form form;
} layouts[] = {
    {ORDER_5_4, FORM_PERCPU_ABSOLUTE}, {ORDER_5_4, FORM_UNSIGNED},
    {ORDER_5_4, FORM_ADDRESSES},       {ORDER_6_2, FORM_PERCPU_ABSOLUTE},
    {ORDER_6_2, FORM_UNSIGNED},        {ORDER_6_2, FORM_ADDRESSES},
    {ORDER_6_5, FORM_PERCPU_ABSOLUTE}, {ORDER_6_5, FORM_UNSIGNED},
    {ORDER_6_5, FORM_ADDRESSES},       {ORDER_6_5, FORM_PLACE_RELATIVE},
    {ORDER_7_0, FORM_PLACE_RELATIVE},
};

static struct made_kernel made;
static struct kernel kernel;

static void make(enum made_order order, enum address_form form)
{
    made_kernel_init(&made, order, form);
}

static struct failure find(void)
{
    return kernel_find(&made.memory, &made.paging, &kernel);
}

static void done(void)
{
    kernel_free(&kernel);
    made_kernel_free(&made);
}

static u64 address_of(const char *name)
{
    const struct symbol *symbol = symbol_named(&kernel.symbols, name);
    return symbol ? symbol->address : 0;
}

/* --- symbols --------------------------------------------------------------------------------- */

Test(guest_kernel, every_layout_gives_the_same_symbols)
{
    for (u32 i = 0; i < ARRAY_SIZE(layouts); i++) {
        make(layouts[i].order, layouts[i].form);
        struct failure failure = find();
        cr_assert_eq(failure.code, OK, "layout %u: %s", i, failure.text);
        cr_expect_eq(kernel.symbols.count, made.count, "layout %u", i);
        cr_expect_eq(address_of("_text"), MADE_TEXT, "layout %u", i);
        cr_expect_eq(address_of("function_0"), MADE_TEXT + 4 * MADE_STEP, "layout %u", i);
        cr_expect_eq(address_of("function_699"), MADE_TEXT + 703 * MADE_STEP, "layout %u", i);
        cr_expect_eq(kernel.text, MADE_TEXT);
        cr_expect_not(kernel.has_shift, "it keeps no setup header");
        done();
    }
}

Test(guest_kernel, percpu_symbols_keep_their_absolute_addresses)
{
    make(ORDER_6_2, FORM_PERCPU_ABSOLUTE);
    cr_assert_eq(find().code, OK);
    cr_expect_eq(address_of("percpu_1"), 8);
    cr_expect_eq(symbol_named(&kernel.symbols, "percpu_1")->type, 'A');
    done();
}

Test(guest_kernel, names_of_more_than_127_codes_are_whole)
{
    char name[201];
    snprintf(name, sizeof(name), "%0200d", 7);
    make(ORDER_6_5, FORM_UNSIGNED);
    cr_assert_eq(find().code, OK);
    cr_expect_eq(address_of(name), MADE_TEXT + 3 * MADE_STEP);
    done();
}

Test(guest_kernel, an_address_has_the_symbol_before_it)
{
    u64 offset = 0;
    make(ORDER_5_4, FORM_PERCPU_ABSOLUTE);
    cr_assert_eq(find().code, OK);
    const struct symbol *symbol = symbol_at(&kernel.symbols, address_of("function_9") + 5, &offset);
    cr_assert_not_null(symbol);
    cr_expect_str_eq(symbol_name(&kernel.symbols, symbol), "function_9");
    cr_expect_eq(offset, 5);
    cr_expect_null(symbol_at(&kernel.symbols, MADE_TEXT - 1, &offset), "that is a percpu symbol's");
    cr_expect_null(symbol_at(&kernel.symbols, KERNEL_SPACE_END, &offset));
    done();
}

Test(guest_kernel, a_function_may_be_a_clone_but_not_a_part)
{
    make(ORDER_5_4, FORM_UNSIGNED);
    cr_assert_eq(find().code, OK);
    const struct symbol *symbol = symbol_function(&kernel.symbols, "try_to_wake_up");
    cr_assert_not_null(symbol);
    cr_expect_str_eq(symbol_name(&kernel.symbols, symbol), "try_to_wake_up.isra.0");
    cr_expect_null(symbol_function(&kernel.symbols, "try_to_wake"));
    cr_expect_null(symbol_named(&kernel.symbols, "try_to_wake_up"));
    cr_expect_null(symbol_named(&kernel.symbols, "zzz"));
    done();
}

/* --- what is missing ------------------------------------------------------------------------- */

static void expect_failure(const char *words)
{
    struct failure failure = find();
    cr_expect_neq(failure.code, OK);
    cr_expect_not_null(strstr(failure.text, words), "%s", failure.text);
}

Test(guest_kernel, says_what_is_missing)
{
    make(ORDER_5_4, FORM_UNSIGNED);
    made.paging.efer = 0;
    expect_failure("64-bit mode");
    made.paging.efer = BIT(10) | BIT(8);
    made.paging.cr3 = 0; /* no tables */
    expect_failure("maps nothing");
    made.paging.cr3 = 0x1000;
    memset(made_image(&made) + made.token_index, 0, 8);
    expect_failure("CONFIG_KALLSYMS");
    done();
}

Test(guest_kernel, a_kernel_without_types_still_has_symbols)
{
    make(ORDER_6_5, FORM_UNSIGNED);
    cr_assert_eq(find().code, OK);
    cr_expect_not(kernel.has_types);
    cr_expect_not_null(strstr(kernel.lacks, "CONFIG_DEBUG_INFO_BTF"), "%s", kernel.lacks);
    done();
}

Test(guest_kernel, a_table_is_not_read_beyond_the_image)
{
    make(ORDER_6_5, FORM_UNSIGNED);
    /* The image ends within the addresses: the 2 MiB page becomes 4 KiB ones. */
    u64 *pd = (u64 *)(made.ram + 0x3000), *pt = (u64 *)(made.ram + 0x4000);
    pd[MADE_TEXT >> 21 & 511] = 0x4000 | 3;
    for (u64 page = 0; page <= made.addresses >> 12; page++)
        pt[page] = (MADE_IMAGE + (page << 12)) | 3;
    expect_failure("CONFIG_KALLSYMS");
    done();
}

/* --- damage ----------------------------------------------------------------------------------- */

/* The tables by themselves, so that one search takes microseconds. */
static struct failure read_tables(u64 start, u64 length)
{
    struct guest_image image = {
        .range = {{MADE_TEXT + start, made_image(&made) + start, length}},
        .count = 1,
    };
    struct symbols symbols;
    struct failure failure = symbols_read(&image, &symbols);
    symbols_free(&symbols);
    return failure;
}

/* Every byte of the tables in turn is another one: an answer or an error, never a crash. */
Test(guest_kernel, damaged_tables_are_an_error_or_other_symbols)
{
    static const u8 changes[] = {0x01, 0x80, 0xff};
    make(ORDER_6_2, FORM_PERCPU_ABSOLUTE);
    u64 start = made.addresses & ~0xfffull, length = made.end - start;
    for (u64 at = made.addresses; at < made.end; at++)
        for (u32 i = 0; i < ARRAY_SIZE(changes); i++) {
            made_image(&made)[at] ^= changes[i];
            read_tables(start, length);
            made_image(&made)[at] ^= changes[i];
        }
    cr_expect_eq(read_tables(start, length).code, OK);
    made_kernel_free(&made);
}

/* Tables that lead the search on as long as they can: it gives up. */
Test(guest_kernel, a_search_that_leads_nowhere_ends, .timeout = 60)
{
    make(ORDER_5_4, FORM_UNSIGNED);
    u8 *image = made_image(&made);
    u64 bytes = align_up(made.token_index + 512 - made.token_table, 8), start = made.token_table;
    for (u64 at = start; at + bytes < 0x200000; at += bytes)
        memmove(image + at, image + start, bytes);
    memset(image + made.names - 8, 0, 8);
    struct failure failure = read_tables(0, 0x200000);
    cr_expect_neq(failure.code, OK);
    made_kernel_free(&made);
}

/* --- types ------------------------------------------------------------------------------- */

static struct types types;

static void read_types(void)
{
    u64 length;
    make(ORDER_6_5, FORM_UNSIGNED);
    u64 at = made_kernel_types(&made, &length);
    struct failure failure = types_read(made_image(&made) + at, length, &types);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
}

static void done_types(void)
{
    types_free(&types);
    made_kernel_free(&made);
}

Test(guest_types, members_are_found_by_path)
{
    static const struct {
        const char *path;
        struct member member;
    } rows[] = {
        {"task_struct.flags", {0, 8, 0, 0}},
        {"task_struct.state", {8, 4, 0, 0}},
        {"task_struct.wide", {8, 8, 0, 0}},
        {"task_struct.tasks", {16, 16, 0, 0}},
        {"task_struct.tasks.tag", {24, 4, 0, 0}},
        {"task_struct.comm", {32, 16, 0, 0}},
        {"task_struct.low", {48, 1, 0, 3}},
        {"task_struct.high", {48, 1, 3, 5}},
        {"task_struct.matrix", {52, 24, 0, 0}},
        {"task_struct.parent", {80, 8, 0, 0}},
        {"list_t.tag", {8, 4, 0, 0}},
        {"task_struct", {0, 88, 0, 0}},
    };
    read_types();
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        struct member member;
        cr_assert(types_member(&types, rows[i].path, &member), "%s", rows[i].path);
        cr_expect_eq(member.offset, rows[i].member.offset, "%s", rows[i].path);
        cr_expect_eq(member.size, rows[i].member.size, "%s", rows[i].path);
        cr_expect_eq(member.bit, rows[i].member.bit, "%s", rows[i].path);
        cr_expect_eq(member.bits, rows[i].member.bits, "%s", rows[i].path);
    }
    done_types();
}

Test(guest_types, what_is_not_there_is_not_found)
{
    static const char *const paths[] = {"task_struct.none",
                                        "none.comm",
                                        "task_struct.comm.x",
                                        "task_struct.parent.comm",
                                        "task_struct.",
                                        "task_struc",
                                        "",
                                        "."};
    struct member member;
    read_types();
    for (u32 i = 0; i < ARRAY_SIZE(paths); i++)
        cr_expect_not(types_member(&types, paths[i], &member), "'%s'", paths[i]);
    done_types();
}

Test(guest_types, sizes_are_found_by_name)
{
    u64 size = 0;
    read_types();
    cr_expect(types_size(&types, "task_struct", &size) && size == 88);
    cr_expect(types_size(&types, "unsigned long", &size) && size == 8);
    cr_expect(types_size(&types, "list_t", &size) && size == 16);
    cr_expect_not(types_size(&types, "none", &size));
    done_types();
}

Test(guest_types, a_task_is_understood_as_of_each_time)
{
    static const struct {
        enum made_task time;
        u64 state_size, cpu_offset, cpu_size;
    } rows[] = {
        {TASK_5_4, 8, 32, 4},
        {TASK_5_14, 4, 32, 4},
        {TASK_5_16, 4, 16, 4},
        {TASK_ONE_CPU, 4, 0, 0}, /* reads as 0 */
    };
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        struct task_layout layout;
        u64 length;
        make(ORDER_6_5, FORM_UNSIGNED);
        u64 at = made_kernel_task(&made, rows[i].time, &length);
        cr_assert_eq(types_read(made_image(&made) + at, length, &types).code, OK);
        struct failure failure = task_layout_find(&types, &layout);
        cr_assert_eq(failure.code, OK, "%u: %s", i, failure.text);
        cr_expect(layout.state.offset == 24 && layout.state.size == rows[i].state_size, "%u", i);
        cr_expect_eq(layout.cpu.offset, rows[i].cpu_offset, "%u", i);
        cr_expect_eq(layout.cpu.size, rows[i].cpu_size, "%u", i);
        cr_expect(layout.pid.offset == 48 && layout.tgid.offset == 52 && layout.prio.offset == 40);
        cr_expect(layout.comm.offset == 72 && layout.involuntary.offset == 64);
        done_types();
    }
}

Test(guest_types, are_found_in_the_image_by_their_header)
{
    u64 length;
    make(ORDER_6_5, FORM_UNSIGNED);
    made_kernel_types(&made, &length);
    cr_assert_eq(find().code, OK);
    cr_expect(kernel.has_types, "%s", kernel.lacks);
    done();
}

Test(guest_types, damage_is_an_error_or_another_answer)
{
    u64 length;
    make(ORDER_6_5, FORM_UNSIGNED);
    u8 *at = made_image(&made) + made_kernel_types(&made, &length);
    for (u64 byte = 0; byte < length; byte++)
        for (u32 bit = 0; bit < 8; bit++) {
            struct member member;
            at[byte] ^= (u8)(1u << bit);
            if (!types_read(at, length, &types).code) {
                types_member(&types, "task_struct.tasks.tag", &member);
                types_member(&types, "task_struct.matrix", &member);
                types_free(&types);
            }
            at[byte] ^= (u8)(1u << bit);
        }
    made_kernel_free(&made);
}

/* A typedef of itself, and an anonymous struct within itself. */
Test(guest_types, circles_end)
{
    static const struct __attribute__((packed)) {
        u16 magic;
        u8 version, flags;
        u32 header[5], words[9];
        char strings[5];
    } circle = {BTF_MAGIC,
                1,
                0,
                {24, 0, 36, 36, 5},
                {1, 8u << 24, 1, /* 1: typedef a a */
                 3, 4u << 24 | 1, 8, 0, 2, 0 /* 2: struct b { struct b; } */},
                "\0a\0b"};
    struct failure failure = types_read((const u8 *)&circle, sizeof(circle), &types);
    struct member member;
    u64 size;
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    cr_expect_not(types_member(&types, "b.x", &member));
    cr_expect_not(types_member(&types, "a.x", &member));
    cr_expect_not(types_size(&types, "a", &size));
    types_free(&types);
}
