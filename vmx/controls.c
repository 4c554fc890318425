/*
 * Resolves controls against capabilities (SDM appendix A). Pure: what it reads
 * of the processor comes through the seam.
 */
#include "vmx/controls.h"
#include "vmx/processor.h"

enum {
    MSR_VMX_BASIC = 0x480,
    MSR_VMX_PIN = 0x481,
    MSR_VMX_PROC = 0x482,
    MSR_VMX_EXIT = 0x483,
    MSR_VMX_ENTRY = 0x484,
    MSR_VMX_MISC = 0x485,
    MSR_VMX_PROC2 = 0x48b,
    MSR_VMX_EPT_VPID = 0x48c,
    MSR_VMX_TRUE = 0x48d, /* TRUE_PIN, then PROC, EXIT, ENTRY */
};

struct capabilities capabilities_read(void)
{
    bool true_forms = processor_read_msr(MSR_VMX_BASIC) & BIT(55);
    u32 first = true_forms ? MSR_VMX_TRUE : MSR_VMX_PIN;
    struct capabilities c = {
        .words = {
            [PIN] = processor_read_msr(first),
            [PROC] = processor_read_msr(first + 1),
            [EXIT] = processor_read_msr(first + 2),
            [ENTRY] = processor_read_msr(first + 3),
        },
        .misc = processor_read_msr(MSR_VMX_MISC),
    };
    if (c.words[PROC] >> 32 & CONTROL_SECONDARY)
        c.words[PROC2] = processor_read_msr(MSR_VMX_PROC2);
    if (c.words[PROC2] >> 32 & (CONTROL_EPT | CONTROL_VPID))
        c.ept_vpid = processor_read_msr(MSR_VMX_EPT_VPID);
    return c;
}

u32 control_resolve(u64 capability, u32 need, u32 want, u32 *missing)
{
    u32 must = (u32)capability, may = (u32)(capability >> 32);
    *missing = need & ~may;
    return need | (want & may) | must;
}

static const struct {
    u8 word, bit, want;
    const char *text;
} controls[] = {
#define C(word, bit, name, want, text) {word, bit, want, text},
    CONTROLS(C)
#undef C
};

u32 controls_resolve(const struct capabilities *can, struct controls *out,
                     void (*missing)(void *context, const char *text), void *context)
{
    u32 need[CONTROL_WORDS] = {0}, want[CONTROL_WORDS] = {0}, absent[CONTROL_WORDS];
    u32 count = 0;
    for (u32 i = 0; i < ARRAY_SIZE(controls); i++)
        *(controls[i].want == REQUIRED ? &need[controls[i].word] : &want[controls[i].word]) |= 1u << controls[i].bit;
    for (u32 word = 0; word < CONTROL_WORDS; word++)
        out->words[word] = control_resolve(can->words[word], need[word], want[word], &absent[word]);
    for (u32 i = 0; i < ARRAY_SIZE(controls); i++) {
        if (absent[controls[i].word] >> controls[i].bit & 1) {
            missing(context, controls[i].text);
            count++;
        }
    }
    /* These exit only when a handler asks for them. */
    out->words[PROC] &= ~(CONTROL_INTERRUPT_WINDOW_EXITING | CONTROL_NMI_WINDOW_EXITING);
    return count;
}

bool field_present(const struct vmcs_field_info *field, const struct controls *have, const struct capabilities *can)
{
    switch ((enum field_need)field->need) {
    case ALWAYS:
        return true;
    case NEEDS_VPID:
        return have->words[PROC2] & CONTROL_VPID;
    case NEEDS_EPT:
        return have->words[PROC2] & CONTROL_EPT;
    case NEEDS_PREEMPTION_TIMER:
        return have->words[PIN] & CONTROL_PREEMPTION_TIMER;
    case NEEDS_TPR_SHADOW:
        return have->words[PROC] & CONTROL_TPR_SHADOW;
    case NEEDS_MSR_BITMAPS:
        return have->words[PROC] & CONTROL_MSR_BITMAPS;
    case NEEDS_IO_BITMAPS:
        return have->words[PROC] & CONTROL_IO_BITMAPS;
    case NEEDS_SECONDARY:
        return have->words[PROC] & CONTROL_SECONDARY;
    case NEEDS_PAT:
        return have->words[ENTRY] & CONTROL_ENTRY_LOAD_PAT;
    case NEEDS_EFER:
        return have->words[ENTRY] & CONTROL_ENTRY_LOAD_EFER;
    case NEEDS_PML:
        return can->words[PROC2] >> 32 & BIT(17);
    case NEEDS_OTHER:
        return false;
    }
    return false;
}
