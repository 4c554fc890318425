/*
 * Tests on the host CPU, in a child process that shares the pages at oracle.h's addresses. The
 * child enters a test by FXRSTOR and IRETQ, with all registers and flags of the test, and gets it
 * back as a signal: the #BP of the INT3 that is everywhere behind the code, the #DB of a single
 * step, or a fault. What the kernel saved for the handler is the state after, with vector, error
 * code and CR2; the handler never returns. One signal a test: some 4 us. The child uses no
 * thread-local storage, as FS is the test's.
 *
 * Source: Linux, arch/x86/include/uapi/asm/sigcontext.h.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/decode/insn.h"
#include "tests/oracle/oracle.h"
#include "vmx/vcpu.h"

enum { NATIVE_SECONDS = 20, ALTERNATE_STACK = 64 << 10 };

/* What native_enter loads; it knows the offsets. */
struct entry {
    u8 fx[512] __attribute__((aligned(64)));
    u64 gpr[16];                  /* 512 */
    u64 rip, cs, rflags, rsp, ss; /* 640: as IRETQ wants them */
    u16 ds, es, fs, gs;           /* 680 */
    u32 loads_fs;                 /* 688: and GS */
};

struct exchange *exchange;
static const struct memory_image *images;
static u8 *code_alias; /* CODE, writable */
static pid_t child;
static int to_child[2], to_parent[2];
/* In the child. */
u64 native_stack;
u16 native_segments[4]; /* DS ES FS GS as the test left them */
void native_enter(const struct entry *);
void native_handler(int, siginfo_t *, void *);
void native_capture(const ucontext_t *);

__asm__(".text\n"
        "native_enter:\n"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "mov %rsp, native_stack(%rip)\n"
        "fxrstor64 (%rdi)\n"
        "mov 680(%rdi), %ds; mov 682(%rdi), %es\n"
        "cmpl $0, 688(%rdi); je 1f\n"
        "mov 684(%rdi), %fs; mov 686(%rdi), %gs\n"
        "1:\n"
        "lea 640(%rdi), %rsp\n"
        "mov 512(%rdi), %rax; mov 520(%rdi), %rcx; mov 528(%rdi), %rdx; mov 536(%rdi), %rbx\n"
        "mov 552(%rdi), %rbp; mov 560(%rdi), %rsi; mov 576(%rdi), %r8; mov 584(%rdi), %r9\n"
        "mov 592(%rdi), %r10; mov 600(%rdi), %r11; mov 608(%rdi), %r12; mov 616(%rdi), %r13\n"
        "mov 624(%rdi), %r14; mov 632(%rdi), %r15\n"
        "mov 568(%rdi), %rdi\n"
        "iretq\n"
        /* The kernel has cleared DF and TF, but not AC and NT. */
        "native_handler:\n"
        "push $0x202; popfq\n"
        "mov %ds, native_segments(%rip); mov %es, native_segments+2(%rip)\n"
        "mov %fs, native_segments+4(%rip); mov %gs, native_segments+6(%rip)\n"
        "mov %rdx, %rdi\n"
        "call native_capture\n"
        "mov native_stack(%rip), %rsp\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "ret\n");

/* --- the child --------------------------------------------------------------------------- */

static void capture_registers(struct state *s, const greg_t *g)
{
    static const u8 places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    for (u32 i = 0; i < 16; i++)
        s->gpr[i] = (u64)g[places[i]];
    s->rip = (u64)g[REG_RIP];
    s->rflags = (u64)g[REG_EFL];
    s->selector[SEG_CS] = (u16)g[REG_CSGSFS];
    s->selector[SEG_SS] = (u16)((u64)g[REG_CSGSFS] >> 48);
    s->selector[SEG_DS] = native_segments[0];
    s->selector[SEG_ES] = native_segments[1];
    s->selector[SEG_FS] = native_segments[2];
    s->selector[SEG_GS] = native_segments[3];
}

void native_capture(const ucontext_t *context)
{
    enum { VECTOR_PF = 14 };
    const greg_t *g = context->uc_mcontext.gregs;
    struct outcome *o = &exchange->outcome[exchange->at];
    capture_registers(&o->state, g);
    memcpy(o->state.fx, context->uc_mcontext.fpregs, 512);
    o->vector = (u32)g[REG_TRAPNO];
    o->error = (u32)g[REG_ERR];
    o->address = o->vector == VECTOR_PF ? (u64)g[REG_CR2] : 0;
}

static long kernel(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

/* FS and GS have bases that no selector names in 64-bit tests. */
static void set_segments(struct entry *entry, const struct test *t)
{
    static bool loaded = true;
    const u16 *selector = t->before.selector;
    entry->cs = selector[SEG_CS];
    entry->ss = selector[SEG_SS];
    entry->ds = selector[SEG_DS];
    entry->es = selector[SEG_ES];
    entry->fs = selector[SEG_FS];
    entry->gs = selector[SEG_GS];
    entry->loads_fs = t->bits != 64;
    if (t->bits == 64 && loaded) {
        __asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
        kernel(SYS_arch_prctl, ARCH_SET_FS, FS_AT, 0);
        kernel(SYS_arch_prctl, ARCH_SET_GS, GS_AT, 0);
    }
    loaded = t->bits != 64;
}

static void run_test(const struct test *t, struct outcome *o)
{
    struct entry *entry = (struct entry *)(u64)ENTRY_PAGE;
    const struct state *s = &t->before;
    memcpy((void *)(u64)DATA, images[t->image].data, DATA_SIZE);
    memcpy((void *)(u64)STACK, images[t->image].stack, STACK_SIZE);
    /* So that a write finds them present. */
    *(volatile u8 *)READ_ONLY, *(volatile u8 *)CODE, *(volatile u8 *)(CODE + PAGE_SIZE);
    memcpy(code_alias + t->offset, t->code, t->length);
    memcpy(entry->fx, s->fx, 512);
    memcpy(entry->gpr, s->gpr, sizeof(entry->gpr));
    set_segments(entry, t);
    entry->rip = s->rip;
    entry->rflags = s->rflags;
    entry->rsp = s->gpr[RSP];
    native_enter(entry);
    memcpy(o->memory.data, (void *)(u64)DATA, DATA_SIZE);
    memcpy(o->memory.stack, (void *)(u64)STACK, STACK_SIZE);
    memset(code_alias + t->offset, 0xcc, t->length);
}

static void catch_signals(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGALRM};
    static u8 stack[ALTERNATE_STACK];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    action.sa_sigaction = native_handler;
    sigaltstack(&alternate, NULL);
    for (u32 i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &action, NULL);
}

/* Commands: the number of tests. The end of the pipe ends the child. */
static void serve(void)
{
    u32 count;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    catch_signals();
    while (kernel(SYS_read, to_child[0], (long)&count, sizeof(count)) == sizeof(count)) {
        for (u32 i = 0; i < count; i++) {
            exchange->at = i;
            run_test(&exchange->test[i], &exchange->outcome[i]);
        }
        kernel(SYS_write, to_parent[1], (long)&count, sizeof(count));
    }
    kernel(SYS_exit_group, 0, 0, 0);
}

/* --- the parent -------------------------------------------------------------------------- */

static bool map_shared(u64 at, u64 size, int protection)
{
    void *got = mmap((void *)at, size, protection,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED_NOREPLACE, -1, 0);
    return got == (void *)at;
}

static bool map_code(void)
{
    int file = memfd_create("oracle-code", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, CODE_SIZE))
        return false;
    code_alias = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    void *run = mmap((void *)(u64)CODE, CODE_SIZE, PROT_READ | PROT_EXEC,
                     MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
    close(file);
    if (code_alias == MAP_FAILED || run != (void *)(u64)CODE)
        return false;
    memset(code_alias, 0xcc, CODE_SIZE);
    return true;
}

static bool start_child(void)
{
    if (pipe(to_child) || pipe(to_parent))
        return false;
    child = fork();
    if (!child) {
        close(to_child[1]);
        close(to_parent[0]);
        serve();
    }
    close(to_child[0]);
    close(to_parent[1]);
    return child > 0;
}

bool native_start(const struct memory_image all[IMAGES], const u8 *read_only)
{
    if (!exchange) {
        images = all;
        exchange = mmap(NULL, sizeof(*exchange), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (exchange == MAP_FAILED || !map_code() ||
            !map_shared(DATA, DATA_SIZE, PROT_READ | PROT_WRITE) ||
            !map_shared(READ_ONLY, READ_ONLY_SIZE, PROT_READ | PROT_WRITE) ||
            !map_shared(STACK, STACK_SIZE, PROT_READ | PROT_WRITE) ||
            !map_shared(ENTRY_PAGE, PAGE_SIZE, PROT_READ | PROT_WRITE) || !segments_install())
            return false;
        memcpy((void *)(u64)READ_ONLY, read_only, READ_ONLY_SIZE);
        mprotect((void *)(u64)READ_ONLY, READ_ONLY_SIZE, PROT_READ);
        signal(SIGPIPE, SIG_IGN);
    }
    return start_child();
}

bool native_run(u32 count)
{
    struct pollfd answer = {.fd = to_parent[0], .events = POLLIN};
    u32 done = 0;
    return write(to_child[1], &count, sizeof(count)) == sizeof(count) &&
           poll(&answer, 1, NATIVE_SECONDS * 1000) == 1 &&
           read(to_parent[0], &done, sizeof(done)) == sizeof(done);
}

void native_stop(void)
{
    close(to_child[1]);
    close(to_parent[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
