/*
 * The instruction forms that a compiler uses on device registers, each tried on RAM
 * and on a register of the local APIC (ICR high: it keeps bits 31:24): same value,
 * same flags, same registers (Hindvisor: EPT violations and the MMIO decoder).
 *
 * @row: 12 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

#define REGISTER ((volatile u32 *)physical(APIC_MMIO + APIC_ICR_HIGH * 16))
enum { KEPT = 0xff000000, ARITHMETIC_FLAGS = 0x8d5 };
static volatile u32 ram;

struct outcome {
    u32 memory;
    u64 rax, rcx, flags;
};

#define TRY_ON(place, start, code)                                                 \
    ({                                                                             \
        struct outcome o = {.rax = 0x1122334484000000, .rcx = 0x5566778821000000}; \
        *(place) = (start);                                                        \
        asm volatile("stc; " code "; pushfq; pop %2"                               \
                     : "+a"(o.rax), "+c"(o.rcx), "=&r"(o.flags)                    \
                     : "r"(place)                                                  \
                     : "memory", "cc");                                            \
        o.memory = *(place);                                                       \
        o;                                                                         \
    })

#define SAME(code, flags_mask)                                                             \
    do {                                                                                   \
        struct outcome want = TRY_ON(&ram, 0x84000000, code);                              \
        struct outcome got = TRY_ON(REGISTER, 0x84000000, code);                           \
        bool ok = (want.memory & KEPT) == got.memory && want.rax == got.rax &&             \
                  want.rcx == got.rcx && !((want.flags ^ got.flags) & (flags_mask));       \
        if (!ok)                                                                           \
            say("memory 0x%x 0x%x rax 0x%lx 0x%lx rcx 0x%lx 0x%lx flags 0x%lx 0x%lx\n",    \
                want.memory, got.memory, want.rax, got.rax, want.rcx, got.rcx, want.flags, \
                got.flags);                                                                \
        expect(ok, code);                                                                  \
    } while (0)
#define ALL ARITHMETIC_FLAGS
#define NO_AF (ARITHMETIC_FLAGS & ~0x10)

static void moves(void)
{
    SAME("movl (%3), %%eax", ALL);
    SAME("movl %%ecx, (%3)", ALL);
    SAME("movl $0x42000000, (%3)", ALL);
    SAME("movslq (%3), %%rax", ALL);
    SAME("xchgl %%ecx, (%3)", ALL);
    SAME("addr32 movl (%k3), %%eax", ALL);
}

static void arithmetic(void)
{
    SAME("addl %%ecx, (%3)", ALL);
    SAME("addl $0x7f000000, (%3)", ALL);
    SAME("adcl %%ecx, (%3)", ALL);
    SAME("subl %%ecx, (%3)", ALL);
    SAME("sbbl %%ecx, (%3)", ALL);
    SAME("cmpl %%ecx, (%3)", ALL);
    SAME("cmpl (%3), %%ecx", ALL);
    SAME("cmpl $-1, (%3)", ALL);
    SAME("addl (%3), %%ecx", ALL);
    SAME("subl (%3), %%ecx", ALL);
    SAME("incl (%3)", ALL);
    SAME("decl (%3)", ALL);
    SAME("negl (%3)", ALL);
    SAME("notl (%3)", ALL);
}

static void logic(void)
{
    SAME("andl %%ecx, (%3)", NO_AF);
    SAME("andl $0xf0ffffff, (%3)", NO_AF);
    SAME("orl %%ecx, (%3)", NO_AF);
    SAME("orl $0x01000000, (%3)", NO_AF);
    SAME("xorl %%ecx, (%3)", NO_AF);
    SAME("testl %%ecx, (%3)", NO_AF);
    SAME("testl $0x80000000, (%3)", NO_AF);
    SAME("andl (%3), %%ecx", NO_AF);
    SAME("orl (%3), %%ecx", NO_AF);
    SAME("xorl (%3), %%ecx", NO_AF);
}

static void atomics(void)
{
    SAME("lock orl $0x02000000, (%3)", NO_AF);
    SAME("lock andl $0xfeffffff, (%3)", NO_AF);
    SAME("lock xaddl %%ecx, (%3)", ALL);
    SAME("lock cmpxchgl %%ecx, (%3)", ALL); /* EAX equals it: stores */
    SAME("movl $5, %%eax; lock cmpxchgl %%ecx, (%3)", ALL);
    SAME("btsl $25, (%3)", 1);
    SAME("btl $31, (%3)", 1);
    SAME("btrl $31, (%3)", 1);
}

static void strings(void)
{
    u32 copy[2] = {0};
    u64 rsi = (u64)REGISTER, rdi = (u64)copy;
    *REGISTER = 0x5a000000;
    asm volatile("movsl" : "+S"(rsi), "+D"(rdi) : : "memory");
    expect(copy[0] == 0x5a000000 && rsi == (u64)REGISTER + 4 && rdi == (u64)(copy + 1),
           "MOVSD from a register");
    copy[0] = 0x33000000;
    rsi = (u64)copy;
    rdi = (u64)REGISTER;
    asm volatile("movsl" : "+S"(rsi), "+D"(rdi) : : "memory");
    expect(*REGISTER == 0x33000000 && rdi == (u64)REGISTER + 4, "MOVSD to a register");
    rdi = (u64)REGISTER;
    asm volatile("stosl" : "+D"(rdi) : "a"(0x77000000) : "memory");
    expect_equal(*REGISTER, 0x77000000, "STOSD to a register");
    rsi = (u64)REGISTER;
    u32 eax = 0;
    asm volatile("lodsl" : "+S"(rsi), "+a"(eax) : : "memory");
    expect_equal(eax, 0x77000000, "LODSD from a register");
}

static void addressing(void)
{
    u64 base = APIC_MMIO, index = APIC_ICR_HIGH * 2;
    u32 got = 0;
    *REGISTER = 0x66000000;
    asm volatile("movl (%1, %2, 8), %0" : "=r"(got) : "r"(base), "r"(index));
    expect_equal(got, 0x66000000, "base and scaled index");
    asm volatile("movl 0x310(%1), %%r15d; mov %%r15d, %0" : "=r"(got) : "r"(base) : "r15");
    expect_equal(got, 0x66000000, "displacement, and an extended register");
    wrmsr(MSR_FS_BASE, APIC_MMIO);
    asm volatile("movl %%fs:0x310, %0" : "=r"(got));
    expect_equal(got, 0x66000000, "segment base");
    asm volatile("movabsl 0xfee00310, %%eax" : "=a"(got));
    expect_equal(got, 0x66000000, "absolute address (A1)");
}

static void sizes(void)
{
    u64 rax = 0x1122334455667788;
    if (bare())
        return;
    asm volatile("movb (%%rcx), %%al" : "+a"(rax) : "c"(0xd0000000ul));
    expect_equal(rax, 0x11223344556677ff, "8 bits change AL alone");
    asm volatile("movb (%%rcx), %%ah" : "+a"(rax) : "c"(0xd0000000ul));
    expect_equal(rax, 0x112233445566ffff, "AH");
    rax = 0x1122334455667788;
    asm volatile("movw (%%rcx), %%ax" : "+a"(rax) : "c"(0xd0000000ul));
    expect_equal(rax, 0x112233445566ffff, "16 bits change AX alone");
    asm volatile("movzbl (%%rcx), %%eax" : "+a"(rax) : "c"(0xd0000000ul));
    expect_equal(rax, 0xff, "MOVZX from 8 bits");
    asm volatile("movzwl (%%rcx), %%eax" : "+a"(rax) : "c"(0xd0000000ul));
    expect_equal(rax, 0xffff, "MOVZX from 16 bits");
    asm volatile("movsbq (%%rcx), %%rax" : "+a"(rax) : "c"(0xd0000000ul));
    expect_equal(rax, NEVER, "MOVSX from 8 bits");
    asm volatile("xorl %%eax, %%eax; movq (%%rcx), %%rax" : "+a"(rax) : "c"(0xd0000000ul));
    expect_equal(rax, NEVER, "64 bits");
}

int main(void)
{
    apic_on();
    moves();
    arithmetic();
    logic();
    atomics();
    strings();
    addressing();
    sizes();
    return 0;
}
