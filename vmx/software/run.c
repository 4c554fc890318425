/*
 * processor_run(): the entry, the dispatcher of blocks, and how faults and exits leave the guest's
 * code. Everything that can happen between two instructions (SDM 6.9) is in attend().
 */
#include "vmx/controls.h"
#include "vmx/exits.h"
#include "vmx/processor.h"
#include "vmx/software/cpu.h"
#include "vmx/software/entry.h"

const struct op nowhere = {.left = 0};
char software_stop_reason[160];

/* --- leaving the guest's code ------------------------------------------------------------- */

NORETURN static void escape(struct cpu *c, u8 how)
{
    c->escaped = how;
    __builtin_longjmp(c->escape, 1);
}

NORETURN static void raise_event(struct cpu *c, u32 vector, bool has_error, u32 error, u64 address)
{
    c->fault.vector = vector;
    c->fault.type = EVENT_HARDWARE_EXCEPTION;
    c->fault.has_error = has_error;
    c->fault.error = error;
    c->fault.address = address;
    escape(c, ESCAPE_FAULT);
}

void raise_error(struct cpu *c, u32 vector, u32 error)
{
    raise_event(c, vector, true, error, 0);
}

void raise_plain(struct cpu *c, u32 vector)
{
    raise_event(c, vector, false, 0, 0);
}

void raise_pf(struct cpu *c, u64 linear, u32 error)
{
    raise_event(c, VECTOR_PF, true, error, linear);
}

void raise_db(struct cpu *c, u64 bits)
{
    raise_event(c, VECTOR_DB, false, 0, bits);
}

void leave_vm(struct cpu *c, u32 reason, u64 qualification)
{
    c->exit.reason = reason;
    c->exit.qualification = qualification;
    escape(c, ESCAPE_EXIT);
}

/* The run ends by END_UNKNOWN_EXIT, with words that say what is missing. */
void stop_unimplemented(struct cpu *c, const char *what)
{
    u32 at = 0;
    for (; what[at] && at + 1 < sizeof(software_stop_reason); at++)
        software_stop_reason[at] = what[at];
    software_stop_reason[at] = 0;
    leave_vm(c, SOFTWARE_UNIMPLEMENTED, 0);
}

/* --- derived state ----------------------------------------------------------------------- */

static bool breakpoints(const struct cpu *c)
{
    return V(GUEST_DR7) & 0xff;
}

void derive_state(struct cpu *c)
{
    bool user = c->cpl == 3,
         checks = (c->rflags & RF_AC && V(GUEST_CR0) & CR0_AM && user) || breakpoints(c);
    c->long_mode = V(GUEST_EFER) & EFER_LMA;
    c->bits = c->long_mode && SEG_ACCESS(SEG_CS) & AR_L ? 64 : SEG_ACCESS(SEG_CS) & AR_D ? 32 : 16;
    c->stack_bytes = c->bits == 64 ? 8 : SEG_ACCESS(SEG_SS) & AR_D ? 4 : 2;
    c->tlb = c->tlbs[checks              ? TLB_NEVER
                     : user              ? TLB_USER
                     : c->rflags & RF_AC ? TLB_SUPERVISOR_AC
                                         : TLB_SUPERVISOR];
    c->stamp = c->generation << 8 | (u64)user << 4 | (c->bits == 64 ? 0 : c->bits == 32 ? 1 : 2);
    c->gpr[FS_BASE] = SEG_BASE(SEG_FS);
    c->gpr[GS_BASE] = SEG_BASE(SEG_GS);
    c->attention = true;
}

/* --- events between instructions --------------------------------------------------------- */

/* SDM 6.15, tables 6-4 and 6-5. */
static bool contributory(u32 vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

static bool makes_double_fault(u32 first, u32 second)
{
    if (contributory(second))
        return contributory(first) || first == VECTOR_PF;
    return second == VECTOR_PF && first == VECTOR_PF;
}

static bool intercepted(const struct cpu *c)
{
    bool bit = V(EXCEPTION_BITMAP) >> c->fault.vector & 1;
    if (c->fault.vector != VECTOR_PF)
        return bit;
    bool match = (c->fault.error & V(PAGE_FAULT_MASK)) == V(PAGE_FAULT_MATCH);
    return bit == match; /* SDM 25.6.3 */
}

static u32 fault_info(const struct cpu *c)
{
    return EVENT(c->fault.type, c->fault.vector) | (c->fault.has_error ? EVENT_HAS_ERROR : 0);
}

NORETURN static void exit_by_exception(struct cpu *c)
{
    V(EXIT_EVENT) = fault_info(c);
    V(EXIT_EVENT_ERROR) = c->fault.error;
    leave_vm(c, EXIT_EXCEPTION_NMI, c->fault.address);
}

/* An exception while another event was being delivered. */
static void combine(struct cpu *c)
{
    u32 first = c->delivering.info;
    if (!first || EVENT_TYPE(first) != EVENT_HARDWARE_EXCEPTION)
        return;
    if (EVENT_VECTOR(first) == VECTOR_DF) {
        c->delivering.info = 0;
        leave_vm(c, EXIT_TRIPLE_FAULT, 0);
    }
    if (makes_double_fault(EVENT_VECTOR(first), c->fault.vector)) {
        c->fault.vector = VECTOR_DF;
        c->fault.has_error = true;
        c->fault.error = 0;
        c->fault.address = 0;
    }
}

enum { DR6_FIXED = 0xffff0ff0, DR7_GD = 1 << 13 };

/* What an exception leaves even when it becomes a double or triple fault, which may exit. */
static void note_fault(struct cpu *c)
{
    if (c->fault.vector == VECTOR_PF)
        c->cr2 = c->fault.address;
    if (c->fault.vector != VECTOR_DB)
        c->rflags |=
            RF_RF; /* in the frame, not for injected events; still there when the delivery fails */
}

static void before_delivery(struct cpu *c)
{
    if (c->fault.vector == VECTOR_DB) {
        c->dr6 = (c->dr6 & ~0xfull) | DR6_FIXED | c->fault.address;
        V(GUEST_DR7) &= ~(u64)DR7_GD;
    }
}

static void end_delivery(struct cpu *c)
{
    c->delivering.info = 0;
    if (c->faulted && !c->entering)
        c->budget--;
    c->faulted = c->entering = false;
    V(GUEST_INTERRUPTIBILITY) &= ~3ull;
    c->pending_debug = 0; /* traps that waited are dropped: they come again after the handler */
    c->attention = true;
}

/* EXT in the error code: the fault came while an event was delivered that no INT n made (SDM 6.13).
 */
static void mark_external(struct cpu *c)
{
    u32 type = EVENT_TYPE(c->delivering.info);
    bool software = type == EVENT_SOFTWARE_INTERRUPT || type == EVENT_SOFTWARE_EXCEPTION;
    if (c->delivering.info && !software && c->fault.vector >= VECTOR_TS &&
        c->fault.vector <= VECTOR_GP)
        c->fault.error |= 1;
}

static void take_fault(struct cpu *c)
{
    mark_external(c);
    if (intercepted(
            c)) /* the bitmap looks at the exception itself before it makes a double fault */
        exit_by_exception(c);
    note_fault(c);
    combine(c);
    if (c->fault.vector == VECTOR_DF && intercepted(c))
        exit_by_exception(c);
    before_delivery(c);
    c->faulted = true;
    c->delivering = (struct event){.info = fault_info(c), .error = c->fault.error};
    deliver(c, c->delivering);
    end_delivery(c);
}

void run_event(struct cpu *c, struct event event)
{
    c->delivering = event;
    c->entering = true;
    deliver(c, event);
    end_delivery(c);
}

static void check_windows(struct cpu *c)
{
    u64 blocked = V(GUEST_INTERRUPTIBILITY), controls = V(PROCESSOR_CONTROLS);
    if (blocked & 3)
        return;
    if (c->budget <= 0)
        leave_vm(c, EXIT_PREEMPTION_TIMER, 0);
    if (controls & CONTROL_NMI_WINDOW_EXITING && !(blocked & BLOCKED_BY_NMI))
        leave_vm(c, EXIT_NMI_WINDOW, 0);
    if (controls & CONTROL_INTERRUPT_WINDOW_EXITING && c->rflags & RF_IF)
        leave_vm(c, EXIT_INTERRUPT_WINDOW, 0);
}

static void check_code_breakpoints(struct cpu *c)
{
    u64 linear = c->bits == 64 ? c->rip : (u32)(SEG_BASE(SEG_CS) + c->rip), dr7 = V(GUEST_DR7),
        hit = 0;
    if (!breakpoints(c) || c->rflags & RF_RF)
        return;
    for (u32 i = 0; i < 4; i++)
        if (dr7 >> 2 * i & 3 && !(dr7 >> (16 + 4 * i) & 3) && c->dr[i] == linear)
            hit |= 1u << i;
    if (hit)
        raise_db(c, hit);
}

static void attend(struct cpu *c)
{
    u64 blocked = V(GUEST_INTERRUPTIBILITY);
    c->attention = false;
    if (c->pending_debug && !(blocked & BLOCKED_BY_MOV_SS)) {
        u32 bits = c->pending_debug & ~(1u << 12);
        c->pending_debug = 0;
        raise_db(c, bits);
    }
    check_windows(c);
    check_code_breakpoints(c);
    c->rflags &= ~(u64)RF_RF;
    c->single = c->rflags & RF_TF || breakpoints(c) || blocked & 3;
    c->attention = c->single;
}

/* --- the dispatcher ---------------------------------------------------------------------- */

static bool reusable(const struct cpu *c, const struct block *b)
{
    (void)c;
    return b->key; /* scratch blocks have none */
}

static struct block *choose_block(struct cpu *c)
{
    struct jump *j = jump_slot(c, c->rip);
    struct block *block;
    if (j->rip == c->rip && j->stamp == c->stamp && !c->single && !j->block->stale) {
        block = j->block;
        c->gpr[PAGE_RIP] = c->rip & ~0xfffull;
    } else {
        block = block_find(c);
        if (reusable(c, block) && c->bits == 64 && !c->single)
            *j = (struct jump){c->rip, c->stamp, block};
    }
    if (c->link && reusable(c, block) && !c->single)
        *c->link = block;
    c->link = NULL;
    return block;
}

/* After an instruction that ran alone. */
static void after_single(struct cpu *c, bool traps)
{
    if (traps)
        c->pending_debug |= 1 << 14;
    V(GUEST_INTERRUPTIBILITY) = (V(GUEST_INTERRUPTIBILITY) & ~3ull) | c->shadow;
    c->attention = true;
}

static void run_single(struct cpu *c, struct block *block)
{
    bool traps = c->rflags & RF_TF;
    c->shadow = 0;
    c->dropped_trap = false;
    c->budget -= 1;
    block->ops[0].fn(c, block->ops, c->budget);
    after_single(c, traps && !c->dropped_trap);
}

static void run_block(struct cpu *c)
{
    c->op = &nowhere;
    if (unlikely(c->attention || c->budget <= 0))
        attend(c);
    struct block *block = choose_block(c);
    if (unlikely(c->single)) {
        run_single(c, block);
        return;
    }
    if (unlikely(block->count > c->budget))
        block = block_make_scratch(c, (u32)c->budget);
    c->shadow = 0;
    c->budget -= block->count;
    block->ops[0].fn(c, block->ops, c->budget);
    if (unlikely(c->shadow)) {
        V(GUEST_INTERRUPTIBILITY) |= c->shadow;
        c->attention = true;
    }
}

static NOINLINE void run_guest(void)
{
    if (__builtin_setjmp(software_cpu.escape)) {
        struct cpu *c = &software_cpu;
        c->budget += c->op->left;
        c->op = &nowhere;
        c->link = NULL;
        if (c->escaped == ESCAPE_EXIT)
            return;
        take_fault(c);
    } else if (entry_events(&software_cpu)) {
        return;
    }
    for (;;)
        run_block(&software_cpu);
}

/* --- entry and exit ---------------------------------------------------------------------- */

#define UNLIMITED (INT64_MAX / 2)

static void load(struct cpu *c, struct vcpu *v)
{
    memcpy(c->gpr, v->gpr, sizeof(v->gpr));
    c->rip = v->rip;
    V(GUEST_RIP) = v->rip;
    V(GUEST_RFLAGS) = v->rflags;
    set_rflags(c, v->rflags);
    c->budget = c->counts_exits ? UNLIMITED : (i64)(v->stop_at - v->count);
    c->pending_debug = (u32)V(GUEST_PENDING_DEBUG);
    c->delivering.info = 0;
    c->faulted = c->entering = false;
    c->op = &nowhere;
    c->link = NULL;
    c->exit = (struct exit_info){0};
    V(EXIT_EVENT) = V(VECTORING_EVENT) = V(VECTORING_ERROR) = 0;
}

static void store_vectoring(struct cpu *c)
{
    c->exit.vectoring = 0;
    if (!c->delivering.info || c->exit.reason == EXIT_TRIPLE_FAULT)
        return;
    c->exit.vectoring = c->delivering.info;
    V(VECTORING_EVENT) = c->delivering.info;
    V(VECTORING_ERROR) = c->delivering.error;
    if (EVENT_TYPE(c->delivering.info) >= EVENT_SOFTWARE_INTERRUPT)
        c->exit.length = c->delivering.length;
}

static void store(struct cpu *c, struct vcpu *v)
{
    store_vectoring(c);
    memcpy(v->gpr, c->gpr, sizeof(v->gpr));
    v->rip = V(GUEST_RIP) = c->rip;
    v->rflags = v->written_rflags = V(GUEST_RFLAGS) = get_rflags(c);
    v->written_rsp = V(GUEST_RSP) = c->gpr[RSP];
    V(GUEST_PENDING_DEBUG) = c->pending_debug;
    V(EXIT_REASON) = c->exit.reason | (c->exit.entry_failed ? 1u << 31 : 0);
    V(EXIT_QUALIFICATION) = c->exit.qualification;
    V(INSTRUCTION_LENGTH) = c->exit.length;
    V(ENTRY_EVENT) &= ~BIT(31);
    v->exit = c->exit;
    v->count = c->counts_exits ? v->count + COUNT_PER_EXIT : v->stop_at - (u64)c->budget;
}

void software_reset(void)
{
    struct cpu *c = &software_cpu;
    memset(c->vmcs, 0, sizeof(c->vmcs));
    memset(c->xmm, 0, sizeof(c->xmm));
    memset(c->dr, 0, sizeof(c->dr));
    memset(&c->x87, 0, sizeof(c->x87));
    c->x87.fcw = 0x40;
    c->x87.tag = 0xff;
    c->mxcsr = 0x1f80;
    c->cr2 = c->star = c->lstar = c->cstar = c->kernel_gs = 0;
    c->fmask = 0x20200; /* as Bochs's reset; the SDM leaves it open */
    c->dr6 = 0xffff0ff0;
    c->vcpu = NULL;
    c->changed = true;
    c->pending_debug = 0;
    c->tally = (struct tally){0};
    software_stop_reason[0] = 0;
}

static void attach(struct cpu *c, struct vcpu *v)
{
    c->vcpu = v;
    c->memory = &v->machine->memory;
    blocks_init(c);
    mmu_init(c);
    c->memory->on_write = code_watch;
    c->memory->watched = c->watched;
}

bool processor_run(struct vcpu *v)
{
    struct cpu *c = &software_cpu;
    if (c->vcpu != v || c->memory->base != v->machine->memory.base || !c->memory->on_write)
        attach(c, v);
    if (unlikely(hooks_changed()))
        blocks_flush(c);
    load(c, v);
    v->tsc_entry = processor_tsc();
    enum entry_result result = entry_check(c);
    if (result == ENTRY_INVALID_CONTROLS)
        return false;
    if (result == ENTRY_OK)
        run_guest();
    v->tsc_exit = processor_tsc();
    store(c, v);
    return true;
}
