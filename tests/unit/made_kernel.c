/* Writes the made kernel's tables; see made_kernel.h. The order of kallsyms:
 * analysis/guest/kallsyms.h. */
#include "tests/unit/made_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the image ------------------------------------------------------------------------------- */

static void put(struct made_kernel *made, const void *bytes, u64 length)
{
    memcpy(made_image(made) + made->end, bytes, length);
    made->end += length;
}

static void put32(struct made_kernel *made, u32 value)
{
    put(made, &value, 4);
}

static void put64(struct made_kernel *made, u64 value)
{
    put(made, &value, 8);
}

static u64 begin_table(struct made_kernel *made)
{
    made->end = align_up(made->end, made->alignment);
    return made->end;
}

/* CR3 = 4 KiB; PML4 -> PDPT -> PD, of which one entry maps 2 MiB. */
static void map_image(struct made_kernel *made)
{
    const u64 table[] = {0x1000, 0x2000, 0x3000};
    u64 *pml4 = (u64 *)(made->ram + table[0]), *pdpt = (u64 *)(made->ram + table[1]),
        *pd = (u64 *)(made->ram + table[2]);
    pml4[MADE_TEXT >> 39 & 511] = table[1] | 3;
    pdpt[MADE_TEXT >> 30 & 511] = table[2] | 3;
    pd[MADE_TEXT >> 21 & 511] = MADE_IMAGE | 0x83;
    made->paging = (struct paging){
        .cr0 = BIT(31) | 1, .cr3 = table[0], .cr4 = BIT(5), .efer = BIT(10) | BIT(8)};
}

/* --- the symbols ------------------------------------------------------------------------- */

static bool has_percpu(enum address_form form)
{
    return form == FORM_PERCPU_ABSOLUTE;
}

/* Type and name of symbol `i`, and its address. */
static u64 describe(enum address_form form, u32 i, char text[256])
{
    if (has_percpu(form) && i < MADE_PERCPU) {
        snprintf(text, 256, "Apercpu_%u", i);
        return i * 8;
    }
    i -= has_percpu(form) ? MADE_PERCPU : 0;
    if (i == 0)
        snprintf(text, 256, "T_text");
    else if (i == 1)
        snprintf(text, 256, "ttry_to_wake_up.cold");
    else if (i == 2)
        snprintf(text, 256, "ttry_to_wake_up.isra.0");
    else if (i == 3)
        snprintf(text, 256, "t%0200d", 7); /* longer than 127 codes */
    else
        snprintf(text, 256, "tfunction_%u", i - 4);
    return MADE_TEXT + (u64)i * MADE_STEP;
}

/* Codes are characters, but for code 1: "function_", and code 2: "_to_". */
static const char *const tokens[] = {[1] = "function_", [2] = "_to_"};

static u32 compress(const char *text, u8 *codes)
{
    u32 length = 0;
    while (*text) {
        u8 code = (u8)*text;
        for (u8 i = 1; i < ARRAY_SIZE(tokens); i++)
            if (!strncmp(text, tokens[i], strlen(tokens[i])))
                code = i;
        codes[length++] = code;
        text += code < ARRAY_SIZE(tokens) ? strlen(tokens[code]) : 1;
    }
    return length;
}

static void put_names(struct made_kernel *made, enum address_form form, u32 *markers)
{
    char text[256];
    u8 codes[256];
    begin_table(made);
    put32(made, made->count); /* num_syms */
    begin_table(made);
    made->names = made->end;
    for (u32 i = 0; i < made->count; i++) {
        describe(form, i, text);
        u32 length = compress(text, codes);
        if (i % MARKER_STRIDE == 0)
            markers[i / MARKER_STRIDE] = (u32)(made->end - made->names);
        u8 prefix[2] = {(u8)(length > 127 ? 0x80 | length : length), (u8)(length >> 7)};
        put(made, prefix, length > 127 ? 2 : 1);
        put(made, codes, length);
    }
}

static void put_markers(struct made_kernel *made, const u32 *markers)
{
    made->markers = begin_table(made);
    put(made, markers, (made->count + MARKER_STRIDE - 1) / MARKER_STRIDE * 4);
}

static void put_sequence(struct made_kernel *made)
{
    begin_table(made);
    for (u32 i = 0; i < made->count; i++) {
        u32 place = i * 97 % made->count;
        u8 bytes[3] = {(u8)(place >> 16), (u8)(place >> 8), (u8)place};
        put(made, bytes, 3);
    }
}

static void put_tokens(struct made_kernel *made)
{
    u16 index[TOKENS];
    made->token_table = begin_table(made);
    for (u32 i = 0; i < TOKENS; i++) {
        char text[16] = {(char)i};
        if (i < ARRAY_SIZE(tokens) && tokens[i])
            snprintf(text, sizeof(text), "%s", tokens[i]);
        index[i] = (u16)(made->end - made->token_table);
        put(made, text, strlen(text) + 1);
    }
    made->token_index = begin_table(made);
    put(made, index, sizeof(index));
}

static void put_address(struct made_kernel *made, enum address_form form, u64 address)
{
    switch (form) {
    case FORM_PERCPU_ABSOLUTE:
        put32(made, (u32)(address < MADE_TEXT ? address : MADE_TEXT - address - 1));
        break;
    case FORM_UNSIGNED:
        put32(made, (u32)(address - MADE_TEXT));
        break;
    case FORM_PLACE_RELATIVE:
        put32(made, (u32)(address - (MADE_TEXT + made->end)));
        break;
    case FORM_ADDRESSES:
        put64(made, address);
        break;
    }
}

static void put_addresses(struct made_kernel *made, enum address_form form)
{
    char text[256];
    made->addresses = begin_table(made);
    for (u32 i = 0; i < made->count; i++)
        put_address(made, form, describe(form, i, text));
    begin_table(made);
    if (form == FORM_PERCPU_ABSOLUTE || form == FORM_UNSIGNED)
        put64(made, MADE_TEXT);
}

void made_kernel_init(struct made_kernel *made, enum made_order order, enum address_form form)
{
    u32 markers[16];
    *made =
        (struct made_kernel){.ram = calloc(1, MADE_RAM),
                             .books = calloc(1, memory_overhead(MADE_RAM)),
                             .alignment = order == ORDER_7_0 ? 4 : 8,
                             .count = MADE_FUNCTIONS + 4 + (has_percpu(form) ? MADE_PERCPU : 0)};
    memory_init(&made->memory, made->ram, MADE_RAM, made->books);
    map_image(made);
    made->end = 0x20000 + (order == ORDER_7_0 ? 20 : 24); /* text comes first */
    if (order < ORDER_6_5)
        put_addresses(made, form);
    put_names(made, form, markers);
    put_markers(made, markers);
    if (order == ORDER_6_2)
        put_sequence(made);
    put_tokens(made);
    if (order >= ORDER_6_5) {
        put_addresses(made, form);
        put_sequence(made);
    }
}

void made_kernel_free(struct made_kernel *made)
{
    free(made->ram);
    free(made->books);
}

/* --- types ------------------------------------------------------------------------------- */

struct btf_maker {
    u8 types[1024];
    char strings[512];
    u32 type_length, string_length;
};

static u32 text(struct btf_maker *maker, const char *string)
{
    u32 at = maker->string_length;
    strcpy(maker->strings + at, string);
    maker->string_length += (u32)strlen(string) + 1;
    return *string ? at : 0;
}

static void word(struct btf_maker *maker, u32 value)
{
    memcpy(maker->types + maker->type_length, &value, 4);
    maker->type_length += 4;
}

static void type(struct btf_maker *maker, const char *name, u32 kind, u32 entries, u32 size)
{
    word(maker, text(maker, name));
    word(maker, kind << 24 | entries);
    word(maker, size);
}

static void member(struct btf_maker *maker, const char *name, u32 number, u32 offset)
{
    word(maker, text(maker, name));
    word(maker, number);
    word(maker, offset);
}

static void make_types(struct btf_maker *maker)
{
    enum { INT = 1, PTR, ARRAY, STRUCT, UNION, TYPEDEF = 8, CONST = 10, FLAG = 0x80 };
    maker->string_length = 1;                                 /* offset 0: no name */
    type(maker, "int", INT, 0, 4), word(maker, 32);           /* 1 */
    type(maker, "unsigned long", INT, 0, 8), word(maker, 64); /* 2 */
    type(maker, "char", INT, 0, 1), word(maker, 8);           /* 3 */
    type(maker, "list", STRUCT, 2, 16);                       /* 4 */
    member(maker, "next", 5, 0), member(maker, "tag", 1, 64);
    type(maker, "", PTR, 0, 4);           /* 5 */
    type(maker, "list_t", TYPEDEF, 0, 4); /* 6 */
    type(maker, "", CONST, 0, 6);         /* 7 */
    type(maker, "", ARRAY, 0, 0);         /* 8: char [16] */
    word(maker, 3), word(maker, 1), word(maker, 16);
    type(maker, "", UNION, 2, 8); /* 9 */
    member(maker, "state", 1, 0), member(maker, "wide", 2, 0);
    type(maker, "", STRUCT, 2, 24); /* 10 */
    member(maker, "", 9, 0), member(maker, "tasks", 7, 64);
    type(maker, "", ARRAY, 0, 0); /* 11: int [3] */
    word(maker, 1), word(maker, 1), word(maker, 3);
    type(maker, "", ARRAY, 0, 0); /* 12: int [2][3] */
    word(maker, 11), word(maker, 1), word(maker, 2);
    type(maker, "", PTR, 0, 14);                      /* 13 */
    type(maker, "task_struct", STRUCT | FLAG, 7, 88); /* 14 */
    member(maker, "flags", 2, 0), member(maker, "", 10, 64), member(maker, "comm", 8, 256);
    member(maker, "low", 1, 3 << 24 | 384), member(maker, "high", 1, 5 << 24 | 387);
    member(maker, "matrix", 12, 416), member(maker, "parent", 13, 640);
}

/* The section, of types from the maker. */
static u64 put_types(struct made_kernel *made, const struct btf_maker *maker, u64 *length)
{
    u64 at = begin_table(made);
    put32(made, BTF_MAGIC | 1 << 16); /* version 1, no flags */
    put32(made, 24);
    put32(made, 0), put32(made, maker->type_length);
    put32(made, maker->type_length), put32(made, maker->string_length);
    put(made, maker->types, maker->type_length);
    put(made, maker->strings, maker->string_length);
    *length = made->end - at;
    return at;
}

u64 made_kernel_types(struct made_kernel *made, u64 *length)
{
    static struct btf_maker maker;
    maker = (struct btf_maker){0};
    make_types(&maker);
    return put_types(made, &maker, length);
}

/* Kinds that no member of a task has, in front of those that it has. */
static void make_other_kinds(struct btf_maker *maker)
{
    enum { ENUM = 6, FWD, RESTRICT = 11, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG };
    enum { ENUM64 = 19 };
    type(maker, "double", FLOAT, 0, 8);                               /* 8 */
    type(maker, "tag", DECL_TAG, 0, 1), word(maker, ~0u);             /* 9 */
    type(maker, "bits", ENUM64, 1, 8);                                /* 10 */
    word(maker, text(maker, "high")), word(maker, 0), word(maker, 1); /* 1 << 32 */
    type(maker, "color", ENUM, 1, 4);                                 /* 11 */
    word(maker, text(maker, "red")), word(maker, 0);
    type(maker, "mm_struct", FWD, 0, 0);                               /* 12 */
    type(maker, "", FUNC_PROTO, 1, 0), word(maker, 0), word(maker, 1); /* 13 */
    type(maker, "schedule", FUNC, 0, 13);                              /* 14 */
    type(maker, "jiffies", VAR, 0, 1), word(maker, 1);                 /* 15 */
    type(maker, ".data..percpu", DATASEC, 1, 8);                       /* 16 */
    word(maker, 15), word(maker, 0), word(maker, 8);
    type(maker, "", RESTRICT, 0, 1); /* 17 */
}

static void make_task(struct btf_maker *maker, enum made_task time)
{
    enum { INT = 1, ARRAY = 3, STRUCT, VOLATILE = 9, TYPE_TAG = 18 };
    bool in_thread = time == TASK_5_16;
    maker->string_length = 1;
    type(maker, "int", INT, 0, 4), word(maker, 32);           /* 1 */
    type(maker, "unsigned long", INT, 0, 8), word(maker, 64); /* 2 */
    type(maker, "char", INT, 0, 1), word(maker, 8);           /* 3 */
    type(maker, "", ARRAY, 0, 0);                             /* 4: char [16] */
    word(maker, 3), word(maker, 1), word(maker, 16);
    type(maker, "", VOLATILE, 0, time == TASK_5_4 ? 2 : 1);    /* 5 */
    type(maker, "thread_info", STRUCT, in_thread ? 2 : 1, 24); /* 6 */
    member(maker, "flags", 2, 0);
    if (in_thread)
        member(maker, "cpu", 1, 128);
    type(maker, "rcu", TYPE_TAG, 0, 5); /* 7 */
    make_other_kinds(maker);
    type(maker, "task_struct", STRUCT, time <= TASK_5_14 ? 10 : 9, 88);
    member(maker, "thread_info", 6, 0);
    member(maker, time == TASK_5_4 ? "state" : "__state", 7, 24 * 8);
    if (time <= TASK_5_14)
        member(maker, "cpu", 1, 32 * 8);
    member(maker, "prio", 1, 40 * 8), member(maker, "exit_state", 1, 44 * 8);
    member(maker, "pid", 1, 48 * 8), member(maker, "tgid", 1, 52 * 8);
    member(maker, "nvcsw", 2, 56 * 8), member(maker, "nivcsw", 2, 64 * 8);
    member(maker, "comm", 4, 72 * 8);
}

u64 made_kernel_task(struct made_kernel *made, enum made_task time, u64 *length)
{
    static struct btf_maker maker;
    maker = (struct btf_maker){0};
    make_task(&maker, time);
    return put_types(made, &maker, length);
}
