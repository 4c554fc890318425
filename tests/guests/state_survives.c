/*
 * Every register of the guest keeps its value across VM exits: general registers,
 * flags, segment bases and selectors, control, debug, x87 and SSE registers.
 * The exits are CPUID, an unknown port and a local APIC register (SDM 28.3, 28.5).
 *
 * @row: 3 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

#define ROUNDS 200
struct registers {
    u64 gpr[11]; /* rbx, rsi, rdi, rbp, r8-r13, flags */
};

/* Runs one exit kind between loading and storing eleven registers. */
#define EXIT_BETWEEN(code)                                                               \
    void around_##code(struct registers *in, struct registers *out);                     \
    asm("around_" #code ":\n"                                                            \
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"             \
        "mov %rdi, %r14; mov %rsi, %r15\n"                                               \
        "mov 0(%r14), %rbx; mov 8(%r14), %rsi; mov 16(%r14), %rdi; mov 24(%r14), %rbp\n" \
        "mov 32(%r14), %r8; mov 40(%r14), %r9; mov 48(%r14), %r10; mov 56(%r14), %r11\n" \
        "mov 64(%r14), %r12; mov 72(%r14), %r13; push 80(%r14); popf\n"                  \
        "exit_" #code "\n"                                                               \
        "pushf; pop 80(%r15)\n"                                                          \
        "mov %rbx, 0(%r15); mov %rsi, 8(%r15); mov %rdi, 16(%r15); mov %rbp, 24(%r15)\n" \
        "mov %r8, 32(%r15); mov %r9, 40(%r15); mov %r10, 48(%r15); mov %r11, 56(%r15)\n" \
        "mov %r12, 64(%r15); mov %r13, 72(%r15)\n"                                       \
        "cld; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n")

/* CPUID writes RBX: it is put back, so the other ten and the flags are what is compared. */
asm(".macro exit_cpuid\n mov $0x40000000, %eax; xor %ecx, %ecx; push 80(%r14); popf; cpuid\n"
    "mov 0(%r14), %rbx\n.endm\n"
    ".macro exit_port\n mov $0x1234, %edx; in %dx, %eax\n.endm\n"
    ".macro exit_apic\n mov $0xfee00030, %eax; mov (%rax), %ecx\n.endm\n");
EXIT_BETWEEN(cpuid);
EXIT_BETWEEN(port);
EXIT_BETWEEN(apic);

static u64 next(u64 *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed;
}

/* Flags that may hold anything at CPL 0 without side effects: CF PF AF ZF SF DF OF AC ID. */
#define FREE_FLAGS 0x240cd5ull

static bool same(const struct registers *a, const struct registers *b)
{
    for (u32 i = 0; i < 11; i++) {
        if (a->gpr[i] != b->gpr[i]) {
            say("register %u: 0x%lx became 0x%lx\n", i, a->gpr[i], b->gpr[i]);
            return false;
        }
    }
    return true;
}

static bool storm(void (*around)(struct registers *, struct registers *))
{
    u64 seed = 1;
    for (u32 round = 0; round < ROUNDS; round++) {
        struct registers in, out = {0};
        for (u32 i = 0; i < 11; i++)
            in.gpr[i] = next(&seed);
        in.gpr[10] = (in.gpr[10] & FREE_FLAGS) | 2;
        around(&in, &out);
        if (!same(&in, &out))
            return false;
    }
    return true;
}

static void check_bases(void)
{
    wrmsr(MSR_FS_BASE, 0x123456789000);
    wrmsr(MSR_GS_BASE, 0xffff876543210000);
    wrmsr(MSR_KERNEL_GS_BASE, 0x7777000);
    (void)cpuid(0, 0);
    expect_equal(rdmsr(MSR_FS_BASE), 0x123456789000, "FS base survives");
    expect_equal(rdmsr(MSR_GS_BASE), 0xffff876543210000, "GS base survives");
    asm volatile("swapgs");
    (void)cpuid(0, 0);
    expect_equal(rdmsr(MSR_GS_BASE), 0x7777000, "SWAPGS swaps and survives");
    expect_equal(rdmsr(MSR_KERNEL_GS_BASE), 0xffff876543210000, "the kernel GS base survives");
    expect_equal(try_wrmsr(MSR_FS_BASE, 0x800000000000), GP, "a non-canonical FS base is refused");
}

static void check_debug_registers(void)
{
    write_dr0(0x1111111111111111);
    write_dr1(0x2222222222222222);
    write_dr2(0x3333333333333333);
    write_dr3(0x4444444444444444);
    write_dr6(0xffff0ff0 | 5);
    write_dr7(0x700 | 0x100);
    (void)cpuid(0, 0);
    expect(read_dr0() == 0x1111111111111111 && read_dr1() == 0x2222222222222222, "DR0, DR1");
    expect(read_dr2() == 0x3333333333333333 && read_dr3() == 0x4444444444444444, "DR2, DR3");
    expect_equal(read_dr6(), 0xffff0ff5, "DR6 survives");
    expect_equal(read_dr7(), 0x700, "DR7 survives");
    write_dr6(0xffff0ff0);
    write_dr7(0x400);
    write_cr2(0xfedcba9876543210);
    (void)cpuid(0, 0);
    expect_equal(read_cr2(), 0xfedcba9876543210, "CR2 survives");
}

static u8 image_in[512] __attribute__((aligned(16))), image_out[512] __attribute__((aligned(16)));

static void check_vector_registers(void)
{
    u64 seed = 7;
    fpu_on();
    asm volatile("fldpi; fldl2e; fld1; fldz; fldln2");
    asm volatile("fxsave64 %0" : "=m"(image_in));
    for (u32 i = 160; i < 416; i++)
        image_in[i] = (u8)(next(&seed) >> 33);
    image_in[24] = 0x80; /* MXCSR: only the zero-divide mask changes */
    image_in[25] = 0x1d;
    asm volatile("fxrstor64 %0" : : "m"(image_in));
    for (u32 i = 0; i < 50; i++) {
        (void)cpuid(0, 0);
        (void)inb(0x1234);
    }
    asm volatile("fxsave64 %0" : "=m"(image_out));
    bool ok = true;
    for (u32 i = 0; i < 416; i++) {
        if (image_in[i] != image_out[i]) {
            say("fxsave byte %u: 0x%x became 0x%x\n", i, image_in[i], image_out[i]);
            ok = false;
        }
    }
    expect(ok, "x87, MXCSR and XMM0-15 survive");
}

static void check_selectors(void)
{
    u16 fs = 0, tr = 0;
    asm volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(USER_DATA));
    (void)cpuid(0, 0);
    asm volatile("mov %%fs, %0" : "=r"(fs));
    asm volatile("str %0" : "=r"(tr));
    expect_equal(fs, USER_DATA, "FS selector survives");
    expect_equal(tr, TSS_SELECTOR, "TR survives");
    expect_equal(read_cr3() & ~0xfffull, entry_state.cr3 & ~0xfffull, "CR3 survives");
}

int main(void)
{
    expect(storm(around_cpuid), "registers and flags survive CPUID");
    expect(storm(around_port), "registers and flags survive IN");
    expect(storm(around_apic), "registers and flags survive an APIC access");
    check_selectors();
    check_bases();
    check_debug_registers();
    check_vector_registers();
    return 0;
}
