/* Puts the rig's vCPU into one of the modes that instructions run in. */
#ifndef TESTS_UNIT_GUEST_MODE_H
#define TESTS_UNIT_GUEST_MODE_H

#include "tests/unit/hypervisor_rig.h"

enum guest_mode { MODE_64, MODE_32_PAGED, MODE_32, MODE_16_REAL, GUEST_MODES };

enum { CS_64 = 0xa09b, CS_32 = 0xc09b, CS_16 = 0x9b, SS_32 = 0xc093, SS_16 = 0x93, DPL_3 = 3 << 5 };

static inline void guest_segments(u32 code, u32 stack)
{
    vmcs_write(VMCS_GUEST_CS_ACCESS, code);
    vmcs_write(VMCS_GUEST_SS_ACCESS, stack);
}

static inline void guest_leave_long_mode(u64 cr0)
{
    vmcs_write(VMCS_GUEST_CR0, cr0);
    vmcs_write(VMCS_GUEST_CR4, 0x2000);
    vmcs_write(VMCS_GUEST_EFER, 0);
    vmcs_write(VMCS_ENTRY_CONTROLS,
               vmcs_read(VMCS_ENTRY_CONTROLS) & ~(u64)CONTROL_ENTRY_IA32E_GUEST);
}

/* 32-bit paging by the page directory at RIG_TABLES + 8 KiB: 4 MiB pages, identity. */
static inline void guest_map_32(struct rig *rig)
{
    u32 directory = RIG_TABLES + 2 * PAGE_SIZE;
    for (u32 i = 0; i < 1024; i++) {
        u32 entry = i << 22 | 0x87;
        memory_write(&rig->h.machine.memory, directory + i * 4, &entry, 4);
    }
    vmcs_write(VMCS_GUEST_CR3, directory);
    vmcs_write(VMCS_GUEST_CR4, 0x2010);
}

static inline void guest_enter_mode(struct rig *rig, enum guest_mode mode)
{
    switch (mode) {
    case MODE_64:
        guest_segments(CS_64, SS_32);
        break;
    case MODE_32_PAGED:
        guest_leave_long_mode(0x80000021);
        guest_map_32(rig);
        guest_segments(CS_32, SS_32);
        break;
    case MODE_32:
        guest_leave_long_mode(0x21);
        guest_segments(CS_32, SS_32);
        break;
    case MODE_16_REAL:
        guest_leave_long_mode(0x20);
        guest_segments(CS_16, SS_16);
        break;
    case GUEST_MODES:
        break;
    }
}

/* Makes one page of the 64-bit map special: splits the first 2 MiB into 4 KiB pages. */
static inline void guest_split_low(struct rig *rig)
{
    enum {
        PDPT = RIG_TABLES + PAGE_SIZE,
        DIRECTORY = RIG_TABLES + 3 * PAGE_SIZE,
        TABLE = RIG_TABLES + 4 * PAGE_SIZE
    };
    rig_put(rig, PDPT, DIRECTORY | 7);
    for (u64 i = 0; i < 512; i++) {
        rig_put(rig, DIRECTORY + i * 8, i << 21 | 0x87);
        rig_put(rig, TABLE + i * 8, i << 12 | 7);
    }
    rig_put(rig, DIRECTORY, TABLE | 7);
}

static inline void guest_set_page(struct rig *rig, u64 gva, u64 entry)
{
    rig_put(rig, RIG_TABLES + 4 * PAGE_SIZE + gva / PAGE_SIZE * 8, entry);
}

static inline u32 raised_exception(const struct vcpu *v) /* its vector, or ~0 */
{
    return v->event.info & EVENT_VALID ? EVENT_VECTOR(v->event.info) : ~0u;
}

#endif
