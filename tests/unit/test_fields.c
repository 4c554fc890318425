/* The VMCS table and the texts: every field, every error number, every exit reason. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/rig_on_fakes.h"

static void set_up(void)
{
    rig_on_fakes(CLOCK_COUNT);
}

TestSuite(fields, .init = set_up);

static const struct vmcs_field_info *field_at(u32 encoding)
{
    for (u32 i = 0; i < vmcs_field_count; i++)
        if (vmcs_fields[i].encoding == encoding)
            return &vmcs_fields[i];
    return NULL;
}

static u64 mask_of(const struct vmcs_field_info *field)
{
    return field->width == W16 ? 0xffff : field->width == W32 ? 0xffffffff : ~0ull;
}

Test(fields, each_name_and_encoding_is_there_once)
{
    for (u32 i = 0; i < vmcs_field_count; i++) {
        for (u32 k = 0; k < i; k++) {
            cr_assert_neq(vmcs_fields[i].encoding, vmcs_fields[k].encoding, "%s",
                          vmcs_fields[i].name);
            cr_assert_neq(strcmp(vmcs_fields[i].name, vmcs_fields[k].name), 0, "%s",
                          vmcs_fields[i].name);
        }
    }
}

Test(fields, encodings_tell_width_and_kind)
{
    for (u32 i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field_info *f = &vmcs_fields[i];
        cr_assert_eq(f->encoding >> 13 & 3, f->width, "%s", f->name);
        cr_assert_eq(f->encoding >> 10 & 3, f->kind, "%s", f->name);
        cr_assert_eq(f->encoding & 1, 0, "%s: the high half of a 64-bit field", f->name);
    }
    cr_assert_eq(field_at(0x681e)->width, WNAT);
    cr_assert_eq(field_at(0x4402)->kind, INFO);
}

static void expect_round_trip(const struct vmcs_field_info *f)
{
    static const u64 values[] = {0, ~0ull, 0x0123456789abcdefull, 0xfedcba9876543210ull};
    for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
        vmcs_write(f->encoding, values[i]);
        cr_expect_eq(vmcs_read(f->encoding), values[i] & mask_of(f), "%s", f->name);
    }
}

Test(fields, each_is_kept_or_declared_absent)
{
    struct capabilities can = capabilities_read();
    u32 kept = 0, read_only = 0, absent = 0;
    for (u32 i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field_info *f = &vmcs_fields[i];
        if (!field_present(f, &rig.controls, &can)) {
            absent++;
        } else if (f->kind == INFO) {
            vmcs_read(f->encoding);
            read_only++;
        } else {
            expect_round_trip(f);
            kept++;
        }
    }
    cr_assert_eq(kept + read_only + absent, vmcs_field_count);
    cr_assert_geq(kept, 100);
    cr_assert_eq(read_only, 11);
}

/* A need for each field_need, the control that meets it, and a field that has it. */
static const struct {
    u8 need, word;
    u32 bit, field;
} needs[] = {
    {NEEDS_VPID, PROC2, 5, VMCS_VPID},
    {NEEDS_EPT, PROC2, 1, VMCS_EPT_POINTER},
    {NEEDS_PREEMPTION_TIMER, PIN, 6, VMCS_PREEMPTION_TIMER},
    {NEEDS_TPR_SHADOW, PROC, 21, VMCS_TPR_THRESHOLD},
    {NEEDS_MSR_BITMAPS, PROC, 28, VMCS_MSR_BITMAP},
    {NEEDS_IO_BITMAPS, PROC, 25, VMCS_IO_BITMAP_A},
    {NEEDS_SECONDARY, PROC, 31, VMCS_SECONDARY_CONTROLS},
    {NEEDS_PAT, ENTRY, 14, VMCS_GUEST_PAT},
    {NEEDS_EFER, ENTRY, 15, VMCS_GUEST_EFER},
};

Test(fields, presence_follows_the_control)
{
    struct capabilities can = {0};
    for (u32 i = 0; i < ARRAY_SIZE(needs); i++) {
        struct controls none = {0}, have = {0};
        have.words[needs[i].word] = 1u << needs[i].bit;
        const struct vmcs_field_info *f = field_at(needs[i].field);
        cr_assert_eq(f->need, needs[i].need, "%s", f->name);
        cr_expect(!field_present(f, &none, &can), "%s", f->name);
        cr_expect(field_present(f, &have, &can), "%s", f->name);
    }
}

Test(fields, page_modification_logging_depends_on_the_processor)
{
    struct controls all;
    struct capabilities can = {0};
    memset(&all, 0xff, sizeof(all));
    cr_assert(!field_present(field_at(0x200e), &all, &can));
    can.words[PROC2] = BIT(32 + 17);
    cr_assert(field_present(field_at(0x200e), &all, &can));
    cr_assert(!field_present(field_at(0x2032), &all, &can),
              "TSC multiplier: never used, so never there");
}

Test(fields, every_vm_instruction_error_has_its_text)
{
    static const char other[] = "an error number that the SDM does not name";
    for (u32 number = 1; number <= 28; number++) {
        bool exists = number != 14 && number != 21 && number != 27; /* SDM table 31-1 */
        const char *text = vm_instruction_error(number);
        cr_expect_eq(strcmp(text, other) != 0, exists, "%u: %s", number, text);
        for (u32 k = 1; exists && k < number; k++)
            cr_expect_neq(strcmp(text, vm_instruction_error(k)), 0, "%u and %u", number, k);
    }
    cr_assert_str_eq(vm_instruction_error(0), other);
    cr_assert_str_eq(vm_instruction_error(29), other);
    cr_assert_str_eq(vm_instruction_error(~0u), other);
}

Test(fields, exit_reasons_have_the_kernel_s_names)
{
    cr_assert_str_eq(exit_reason_name(10), "CPUID");
    cr_assert_str_eq(exit_reason_name(48), "EPT_VIOLATION");
    cr_assert_str_eq(exit_reason_name(61), "RDSEED");
    cr_assert_str_eq(exit_reason_name(3), "?");
    cr_assert_str_eq(exit_reason_name(EXIT_REASON_LIMIT), "?");
    cr_assert_str_eq(exit_reason_name(~0u), "?");
}
