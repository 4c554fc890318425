/* The guest's memory as its own instructions see it: linear addresses, rights, faults. */
#include "core/mem.h"
#include "vmx/events.h"
#include "vmx/handlers.h"
#include "vmx/processor.h"

struct paging vcpu_paging(const struct vcpu *v)
{
    return (struct paging){
        .cr0 = vmcs_read(VMCS_GUEST_CR0),
        .cr3 = vmcs_read(VMCS_GUEST_CR3),
        .cr4 = vmcs_read(VMCS_GUEST_CR4),
        .efer = vmcs_read(VMCS_GUEST_EFER),
        .rflags = v->rflags,
    };
}

u32 vcpu_cpl(void)
{
    return vmcs_read(VMCS_GUEST_SS_ACCESS) >> 5 & 3; /* SDM 25.4.1: SS.DPL is the CPL */
}

u32 vcpu_code_bits(void)
{
    enum { ACCESS_D = 1 << 14 };
    if (vcpu_long_mode())
        return 64;
    return vmcs_read(VMCS_GUEST_CS_ACCESS) & ACCESS_D ? 32 : 16;
}

bool vcpu_canonical(u64 linear)
{
    return !vcpu_long_mode() || (u64)((i64)(linear << 16) >> 16) == linear;
}

static enum guest_access copy_within_page(struct vcpu *v, u64 linear, void *buffer, u32 length, enum guest_copy how)
{
    if (!vcpu_canonical(linear)) {
        vcpu_raise_gp(v);
        return GUEST_FAULT_RAISED;
    }
    struct paging paging = vcpu_paging(v);
    u32 access = (how == COPY_IN ? 0 : ACCESS_WRITE) | (vcpu_cpl() == 3 ? ACCESS_USER : 0);
    struct translation t = paging_walk(&v->machine->memory, &paging, linear, access, true);
    if (t.fault) {
        vcpu_raise_pf(v, linear, t.error_code);
        return GUEST_FAULT_RAISED;
    }
    struct memory *m = &v->machine->memory;
    bool ram = how == COPY_IN    ? memory_read(m, t.gpa, buffer, length)
               : how == COPY_OUT ? memory_write(m, t.gpa, buffer, length)
                                 : memory_at(m, t.gpa, length) != NULL;
    return ram ? GUEST_OK : GUEST_NOT_RAM;
}

enum guest_access guest_copy(struct vcpu *v, u64 linear, void *buffer, u32 length, enum guest_copy how)
{
    u8 *bytes = buffer;
    while (length) {
        u32 part = (u32)min_u64(length, PAGE_SIZE - linear % PAGE_SIZE);
        enum guest_access result = copy_within_page(v, linear, bytes, part, how);
        if (result != GUEST_OK)
            return result;
        linear += part;
        bytes += part;
        length -= part;
    }
    return GUEST_OK;
}

static u32 fetch_within_page(struct vcpu *v, const struct paging *paging, u64 linear, u32 access, u8 bytes[15])
{
    struct translation t = paging_walk(&v->machine->memory, paging, linear, access, false);
    const u8 *at = t.fault ? NULL : memory_at(&v->machine->memory, t.gpa, 15);
    if (!at)
        return 0;
    memcpy(bytes, at, 15);
    return 15;
}

u32 guest_fetch(struct vcpu *v, u8 bytes[15])
{
    struct paging paging = vcpu_paging(v);
    u32 access = ACCESS_FETCH | (vcpu_cpl() == 3 ? ACCESS_USER : 0), have = 0;
    u64 linear = vcpu_long_mode() ? v->rip : (u32)(vmcs_read(VMCS_GUEST_CS_BASE) + v->rip);
    if (linear % PAGE_SIZE <= PAGE_SIZE - 15) /* within a page, as nearly always */
        return fetch_within_page(v, &paging, linear, access, bytes);
    while (have < 15) {
        u32 part = (u32)min_u64(15 - have, PAGE_SIZE - (linear + have) % PAGE_SIZE);
        struct translation t = paging_walk(&v->machine->memory, &paging, linear + have, access, false);
        if (t.fault || !memory_read(&v->machine->memory, t.gpa, bytes + have, part))
            break;
        have += part;
    }
    return have;
}
