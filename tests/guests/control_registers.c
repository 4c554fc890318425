/*
 * CR0, CR3, CR4 and EFER: what the guest writes it reads back; bits that CPU model
 * 1 does not have, and combinations that the SDM forbids, raise #GP and change
 * nothing (SDM 2.5; Hindvisor: guest/host masks and read shadows).
 *
 * @row: 7 held
 * @row: 7 refused
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

static void refused_cr0(u64 value, const char *text)
{
    u64 before = read_cr0();
    int vector = TRY_WRITE(cr0, value);
    expect(vector == GP && trap.error == 0 && trap.offset == 0 && read_cr0() == before, text);
}

static void refused_cr4(u64 value, const char *text)
{
    u64 before = read_cr4();
    int vector = TRY_WRITE(cr4, value);
    expect(vector == GP && trap.error == 0 && read_cr4() == before, text);
}

static void check_cr0(void)
{
    static const u64 bits[] = {CR0_MP, CR0_EM, CR0_TS, CR0_NE,
                               CR0_WP, CR0_AM, CR0_CD, CR0_CD | CR0_NW};
    u64 start = read_cr0() & ~(CR0_CD | CR0_NW);
    bool ok = true;
    for (u32 i = 0; i < ARRAY_SIZE(bits); i++) {
        write_cr0(start ^ bits[i]);
        ok &= read_cr0() == (start ^ bits[i]);
        write_cr0(start);
        ok &= read_cr0() == start;
    }
    expect(ok, "each of MP EM TS NE WP AM CD NW reads back as written");
    write_cr0(start & ~CR0_ET);
    expect(read_cr0() & CR0_ET, "ET stays 1");
    refused_cr0(start | CR0_NW, "NW without CD raises #GP");
    refused_cr0(start & ~CR0_PE, "PG without PE raises #GP");
    refused_cr0(start | BIT(32), "CR0 bit 32 raises #GP");
    refused_cr0(start & ~CR0_PG, "clearing PG in 64-bit mode raises #GP");
    write_cr0(start | BIT(6) | BIT(17));
    expect_equal(read_cr0(), start, "reserved bits below 32 are ignored");
}

static void check_task_switched(void)
{
    u16 word = 0;
    write_cr0(read_cr0() | CR0_TS);
    asm volatile("clts");
    expect(!(read_cr0() & CR0_TS), "CLTS clears TS");
    asm volatile("lmsw %w0" : : "r"(CR0_TS | CR0_PE | CR0_MP));
    expect_equal(read_cr0() & 0xf, CR0_TS | CR0_PE | CR0_MP, "LMSW sets TS and MP");
    asm volatile("smsw %0" : "=r"(word));
    expect_equal(word, read_cr0() & 0xffff, "SMSW shows the low word of CR0");
    asm volatile("lmsw %w0" : : "r"(0));
    expect_equal(read_cr0() & 0xf, CR0_PE, "LMSW cannot clear PE");
    word = CR0_PE | CR0_EM;
    asm volatile("lmsw %0" : : "m"(word));
    expect_equal(read_cr0() & 0xf, CR0_PE | CR0_EM, "LMSW from memory");
    asm volatile("lmsw %w0" : : "r"(0));
    asm volatile("clts");
}

static void check_device_not_available(void)
{
    u64 start = read_cr0() & ~(CR0_EM | CR0_TS | CR0_MP);
    write_cr0(start | CR0_TS);
    expect_equal(ATTEMPT("fld1", :), NM, "TS: x87 raises #NM");
    expect_equal(ATTEMPT("wait", :), NONE, "TS without MP: WAIT does not");
    write_cr0(start | CR0_TS | CR0_MP);
    expect_equal(ATTEMPT("wait", :), NM, "TS and MP: WAIT raises #NM");
    asm volatile("clts");
    expect_equal(ATTEMPT("fninit", :), NONE, "CLTS ends it");
    write_cr0(start | CR0_EM);
    expect_equal(ATTEMPT("fld1", :), NM, "EM: x87 raises #NM");
    write_cr0(start);
}

static void check_cr4(void)
{
    static const u64 bits[] = {BIT(0), BIT(1),  CR4_TSD, CR4_DE,     CR4_PSE,
                               BIT(6), CR4_PGE, CR4_PCE, CR4_OSFXSR, CR4_OSXMMEXCPT};
    u64 start = read_cr4();
    bool ok = true;
    for (u32 i = 0; i < ARRAY_SIZE(bits); i++) {
        write_cr4(start ^ bits[i]);
        ok &= read_cr4() == (start ^ bits[i]);
        write_cr4(start);
    }
    expect(ok, "each of VME PVI TSD DE PSE MCE PGE PCE OSFXSR OSXMMEXCPT reads back");
    refused_cr4(start & ~CR4_PAE, "clearing PAE in 64-bit mode raises #GP");
    refused_cr4(start | BIT(31), "CR4 bit 31 raises #GP");
    refused_cr4(start | BIT(32), "CR4 bit 32 raises #GP");
    if (bare())
        return;
    refused_cr4(start | CR4_UMIP, "UMIP raises #GP");
    refused_cr4(start | CR4_VMXE, "VMXE raises #GP");
    refused_cr4(start | CR4_FSGSBASE, "FSGSBASE raises #GP");
    refused_cr4(start | CR4_PCIDE, "PCIDE raises #GP");
    refused_cr4(start | CR4_OSXSAVE, "OSXSAVE raises #GP");
    refused_cr4(start | CR4_PKE, "PKE raises #GP");
}

static void check_tsd(void)
{
    write_cr4(read_cr4() | CR4_TSD);
    expect_equal(ATTEMPT("rdtsc", : : : "rax", "rdx"), NONE, "TSD: RDTSC at CPL 0 is fine");
    write_cr4(read_cr4() & ~CR4_TSD);
}

static void check_efer(void)
{
    u64 start = rdmsr(MSR_EFER);
    wrmsr(MSR_EFER, start | BIT(0) | BIT(11));
    expect_equal(rdmsr(MSR_EFER), start | BIT(0) | BIT(11), "EFER: SCE and NXE read back");
    expect_equal(try_wrmsr(MSR_EFER, start & ~BIT(8)), GP, "clearing LME under paging raises #GP");
    if (!bare())
        expect_equal(try_wrmsr(MSR_EFER, start | BIT(12)), GP, "EFER.SVME raises #GP");
    wrmsr(MSR_EFER, start & ~BIT(10));
    expect(rdmsr(MSR_EFER) & BIT(10), "LMA cannot be written");
    expect_equal(rdmsr(MSR_EFER) & ~0xd01ull, 0, "no unknown EFER bit is set");
    wrmsr(MSR_EFER, start);
}

static void check_cr3(void)
{
    u64 start = read_cr3();
    if (!bare()) /* TCG takes any CR3 */
        expect_equal(TRY_WRITE(cr3, start | BIT(52)), GP,
                     "CR3 bits above the physical width raise #GP");
    write_cr3(start | 0x18);
    expect_equal(read_cr3(), start | 0x18, "CR3: PWT and PCD read back");
    write_cr3(start);
    expect_equal(ATTEMPT("mov %%cr1, %%rax", : : : "rax"), UD, "CR1 raises #UD");
    expect_equal(ATTEMPT(".byte 0x0f, 0x20, 0xf8", : : : "rax"), UD, "CR7 raises #UD");
}

/* Moves through every general register: the exit must name the right one (SDM table 28-3). */
static void check_operands(void)
{
    u64 value = read_cr0(), got = 0;
    bool ok = true;
#define THROUGH(r)                                                                                 \
    asm volatile("mov %1, %%" #r "; mov %%" #r ", %%cr0; xor %%" #r ", %%" #r "; mov %%cr0, %%" #r \
                 "; mov %%" #r ", %0"                                                              \
                 : "=m"(got)                                                                       \
                 : "m"(value)                                                                      \
                 : #r, "memory");                                                                  \
    ok &= got == value;                                                                            \
    value ^= CR0_TS
    THROUGH(rax);
    THROUGH(rbx);
    THROUGH(rcx);
    THROUGH(rdx);
    THROUGH(rsi);
    THROUGH(rdi);
    THROUGH(r8);
    THROUGH(r9);
    THROUGH(r10);
    THROUGH(r11);
    THROUGH(r12);
    THROUGH(r13);
    THROUGH(r14);
    THROUGH(r15);
#undef THROUGH
    asm volatile("mov %%rsp, %%r11; mov %1, %%rsp; mov %%rsp, %%cr0; mov %%cr0, %%rsp; mov %%rsp, "
                 "%0; mov %%r11, %%rsp"
                 : "=&r"(got)
                 : "r"(value)
                 : "r11", "memory");
    ok &= got == value;
    expect(ok, "MOV CR0 works through every general register, RSP too");
    asm volatile("clts");
}

int main(void)
{
    check_cr0();
    check_task_switched();
    check_device_not_available();
    check_cr4();
    check_tsd();
    check_efer();
    check_cr3();
    check_operands();
    return 0;
}
