/* Capability resolution: what is missing is named, one by one; what must be on is on. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/fake_processor.h"

TestSuite(controls, .init = fake_cpu_reset);

static const char *said[64];
static u32 said_count;

static void hear(void *context, const char *text)
{
    cr_assert_eq(context, said);
    said[said_count++] = text;
}

static u32 resolve(const struct capabilities *can, struct controls *have)
{
    said_count = 0;
    return controls_resolve(can, have, hear, said);
}

struct row {
    u8 word, bit, want;
    const char *name, *text;
};

static const struct row rows[] = {
#define C(word, bit, name, want, text) {word, bit, want, #name, text},
    CONTROLS(C)
#undef C
};

static struct capabilities everything(void)
{
    struct capabilities can = {0};
    for (u32 word = 0; word < CONTROL_WORDS; word++)
        can.words[word] = ~0ull << 32;
    return can;
}

Test(controls, nothing_is_missing_where_all_is_allowed)
{
    struct capabilities can = everything();
    struct controls have;
    cr_assert_eq(resolve(&can, &have), 0);
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        bool window = rows[i].word == PROC && (rows[i].bit == 2 || rows[i].bit == 22);
        cr_expect_eq(have.words[rows[i].word] >> rows[i].bit & 1, !window, "%s", rows[i].name);
    }
}

Test(controls, each_is_missed_by_its_own_sentence)
{
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        struct capabilities can = everything();
        struct controls have;
        can.words[rows[i].word] &= ~BIT(32 + rows[i].bit);
        u32 missing = resolve(&can, &have);
        if (rows[i].want == WANTED) {
            cr_expect_eq(missing, 0, "%s is only wanted", rows[i].name);
            cr_expect_eq(have.words[rows[i].word] >> rows[i].bit & 1, 0);
            continue;
        }
        cr_expect_eq(missing, 1, "%s: %u missing", rows[i].name, missing);
        cr_expect_eq(said_count, 1);
        cr_expect_str_eq(said[0], rows[i].text);
    }
}

Test(controls, all_that_is_required_is_named_on_a_processor_without_anything)
{
    struct capabilities can = {0};
    struct controls have;
    u32 required = 0;
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
        required += rows[i].want == REQUIRED;
    cr_assert_eq(resolve(&can, &have), required);
    cr_assert_eq(said_count, required);
}

Test(controls, rows_have_their_own_bits_and_texts)
{
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        cr_assert_gt(strlen(rows[i].text), 3);
        for (u32 k = 0; k < i; k++) {
            cr_assert(rows[i].word != rows[k].word || rows[i].bit != rows[k].bit, "%s",
                      rows[i].name);
            cr_assert_str_neq(rows[i].text, rows[k].text);
        }
    }
}

Test(controls, what_must_be_one_is_one)
{
    u32 missing;
    cr_assert_eq(control_resolve((u64)0xff << 32 | 0x11, 0x02, 0x104, &missing), 0x17);
    cr_assert_eq(missing, 0);
    cr_assert_eq(control_resolve((u64)0x0f << 32, 0x30, 0, &missing), 0x30);
    cr_assert_eq(missing, 0x30);
}

Test(controls, a_window_control_that_must_be_one_would_be_dropped_only_by_us)
{
    struct capabilities can = everything();
    struct controls have;
    can.words[PIN] |= 0x16;
    can.words[PROC] |= 0x401e172;
    can.words[EXIT] |= 0x36dff;
    can.words[ENTRY] |= 0x11ff;
    cr_assert_eq(resolve(&can, &have), 0);
    cr_assert_eq(have.words[PIN] & 0x16, 0x16);
    cr_assert_eq(have.words[PROC] & 0x401e172, 0x401e172);
    cr_assert_eq(have.words[EXIT] & 0x36dff, 0x36dff);
    cr_assert_eq(have.words[ENTRY] & 0x11ff, 0x11ff);
}

/* SDM A.2: the TRUE capability MSRs are read where bit 55 of IA32_VMX_BASIC says that they are. */
Test(controls, true_forms_are_read_where_there_are_some)
{
    for (u32 i = 0; i < 4; i++) {
        fake_cpu_set_msr(0x481 + i, 0x1000 + i);
        fake_cpu_set_msr(0x48d + i, 0x2000 + i);
    }
    struct capabilities can = capabilities_read();
    cr_assert_eq(can.words[PIN], 0x2000);
    cr_assert_eq(can.words[PROC], 0x2001);
    cr_assert_eq(can.words[EXIT], 0x2002);
    cr_assert_eq(can.words[ENTRY], 0x2003);
    fake_cpu_set_msr(0x480, 0);
    can = capabilities_read();
    cr_assert_eq(can.words[PIN], 0x1000);
    cr_assert_eq(can.words[PROC], 0x1001);
    cr_assert_eq(can.words[EXIT], 0x1002);
    cr_assert_eq(can.words[ENTRY], 0x1003);
}

/* Reading a capability MSR that does not exist raises #GP: the fake aborts then. */
Test(controls, msrs_that_do_not_exist_are_not_read)
{
    memset(&fake_cpu, 0, sizeof(fake_cpu));
    fake_cpu_set_msr(0x480, 0);
    for (u32 i = 0; i < 4; i++)
        fake_cpu_set_msr(0x481 + i, 0);
    fake_cpu_set_msr(0x485, 77);
    struct capabilities can = capabilities_read();
    cr_assert_eq(can.words[PROC2], 0);
    cr_assert_eq(can.ept_vpid, 0);
    cr_assert_eq(can.misc, 77);
    fake_cpu_set_msr(0x482, BIT(63));
    fake_cpu_set_msr(0x48b, 0);
    cr_assert_eq(capabilities_read().ept_vpid, 0);
    fake_cpu_set_msr(0x48c, 88);
    for (u32 bit = 1; bit <= 5; bit += 4) { /* EPT or VPID: either has it */
        fake_cpu_set_msr(0x48b, BIT(32 + bit));
        cr_assert_eq(capabilities_read().ept_vpid, 88, "%u", bit);
    }
}
