/*
 * Every mode that a guest can enter works under the hypervisor: compatibility mode,
 * 32-bit protected mode with PAE, with 4 MiB pages and unpaged, real mode. In each:
 * device access by MMIO and port, CPUID, MSRs, INT, #UD, #GP and an external interrupt
 * (SDM 10.8.5, 10.9; Hindvisor: unrestricted guest, PDPTEs, guest walks in all modes).
 *
 * @row: 12 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

enum mode { COMPATIBILITY, PAE, FOUR_MIB, UNPAGED, REAL, MODES };
enum { SOFT = 0x55, IRQ = 0x41, REAL_BASE = 0x30000, REAL_IVT = 0x31000, RESULTS = 0x3f000 };

struct results {
    u32 version, cpuid, port, efer, cr0, cr4, exchanged, reg, tsc, done;
    u32 soft, ud, gp, irq;
};

void legacy_run(u32 mode);
extern u8 legacy_soft[], legacy_ud[], legacy_gp[], legacy_irq[], real_blob[], real_blob_end[];
extern u16 real_vectors[4];
extern u64 legacy_idt[256];
extern u32 legacy_cr4, legacy_new_cr3;

static const char *const names[] = {"compatibility mode", "PAE paging", "4 MiB pages",
                                    "protected mode without paging", "real mode"};
static u32 page_directory[1024] __attribute__((aligned(4096)));
static u64 pae_directories[4][512] __attribute__((aligned(4096)));
static u64 pae_pointers[4] __attribute__((aligned(4096)));
static struct results *const results = (struct results *)RESULTS;

static void skip_two(struct frame *f)
{
    f->rip += 2;
    if (f->vector == UD)
        results->ud++;
    else
        results->gp++;
}

static void on_soft(struct frame *f)
{
    (void)f;
    results->soft++;
}

static void on_irq(struct frame *f)
{
    (void)f;
    results->irq++;
    apic_eoi();
}

static void gate32(u32 vector, const u8 *code)
{
    u64 at = (u64)code;
    legacy_idt[vector] = (at & 0xffff) | (u64)CODE32 << 16 | 0x8eull << 40 | (at >> 16) << 48;
}

static void tables(void)
{
    for (u32 i = 0; i < 1024; i++)
        page_directory[i] = i << 22 | PTE_P | PTE_W | PTE_PS;
    for (u64 i = 0; i < 2048; i++)
        pae_directories[i / 512][i % 512] = i << 21 | PTE_P | PTE_W | PTE_PS;
    for (u32 i = 0; i < 4; i++)
        pae_pointers[i] = (u64)pae_directories[i] | PTE_P;
    gate32(SOFT, legacy_soft);
    gate32(UD, legacy_ud);
    gate32(GP, legacy_gp);
    gate32(IRQ, legacy_irq);
}

static void real_mode(void)
{
    static const u8 vectors[4] = {SOFT, UD, GP, IRQ};
    memcpy(physical(REAL_BASE), real_blob, (u64)(real_blob_end - real_blob));
    for (u32 i = 0; i < 4; i++)
        ((volatile u32 *)physical(REAL_IVT))[vectors[i]] = REAL_BASE / 16 << 16 | real_vectors[i];
    gdt[SPARE / 8] = 0x00009b030000ffff;     /* 16-bit code at REAL_BASE */
    gdt[SPARE / 8 + 1] = 0x000093000000ffff; /* 16-bit data at 0 */
}

static void check_mode_bits(enum mode mode)
{
    bool paged = mode != UNPAGED && mode != REAL;
    bool protected_mode = mode != REAL;
    expect(!!(results->cr0 & CR0_PG) == paged && !!(results->cr0 & CR0_PE) == protected_mode,
           "CR0: PG and PE are this mode's");
    expect_equal(results->efer & 0x500, mode == COMPATIBILITY ? 0x500 : 0, "EFER: LME and LMA too");
    expect_equal(results->cr4 & (CR4_PAE | CR4_PSE),
                 mode <= PAE        ? CR4_PAE
                 : mode == FOUR_MIB ? CR4_PSE
                                    : 0,
                 "CR4: PAE and PSE too");
}

static void check(enum mode mode)
{
    memset(physical(RESULTS), 0, sizeof *results);
    legacy_cr4 = mode == PAE ? CR4_PAE : mode == FOUR_MIB ? CR4_PSE : 0;
    legacy_new_cr3 = mode == PAE        ? (u32)(u64)pae_pointers
                     : mode == FOUR_MIB ? (u32)(u64)page_directory
                                        : 0;
    say("%s:\n", names[mode]);
    legacy_run(mode);
    expect_equal(results->done, 0x600d, "the payload ran to its end");
    check_mode_bits(mode);
    expect_equal(results->version, apic_read(APIC_VERSION), "the APIC's version by MMIO");
    expect_equal(results->cpuid, cpuid(0, 0).eax, "CPUID");
    expect_equal(results->port, 0xff, "an unknown port");
    expect(results->exchanged == 0x5a000000 && results->reg == 0x33000000, "XCHG with a register");
    expect(results->soft == 1 && results->ud == 1, "INT n and #UD, once each");
    expect_equal(results->gp, 1, "#GP of RDMSR, once");
    expect_equal(results->irq, 1, "an external interrupt, once");
}

int main(void)
{
    apic_on();
    tables();
    real_mode();
    handlers[SOFT] = on_soft;
    handlers[IRQ] = on_irq;
    handlers[UD] = handlers[GP] = skip_two;
    for (u32 mode = COMPATIBILITY; mode < MODES; mode++)
        check(mode);
    expect(read_cr0() & CR0_PG && rdmsr(MSR_EFER) & BIT(10), "64-bit mode again");
    return 0;
}
