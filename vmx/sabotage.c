/* Breaks one rule on purpose; see sabotage.h. */
#include "vmx/sabotage.h"
#include "vmx/controls.h"
#include "vmx/processor.h"

static u64 *ept_entry_of_page_zero(u64 pointer)
{
    u64 *table = (u64 *)(pointer & ~(PAGE_SIZE - 1));
    for (u32 level = 0; level < 3; level++)
        table = (u64 *)(table[0] & 0x000ffffffffff000ull);
    return &table[0];
}

void sabotage(struct vcpu *v, enum sabotage kind)
{
    switch (kind) {
    case SABOTAGE_NONE:
        break;
    case SABOTAGE_ENTRY_STATE:
        vmcs_write(VMCS_GUEST_ACTIVITY, 9); /* SDM 27.3.1.5: no such activity state */
        break;
    case SABOTAGE_ENTRY_CONTROLS:
        vmcs_write(VMCS_CR3_TARGETS, 99); /* SDM 27.2.1.1: at most four */
        break;
    case SABOTAGE_UNKNOWN_EXIT:
        v->exit.reason = 77;
        break;
    case SABOTAGE_MISCONFIG:
        *ept_entry_of_page_zero(v->ept_pointer) = (*ept_entry_of_page_zero(v->ept_pointer) & ~7ull) | 2;
        processor_flush_ept(v->ept_pointer);
        break;
    case SABOTAGE_MEMORY:
        v->machine->memory.base[0x8000] ^= 1;
        memory_mark_dirty(&v->machine->memory, 0x8000, 1);
        break;
    case SABOTAGE_REGISTER:
        v->gpr[R15] ^= 1;
        break;
    }
}
