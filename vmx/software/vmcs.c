/*
 * The seam of vmx/processor.h: VMCS fields, capability MSRs that advertise exactly what is
 * implemented (SDM appendix A), the registers outside the VMCS, and their hash.
 */
#include "core/crc.h"
#include "vmx/controls.h"
#include "vmx/processor.h"
#include "vmx/software/cpu.h"

struct cpu software_cpu;

enum { ENCODINGS = 0x3800 };

static u8 index_of[ENCODINGS];
static bool indexed;

static void make_index(void)
{
    static const u32 encodings[] = {
#define F(name, encoding, width, kind, need) encoding,
        VMCS_FIELDS(F)
#undef F
    };
    _Static_assert(FIELD_COUNT < 255, "indices fit a byte");
    for (u32 i = 0; i < FIELD_COUNT; i++)
        index_of[encodings[i] >> 1] = (u8)(i + 1);
    indexed = true;
}

static u32 field_index(enum vmcs_field field)
{
    if (unlikely(!indexed))
        make_index();
    u32 at = (u32)field >> 1;
    return at < ENCODINGS && index_of[at] ? index_of[at] - 1u : FIELD_COUNT;
}

u64 vmcs_read(enum vmcs_field field)
{
    u32 i = field_index(field);
    return i < FIELD_COUNT ? software_cpu.vmcs[i] : 0;
}

/* What the entry need not look at again: events, windows, thresholds, and state that nothing
 * derives from. */
static bool is_plain(u32 i)
{
    switch (i) {
    case I_ENTRY_EVENT:
    case I_ENTRY_EVENT_ERROR:
    case I_ENTRY_EVENT_LENGTH:
    case I_TPR_THRESHOLD:
    case I_PROCESSOR_CONTROLS:
    case I_GUEST_RIP:
    case I_GUEST_RSP:
    case I_GUEST_RFLAGS:
    case I_GUEST_INTERRUPTIBILITY:
    case I_GUEST_PENDING_DEBUG:
        return true;
    default:
        return false;
    }
}

void vmcs_write(enum vmcs_field field, u64 value)
{
    static const u64 masks[] = {[W16] = 0xffff, [W64] = ~0ull, [W32] = 0xffffffff, [WNAT] = ~0ull};
    u32 i = field_index(field);
    if (i >= FIELD_COUNT)
        return;
    software_cpu.vmcs[i] = value & masks[(u32)field >> 13 & 3];
    if (!is_plain(i))
        software_cpu.changed = true;
}

/* --- capabilities ------------------------------------------------------------------------ */

/* Bits that must be 1 (SDM 25.6, "default1"; CR3 accesses need not exit, so the TRUE forms rule).
 */
static const u32 must_be_1[CONTROL_WORDS] = {
    [PIN] = 0x16, [PROC] = 0x04006172, [PROC2] = 0, [EXIT] = 0x36dfb, [ENTRY] = 0x11fb};

static u64 control_capability(enum control_word word)
{
    u32 may = must_be_1[word];
#define C(in, bit, name, want, text) may |= in == word ? 1u << (bit) : 0;
    CONTROLS(C)
#undef C
    return (u64)may << 32 | must_be_1[word];
}

static u64 *live_msr(struct cpu *c, u32 msr)
{
    switch (msr) {
    case 0xc0000081:
        return &c->star;
    case 0xc0000082:
        return &c->lstar;
    case 0xc0000083:
        return &c->cstar;
    case 0xc0000084:
        return &c->fmask;
    case 0xc0000102:
        return &c->kernel_gs;
    default:
        return NULL;
    }
}

u64 processor_read_msr(u32 msr)
{
    enum {
        REVISION = 0x48,
        WALK_4 = 1 << 6,
        WRITE_BACK = 1 << 14,
        PAGES = 3 << 16,
        INVEPT = 1 << 20,
        ACCESSED_DIRTY = 1 << 21
    };
    u64 *live = live_msr(&software_cpu, msr);
    if (live)
        return *live;
    switch (msr) {
    case 0x480:
        return REVISION | 4096ull << 32 | 6ull << 50 | BIT(54) | BIT(55);
    case 0x481 ... 0x484: /* default1 forms */
        return processor_read_msr(msr + 0xc) | (msr == 0x482 ? 0x18000 : 0) |
               (msr == 0x483 ? 4 : 0) | (msr == 0x484 ? 4 : 0);
    case 0x485: /* MISC: activity states HLT; preemption timer at TSC rate */
        return BIT(6);
    case 0x48b:
        return control_capability(PROC2);
    case 0x48c:
        return WALK_4 | WRITE_BACK | PAGES | INVEPT | ACCESSED_DIRTY | 3ull << 25 | 1 |
               15ull << 40 | BIT(32);
    case 0x48d:
        return control_capability(PIN);
    case 0x48e:
        return control_capability(PROC);
    case 0x48f:
        return control_capability(EXIT);
    case 0x490:
        return control_capability(ENTRY);
    default:
        return 0;
    }
}

void processor_write_msr(u32 msr, u64 value)
{
    u64 *live = live_msr(&software_cpu, msr);
    if (live)
        *live = value;
}

/* --- the rest of the seam -------------------------------------------------------------------- */

void processor_flush_ept(u64 ept_pointer)
{
    (void)ept_pointer;
    ept_flush(&software_cpu);
}

void processor_flush_guest_tlb(void)
{
    tlb_flush(&software_cpu, true);
}

u64 processor_read_cr2(void)
{
    return software_cpu.cr2;
}

void processor_write_cr2(u64 value)
{
    software_cpu.cr2 = value;
}

u64 processor_read_dr6(void)
{
    return software_cpu.dr6;
}

void processor_write_dr6(u64 value)
{
    software_cpu.dr6 = value;
}

/* The same over the same as vmx/hardware/processor.c. */
u64 processor_hash_live(u64 seed)
{
    const struct cpu *c = &software_cpu;
    u8 fpu[512];
    u32 crc = crc32c_u64((u32)(seed >> 32), seed);
    const u64 values[] = {c->star,  c->lstar, c->cstar, c->fmask, c->kernel_gs, c->cr2,
                          c->dr[0], c->dr[1], c->dr[2], c->dr[3], c->dr6};
    for (u32 i = 0; i < ARRAY_SIZE(values); i++)
        crc = crc32c_u64(crc, values[i]);
    fx_image(c, fpu);
    return mix64(seed ^ (u64)crc32c(crc, fpu, sizeof(fpu)) << 32 ^ crc);
}

u64 processor_tsc(void)
{
    return __builtin_ia32_rdtsc();
}
