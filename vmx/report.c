/* What a run leaves behind for its report: registers, the last exits, the VMCS. */
#include "core/mem.h"
#include "vmx/exits.h"
#include "vmx/handlers.h"
#include "vmx/hypervisor.h"
#include "vmx/processor.h"

static void report_registers(const struct vcpu *v, struct registers *out)
{
    memcpy(out->gpr, v->gpr, sizeof(out->gpr));
    out->rip = v->rip;
    out->rflags = v->rflags;
    out->cr0 = vmcs_read(VMCS_GUEST_CR0);
    out->cr2 = processor_read_cr2();
    out->cr3 = vmcs_read(VMCS_GUEST_CR3);
    out->cr4 = vmcs_read(VMCS_GUEST_CR4);
    out->efer = vmcs_read(VMCS_GUEST_EFER);
    out->cs_base = vmcs_read(VMCS_GUEST_CS_BASE);
    out->ss_base = vmcs_read(VMCS_GUEST_SS_BASE);
    out->fs_base = vmcs_read(VMCS_GUEST_FS_BASE);
    out->gs_base = vmcs_read(VMCS_GUEST_GS_BASE);
    out->cs = (u16)vmcs_read(VMCS_GUEST_CS);
    out->ss = (u16)vmcs_read(VMCS_GUEST_SS);
    out->ds = (u16)vmcs_read(VMCS_GUEST_DS);
    out->es = (u16)vmcs_read(VMCS_GUEST_ES);
    out->fs = (u16)vmcs_read(VMCS_GUEST_FS);
    out->gs = (u16)vmcs_read(VMCS_GUEST_GS);
    out->cs_access = (u32)vmcs_read(VMCS_GUEST_CS_ACCESS);
}

static bool dumped(const struct vmcs_field_info *field)
{
    bool always = field->need != NEEDS_OTHER && field->need != NEEDS_PML && field->need != NEEDS_VPID;
    return always && field->kind != HOST;
}

static void report_vmcs(struct report *out)
{
    for (u32 i = 0; i < vmcs_field_count && out->vmcs_count < VMCS_DUMP; i++) {
        if (!dumped(&vmcs_fields[i]))
            continue;
        out->vmcs[out->vmcs_count++] = (struct vmcs_value){
            .encoding = vmcs_fields[i].encoding, .value = vmcs_read(vmcs_fields[i].encoding)};
    }
}

static void report_last(const struct vcpu *v, struct report *out)
{
    u64 total = v->recorded;
    out->last_count = (u32)min_u64(total, LAST_EXITS);
    for (u32 i = 0; i < out->last_count; i++)
        out->last[i] = v->last[(total - out->last_count + i) % LAST_EXITS];
    if (total)
        out->actual = v->last[(total - 1) % LAST_EXITS];
}

void hypervisor_report(struct hypervisor *h, struct report *out)
{
    struct vcpu *v = &h->vcpu;
    out->version = WIRE_VERSION;
    out->end_reason = h->machine.end.reason;
    out->end_detail = h->machine.end.detail;
    out->exits = v->recorded;
    out->count = v->count;
    out->now = h->machine.now;
    report_registers(v, &out->registers);
    out->instruction_length = guest_fetch(v, out->instruction);
    out->mode_bits = (u8)vcpu_code_bits();
    report_last(v, out);
    memcpy(out->exits_by_reason, v->exits_by_reason, sizeof(out->exits_by_reason));
    memcpy(out->latency_min, v->latency_min, sizeof(out->latency_min));
    memcpy(out->latency_sum, v->latency_sum, sizeof(out->latency_sum));
    report_vmcs(out);
}
