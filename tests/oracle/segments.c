/*
 * Segments of 16- and 32-bit tests: flat ones as Linux has them in its GDT, and an LDT of other
 * bases, limits, types and sizes, the same natively (modify_ldt) and in the guest.
 */
#include "core/decode/insn.h"
#include "tests/oracle/oracle.h"

#include <asm/ldt.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DATA_TYPE, EXPANDS_DOWN, CODE_TYPE }; /* conforming code Linux does not give */

/* In the order of their selectors: 7, 0xf, 0x17.. */
static const struct {
    u32 base, limit;
    u8 type;
    bool read_only, wide, pages, absent;
} rows[LDT_ENTRIES] = {
    [LDT_CODE16] = {.base = CODE, .limit = CODE_SIZE - 1, .type = CODE_TYPE},
    [LDT_DATA16] = {.base = DATA - 0x1000, .limit = 0xffff},
    [LDT_STACK16] = {.base = STACK, .limit = STACK_SIZE - 1},
    [LDT_SHORT] = {.base = DATA - 0x1000, .limit = 0x1fff, .wide = true},
    [LDT_DOWN32] = {.base = DATA - 0x1000, .limit = 0x13ff, .type = EXPANDS_DOWN, .wide = true},
    [LDT_DOWN16] = {.base = DATA - 0x1000, .limit = 0x17ff, .type = EXPANDS_DOWN},
    [LDT_READ_ONLY] = {.base = DATA - 0x1000, .limit = 0xffff, .read_only = true, .wide = true},
    [LDT_EXECUTE_ONLY] =
        {.base = CODE, .limit = CODE_SIZE - 1, .type = CODE_TYPE, .read_only = true, .wide = true},
    [LDT_ABSENT] = {.limit = 0xffff, .wide = true, .absent = true},
    [LDT_STACK32] = {.base = STACK, .limit = STACK_SIZE - 1, .wide = true},
    [LDT_CODE32] = {.base = CODE, .limit = CODE_SIZE - 1, .type = CODE_TYPE, .wide = true},
    [LDT_PAGES] = {.limit = (DATA + DATA_SIZE - 1) >> 12, .wide = true, .pages = true},
};

/* As Linux makes it. */
static u64 ldt_descriptor(u32 i)
{
    u64 type = 1 | (rows[i].read_only ? 0u : 2u) | (u64)rows[i].type << 2;
    u64 access = type | 0x70 | (rows[i].absent ? 0u : 0x80u);
    u64 flags = (rows[i].wide ? 4u : 0u) | (rows[i].pages ? 8u : 0u);
    u64 base = rows[i].base, limit = rows[i].limit;
    return (limit & 0xffff) | (base & 0xffffff) << 16 | access << 40 | (limit >> 16) << 48 |
           flags << 52 | (base >> 24) << 56;
}

u64 segment_descriptor(u16 selector)
{
    u32 index = selector >> 3;
    if (selector & 4)
        return index < LDT_ENTRIES ? ldt_descriptor(index) : 0;
    switch (index) {
    case 4: /* USER32_CS */
        return 0x00cffb000000ffff;
    case 5: /* USER_DS */
        return 0x00cff3000000ffff;
    case 6: /* USER_CS */
        return 0x00affb000000ffff;
    default:
        return 0;
    }
}

u32 segment_base(u16 selector)
{
    return selector & 4 && selector >> 3 < LDT_ENTRIES ? rows[selector >> 3].base : 0;
}

u64 code_address(const struct state *s)
{
    return s->rip + segment_base(s->selector[SEG_CS]);
}

bool segments_install(void)
{
    for (u32 i = 0; i < LDT_ENTRIES; i++) {
        struct user_desc d = {.entry_number = i,
                              .base_addr = rows[i].base,
                              .limit = rows[i].limit,
                              .seg_32bit = rows[i].wide,
                              .contents = rows[i].type,
                              .read_exec_only = rows[i].read_only,
                              .limit_in_pages = rows[i].pages,
                              .seg_not_present = rows[i].absent,
                              .useable = 1};
        if (syscall(SYS_modify_ldt, 1, &d, sizeof(d)))
            return false;
    }
    return true;
}
