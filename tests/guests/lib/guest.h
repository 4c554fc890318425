/*
 * The runtime of the test guests: small programs that run alone on the guest
 * machine, each of which checks one architectural rule and says what it found on
 * COM1. Nothing here is shared with Hindvisor's own code beyond the integer
 * types: a register number that is wrong in the product must not be wrong here too.
 *
 * A guest starts at main() in 64-bit mode: the first 4 GiB mapped onto themselves,
 * interrupts off, its own GDT, IDT, TSS and stack. When main() returns the guest ends
 * by finish().
 */
#ifndef TESTS_GUESTS_LIB_GUEST_H
#define TESTS_GUESTS_LIB_GUEST_H

#include "core/types.h"

int main(void);

/* --- saying what was found --------------------------------------------------- */
void console_on(void); /* 8 bits a character; called before main() */
void print(const char *text);
/* %s %c %d %u %x, with l for 64 bits; no widths. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints "ok text" or "FAIL text"; the guest's exit code is the number of failures. */
void expect(bool held, const char *text);
void expect_equal(u64 got, u64 want, const char *text);
void note_skipped(const char *text, const char *why);
/* "N passed, N failed", then the debug-exit port. */
_Noreturn void finish(void);
_Noreturn void power_off(void);

/* A pointer whose origin the compiler does not ask about: low memory, devices. */
static inline void *physical(u64 address)
{
    asm("" : "+r"(address));
    return (void *)address;
}

/* --- how the guest was entered (lib/start.S) ----------------------------------- */
struct table_register {
    u16 limit;
    u64 base;
} __attribute__((packed));

struct entry_state {
    u64 rip, rsp, rflags;
    u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, r8;
    u64 cr0, cr2, cr3, cr4, cr8, efer, dr6, dr7;
    u64 cs, ds, es, fs, gs, ss, tr, ldtr;
    u64 fs_base, gs_base;
    u64 pvh; /* 1: by the 32-bit PVH entry, so not under Hindvisor */
    struct table_register gdtr, idtr;
};
extern struct entry_state entry_state;

/* On another machine (QEMU, plain Bochs), which serves as an oracle for the guest itself. */
static inline bool bare(void)
{
    return entry_state.pvh;
}

/* --- exceptions and interrupts (lib/events.c) ------------------------------------ */
struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};

typedef void (*handler)(struct frame *);
extern handler handlers[256];         /* NULL: exceptions are recorded in `trap` */
extern volatile u64 event_count[256]; /* deliveries by vector */

/* The last exception that had no handler of its own. */
struct trap {
    i64 vector; /* -1: none since trap_arm() */
    u64 error, rip, cr2, rflags, cs, rsp;
    u64 offset; /* of rip from the start of ATTEMPT's code */
    u64 dr6;
};
extern struct trap trap;
void trap_arm(void);

/* Runs the assembly text and gives the vector of the exception that it raised, or
 * -1. After a fault it goes on behind the text. The first operand list begins with
 * a colon: ATTEMPT("mov %0, %%cr4", : : "r"(value)). Local labels 76 and 77 are taken. */
#define ATTEMPT(code, ...)                                                         \
    ({                                                                             \
        trap_arm();                                                                \
        asm volatile("movq $76f, trap_start\n\tmovq $77f, trap_resume\n76:\t" code \
                     "\n77:\tmovq $0, trap_resume" __VA_ARGS__);                   \
        (int)((volatile struct trap *)&trap)->vector;                              \
    })

enum {
    DE,
    DB,
    NMI,
    BP,
    OF,
    BR,
    UD,
    NM,
    DF,
    TS = 10,
    NP,
    SS,
    GP,
    PF,
    MF = 16,
    AC,
    MC,
    XM,
    NONE = -1
};

/* Sets a vector's stack (IST 0-7) or makes it callable from CPL 3. */
void gate_stack(u32 vector, u32 ist);
void gate_user(u32 vector);
void gate_absent(u32 vector, bool absent);
extern u64 idt[256][2];
extern u64 gdt[];
extern u8 tss[104 + 8193];
extern u8 ist_stacks[7][8192]; /* IST n has its top at ist_stacks[n] */

enum {
    CODE32 = 0x08,
    CODE64 = 0x10,
    DATA = 0x18,
    USER_CODE32 = 0x23,
    USER_DATA = 0x2b,
    USER_CODE64 = 0x33,
    CODE16 = 0x38,
    DATA16 = 0x40,
    TSS_SELECTOR = 0x48,
    DATA_ABSENT = 0x58,
    SPARE = 0x60 /* two descriptors for a guest's own use */
};

/* Runs `code` at CPL 3 until it executes INT 0x80 or raises an exception, which is in
 * `trap` then. Pages must be open to user mode: paging_own(). Gives the vector (0x80 or less). */
int user_run(void (*code)(void), u16 code_selector);
extern u64 user_flags; /* RFLAGS to enter with; reset to 2 by each user_run */

/* --- paging (lib/paging.c) ------------------------------------------------------- */
enum {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8
};
#define PTE_NX BIT(63)

/* Own tables: 4 GiB mapped onto themselves by 2 MiB pages, present, writable, user. */
void paging_own(void);
/* The entry that maps `gva` at a level: 1 (4 KiB), 2 (2 MiB), 3 (1 GiB); tables
 * are made, and larger pages split, as needed. */
u64 *paging_entry(u64 gva, u32 level);
void paging_map(u64 gva, u64 gpa, u64 flags); /* one 4 KiB page, and INVLPG */
void *page_alloc(void);                       /* a zeroed page, never given back */

/* --- instructions ------------------------------------------------------------------- */
#define IN_OUT(name, type, constraint)                                             \
    static inline type in##name(u16 port)                                          \
    {                                                                              \
        type value;                                                                \
        asm volatile("in" #name " %1, %0" : "=a"(value) : "Nd"(port) : "memory");  \
        return value;                                                              \
    }                                                                              \
    static inline void out##name(u16 port, type value)                             \
    {                                                                              \
        asm volatile("out" #name " %0, %1" : : "a"(value), "Nd"(port) : "memory"); \
    }
IN_OUT(b, u8, a)
IN_OUT(w, u16, a)
IN_OUT(l, u32, a)
#undef IN_OUT

#define CONTROL_REGISTER(name)                                          \
    static inline u64 read_##name(void)                                 \
    {                                                                   \
        u64 value;                                                      \
        asm volatile("mov %%" #name ", %0" : "=r"(value) : : "memory"); \
        return value;                                                   \
    }                                                                   \
    static inline void write_##name(u64 value)                          \
    {                                                                   \
        asm volatile("mov %0, %%" #name : : "r"(value) : "memory");     \
    }
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(cr8)
CONTROL_REGISTER(dr0)
CONTROL_REGISTER(dr1)
CONTROL_REGISTER(dr2)
CONTROL_REGISTER(dr3)
CONTROL_REGISTER(dr6)
CONTROL_REGISTER(dr7)
#undef CONTROL_REGISTER

#define TRY_WRITE(reg, value) ATTEMPT("mov %0, %%" #reg, : : "r"((u64)(value)) : "memory")

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* The vector raised, or NONE. */
int try_rdmsr(u32 msr, u64 *value);
int try_wrmsr(u32 msr, u64 value);

static inline u64 rdtsc(void)
{
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

struct cpuid_result {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid_result cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid_result r;
    asm volatile("cpuid"
                 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                 : "a"(leaf), "c"(subleaf)
                 : "memory");
    return r;
}

static inline u64 read_flags(void)
{
    u64 flags;
    asm volatile("pushfq; pop %0" : "=r"(flags) : : "memory");
    return flags;
}

static inline void write_flags(u64 flags)
{
    asm volatile("push %0; popfq" : : "r"(flags) : "memory", "cc");
}

static inline void cli(void)
{
    asm volatile("cli" : : : "memory");
}

static inline void sti(void)
{
    asm volatile("sti" : : : "memory");
}

static inline void sti_hlt(void)
{
    asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void invlpg(const volatile void *address)
{
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline u64 fold(u64 hash, u64 value) /* one step of a hash, FNV's way */
{
    return (hash ^ value) * 0x100000001b3ull;
}

enum {
    FLAG_CF = 1 << 0,
    FLAG_ZF = 1 << 6,
    FLAG_TF = 1 << 8,
    FLAG_IF = 1 << 9,
    FLAG_DF = 1 << 10,
    FLAG_OF = 1 << 11,
    FLAG_NT = 1 << 14,
    FLAG_RF = 1 << 16,
    FLAG_AC = 1 << 18,
    FLAG_ID = 1 << 21
};

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)
#define CR4_TSD BIT(2)
#define CR4_DE BIT(3)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_PGE BIT(7)
#define CR4_PCE BIT(8)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP BIT(11)
#define CR4_VMXE BIT(13)
#define CR4_SMXE BIT(14)
#define CR4_FSGSBASE BIT(16)
#define CR4_PCIDE BIT(17)
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)
#define CR4_PKE BIT(22)

enum {
    MSR_TSC = 0x10,
    MSR_APIC_BASE = 0x1b,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800,
};
#define MSR_EFER 0xc0000080u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int byte, size_t n);

/* SSE and x87 on: CR4.OSFXSR, CR0.EM off, MP and NE on, registers as after FNINIT. */
void fpu_on(void);

#endif
