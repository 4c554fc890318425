/*
 * The vCPU's life outside exits: its first state (Linux boot protocol on top of
 * SDM table 10-1), moving on after an emulated instruction, raising exceptions,
 * its hash.
 */
#include "vmx/vcpu.h"
#include "core/crc.h"
#include "core/mem.h"
#include "vmx/controls.h"
#include "vmx/events.h"
#include "vmx/processor.h"

enum { RFLAGS_FIXED = 1 << 1, RFLAGS_TF = 1 << 8, PENDING_DEBUG_BS = 1 << 14 };
enum { CR0_PE = 1, CR0_NE = 1 << 5, CR0_NW = 1 << 29, CR0_CD = 1 << 30 };
#define CR0_PG BIT(31)
enum { CR4_PAE = 1 << 5, CR4_VMXE = 1 << 13 };
enum { EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };

/* Segments as the Linux 64-bit boot protocol wants them: flat, from the GDT that
 * boot_load() made. Access rights in VMX form (SDM table 25-2). */
static const struct {
    enum vmcs_field selector, base, limit, access;
    u16 value;
    u32 limit_value, rights;
} segments[] = {
    {VMCS_GUEST_CS, VMCS_GUEST_CS_BASE, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_ACCESS, 0x10, ~0u, 0xa09b},
    {VMCS_GUEST_DS, VMCS_GUEST_DS_BASE, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_ACCESS, 0x18, ~0u, 0xc093},
    {VMCS_GUEST_ES, VMCS_GUEST_ES_BASE, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_ACCESS, 0x18, ~0u, 0xc093},
    {VMCS_GUEST_SS, VMCS_GUEST_SS_BASE, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_ACCESS, 0x18, ~0u, 0xc093},
    {VMCS_GUEST_FS, VMCS_GUEST_FS_BASE, VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_ACCESS, 0x18, ~0u, 0xc093},
    {VMCS_GUEST_GS, VMCS_GUEST_GS_BASE, VMCS_GUEST_GS_LIMIT, VMCS_GUEST_GS_ACCESS, 0x18, ~0u, 0xc093},
    {VMCS_GUEST_LDTR, VMCS_GUEST_LDTR_BASE, VMCS_GUEST_LDTR_LIMIT, VMCS_GUEST_LDTR_ACCESS, 0, 0, 0x10000},
    {VMCS_GUEST_TR, VMCS_GUEST_TR_BASE, VMCS_GUEST_TR_LIMIT, VMCS_GUEST_TR_ACCESS, 0, 0x67, 0x8b},
};

static void init_segments(const struct boot_state *boot)
{
    for (u32 i = 0; i < ARRAY_SIZE(segments); i++) {
        vmcs_write(segments[i].selector, segments[i].value);
        vmcs_write(segments[i].base, 0);
        vmcs_write(segments[i].limit, segments[i].limit_value);
        vmcs_write(segments[i].access, segments[i].rights);
    }
    vmcs_write(VMCS_GUEST_GDTR_BASE, boot->gdt_base);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, boot->gdt_limit);
    vmcs_write(VMCS_GUEST_IDTR_BASE, 0);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, 0);
}

static void init_guest(struct vcpu *v, const struct boot_state *boot)
{
    init_segments(boot);
    vmcs_write(VMCS_GUEST_CR0, CR0_PE | CR0_NE | CR0_PG);
    vmcs_write(VMCS_GUEST_CR3, boot->cr3);
    vmcs_write(VMCS_GUEST_CR4, CR4_PAE | CR4_VMXE);
    vmcs_write(VMCS_GUEST_EFER, EFER_LME | EFER_LMA);
    vmcs_write(VMCS_GUEST_PAT, 0x0007040600070406ull); /* SDM 12.12.4, after reset */
    vmcs_write(VMCS_GUEST_DR7, 0x400);
    vmcs_write(VMCS_GUEST_LINK, ~0ull); /* SDM 25.4.2: no shadow VMCS */
    vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_write(VMCS_GUEST_ACTIVITY, 0);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
    vmcs_write(VMCS_GUEST_SMBASE, 0);
    vmcs_write(VMCS_GUEST_SYSENTER_CS, 0);
    vmcs_write(VMCS_GUEST_SYSENTER_ESP, 0);
    vmcs_write(VMCS_GUEST_SYSENTER_EIP, 0);
    v->gpr[RSI] = boot->rsi;
    v->gpr[RSP] = boot->rsp;
    v->rip = boot->rip;
    v->rflags = RFLAGS_FIXED;
    vmcs_write(VMCS_GUEST_RIP, v->rip);
    vmcs_write(VMCS_GUEST_RSP, v->written_rsp = v->gpr[RSP]);
    vmcs_write(VMCS_GUEST_RFLAGS, v->written_rflags = v->rflags);
}

/* The hypervisor owns the bits that the CPU model does not let the guest change
 * and those without effect in a guest (caching); the guest reads its own values of them. */
static void init_control_registers(void)
{
    vmcs_write(VMCS_CR0_MASK, ~(u64)CPU_MODEL_CR0_BITS | CR0_NE | CR0_NW | CR0_CD);
    vmcs_write(VMCS_CR0_SHADOW, CR0_PE | CR0_NE | CR0_PG);
    vmcs_write(VMCS_CR4_MASK, ~(u64)CPU_MODEL_CR4_BITS);
    vmcs_write(VMCS_CR4_SHADOW, CR4_PAE);
}

static void allow_msr(void *bitmap, u32 msr)
{
    u8 *bytes = bitmap;
    u32 low = msr & 0x1fff, half = msr >= 0xc0000000 ? 1024 : 0; /* SDM 25.6.9 */
    bytes[half + low / 8] &= (u8) ~(1u << low % 8);        /* reads */
    bytes[2048 + half + low / 8] &= (u8) ~(1u << low % 8); /* writes */
}

static void init_bitmaps(const struct vcpu_pages *pages)
{
    memset(pages->io_bitmap_a, 0xff, PAGE_SIZE); /* no port is the guest's own */
    memset(pages->io_bitmap_b, 0xff, PAGE_SIZE);
    memset(pages->msr_bitmap, 0xff, PAGE_SIZE);
    cpu_msr_each_pass(allow_msr, pages->msr_bitmap);
    vmcs_write(VMCS_IO_BITMAP_A, (u64)pages->io_bitmap_a);
    vmcs_write(VMCS_IO_BITMAP_B, (u64)pages->io_bitmap_b);
    vmcs_write(VMCS_MSR_BITMAP, (u64)pages->msr_bitmap);
    vmcs_write(VMCS_VIRTUAL_APIC, (u64)pages->virtual_apic);
    vmcs_write(VMCS_TPR_THRESHOLD, 0);
}

static void init_controls(struct vcpu *v, const struct vcpu_setup *setup)
{
    vmcs_write(VMCS_PIN_CONTROLS, setup->controls->words[PIN]);
    vmcs_write(VMCS_PROCESSOR_CONTROLS, v->processor_controls = setup->controls->words[PROC]);
    vmcs_write(VMCS_SECONDARY_CONTROLS, setup->controls->words[PROC2]);
    vmcs_write(VMCS_EXIT_CONTROLS, setup->controls->words[EXIT]);
    vmcs_write(VMCS_ENTRY_CONTROLS, v->entry_controls = setup->controls->words[ENTRY]);
    vmcs_write(VMCS_EXCEPTION_BITMAP, setup->exception_bitmap);
    vmcs_write(VMCS_PAGE_FAULT_MASK, setup->page_fault_mask);
    vmcs_write(VMCS_PAGE_FAULT_MATCH, setup->page_fault_match);
    vmcs_write(VMCS_CR3_TARGETS, 0);
    vmcs_write(VMCS_EXIT_MSR_STORES, 0);
    vmcs_write(VMCS_EXIT_MSR_LOADS, 0);
    vmcs_write(VMCS_ENTRY_MSR_LOADS, 0);
    vmcs_write(VMCS_ENTRY_EVENT, 0);
    vmcs_write(VMCS_TSC_OFFSET, 0);
    if (setup->controls->words[PROC2] & CONTROL_VPID)
        vmcs_write(VMCS_VPID, 1);
    vmcs_write(VMCS_EPT_POINTER, v->ept_pointer = setup->ept_pointer);
}

void vcpu_init(struct vcpu *v, struct machine *machine, const struct vcpu_setup *setup)
{
    memset(v, 0, sizeof(*v));
    v->machine = machine;
    v->virtual_apic = setup->pages->virtual_apic;
    v->check = ~0u;
    v->timeout = NEVER;
    cpu_msrs_reset(&v->msrs);
    memset(v->latency_min, 0xff, sizeof(v->latency_min));
    init_controls(v, setup);
    init_bitmaps(setup->pages);
    init_control_registers();
    init_guest(v, setup->boot);
}

bool vcpu_long_mode(void)
{
    enum { ACCESS_L = 1 << 13 };
    return vmcs_read(VMCS_GUEST_EFER) & EFER_LMA && vmcs_read(VMCS_GUEST_CS_ACCESS) & ACCESS_L;
}

void vcpu_skip_instruction(struct vcpu *v)
{
    u64 next = v->rip + v->exit.length;
    if ((next ^ v->rip) >> 32 && !vcpu_long_mode())
        next = (u32)next;
    v->rip = next;
    u64 blocking = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    if (blocking & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(u64)(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
    vcpu_trap_step(v);
}

bool vcpu_trap_step(struct vcpu *v)
{
    if (!(v->rflags & RFLAGS_TF))
        return false;
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, vmcs_read(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
    return true;
}

/* SDM table 6-4. */
static bool contributory(u32 vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

void vcpu_raise(struct vcpu *v, u32 vector, bool has_error, u32 error)
{
    u32 first = v->event.info;
    if (first & EVENT_VALID && EVENT_TYPE(first) == EVENT_HARDWARE_EXCEPTION) { /* SDM table 6-5 */
        u32 before = EVENT_VECTOR(first);
        if (before == VECTOR_DF) {
            machine_stop(v->machine, END_TRIPLE_FAULT, v->rip);
            return;
        }
        if (contributory(vector) ? contributory(before) || before == VECTOR_PF
                                 : vector == VECTOR_PF && before == VECTOR_PF) {
            vector = VECTOR_DF;
            has_error = true;
            error = 0;
        }
    }
    has_error = has_error && vmcs_read(VMCS_GUEST_CR0) & CR0_PE; /* real mode has none; SDM 27.2.1.3 */
    v->event = (struct event){
        .info = EVENT(EVENT_HARDWARE_EXCEPTION, vector) | (has_error ? EVENT_HAS_ERROR : 0),
        .error = error,
    };
}

void vcpu_raise_gp(struct vcpu *v)
{
    vcpu_raise(v, VECTOR_GP, true, 0);
}

void vcpu_raise_ud(struct vcpu *v)
{
    vcpu_raise(v, VECTOR_UD, false, 0);
}

void vcpu_raise_pf(struct vcpu *v, u64 address, u32 error)
{
    processor_write_cr2(address);
    vcpu_raise(v, VECTOR_PF, true, error);
}

static bool hashed_field(const struct vmcs_field_info *field)
{
    switch (field->encoding) {
    case VMCS_GUEST_RIP: /* the vCPU has the newer value of these three */
    case VMCS_GUEST_RSP:
    case VMCS_GUEST_RFLAGS:
    case VMCS_GUEST_LINK:
        return false;
    default:
        return field->kind == GUEST && (field->need == ALWAYS || field->need == NEEDS_PAT || field->need == NEEDS_EFER);
    }
}

u64 vcpu_hash(const struct vcpu *v)
{
    u32 low = ~0u, high = 0;
    for (u32 i = 0; i < vmcs_field_count; i++)
        if (hashed_field(&vmcs_fields[i]))
            low = crc32c_u64(low, vmcs_read(vmcs_fields[i].encoding));
    high = crc32c(high, v->gpr, sizeof(v->gpr));
    high = crc32c_u64(high, v->rip);
    high = crc32c_u64(high, v->rflags);
    high = crc32c(high, &v->msrs, sizeof(v->msrs));
    high = crc32c_u64(high, (u64)v->tsc_offset ^ v->skipped);
    return processor_hash_live(mix64((u64)high << 32 | low));
}
