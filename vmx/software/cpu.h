/*
 * The software processor: VT-x non-root operation in C, hosted and in-process, behind
 * vmx/processor.h. This header holds its state and the hot inline paths.
 *
 * How it works, and what was decided:
 *  - VMCS fields live in cpu.vmcs[] by a compact index and are the guest's state while it
 *    runs (control registers, segments), so that entries and exits copy next to nothing.
 *  - Guest code is decoded once into blocks of 32-byte operations (blocks.c). A handler does
 *    its work and tail-calls the next operation's handler. Fast handlers (fast_*.c) know only
 *    the case that everything is at hand; on a TLB miss or anything unusual they hand over to
 *    op_generic(), which runs the instruction's exec function (exec_*.c): complete, slower, and the
 *    only place where instructions fault or exit. So fast handlers have no side effects
 *    before their last check.
 *  - Faults and VM exits leave an exec function by __builtin_longjmp() to run.c.
 *  - Count: a block's instructions are taken off `budget` when it is entered; a fault or exit gives
 *    back op.left. When the budget is short of a block, a block of just that many instructions is
 *    made for the occasion. So the count is exact at every instruction.
 *  - Blocks are keyed by guest-physical address and code size. RIP within a page is
 *    gpr[PAGE_RIP] + op.offset: blocks end at page ends and link directly only within a page.
 *  - Pages with code never have a write tag in the TLB. A write to one turns the operations of its
 *    blocks into op_stale, also those of the block that is running: no flags to look at. Memory of
 *    blocks is reused only when the whole cache is thrown away, between blocks.
 *  - What a stale translation does to the guest depends on its own accesses alone, never on where
 *    entries cut its run or which blocks are kept: the TLB fills and evicts by data accesses, and
 *    a page of code, once fetched from, stays translated until the guest flushes.
 *  - The TLB has one array each for supervisor, supervisor with RFLAGS.AC (SMAP lifted), user and
 *    "always misses" (alignment checks, data breakpoints). Read and write tags are apart; an
 *    empty tag is one that its slot can never match.
 *  - Status flags are what LAHF and SETO gave (cpu.status); undefined ones follow Bochs's rules.
 *  - Outside 64-bit mode only generic handlers run.
 * Sources: SDM vol. 1-3; counting and undefined flags: Bochs 2.7 as observed.
 */
#ifndef VMX_SOFTWARE_CPU_H
#define VMX_SOFTWARE_CPU_H

#include "core/decode/insn.h"
#include "core/mem.h"
#include "core/memory.h"
#include "vmx/events.h"
#include "vmx/fields.h"
#include "vmx/vcpu.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define NOINLINE __attribute__((noinline))
#define NORETURN __attribute__((noreturn))

/* Compact indices of the VMCS fields, in the table's order. */
enum field_index {
#define F(name, encoding, width, kind, need) I_##name,
    VMCS_FIELDS(F)
#undef F
        FIELD_COUNT
};

/* Places in cpu.gpr after the sixteen registers. */
enum { ZERO = 16, PAGE_RIP = 17, FS_BASE = 18, GS_BASE = 19, SINK = 20, PLACES = 24 };

enum rflags_bits {
    RF_CF = 1,
    RF_FIXED = 2,
    RF_PF = 4,
    RF_AF = 0x10,
    RF_ZF = 0x40,
    RF_SF = 0x80,
    RF_TF = 0x100,
    RF_IF = 0x200,
    RF_DF = 0x400,
    RF_OF = 0x800,
    RF_IOPL = 0x3000,
    RF_NT = 0x4000,
    RF_RF = 0x10000,
    RF_VM = 0x20000,
    RF_AC = 0x40000,
    RF_VIF = 0x80000,
    RF_VIP = 0x100000,
    RF_ID = 0x200000,
    RF_STATUS = 0x8d5,
};

/* cpu.status: AH after LAHF in the high byte, SETO in the low one. */
enum { ST_OF = 1, ST_CF = 0x100, ST_PF = 0x400, ST_AF = 0x1000, ST_ZF = 0x4000, ST_SF = 0x8000 };

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_PG BIT(31)
#define CR4_VME BIT(0)
#define CR4_TSD BIT(2)
#define CR4_DE BIT(3)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_PGE BIT(7)
#define CR4_PCE BIT(8)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)
#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

/* Access rights in the VMCS (SDM table 25-2). */
enum {
    AR_S = 1 << 4,
    AR_P = 1 << 7,
    AR_L = 1 << 13,
    AR_D = 1 << 14,
    AR_G = 1 << 15,
    AR_UNUSABLE = 1 << 16
};
#define AR_DPL(ar) ((ar) >> 5 & 3)
enum { SEG_LDTR = 6, SEG_TR = 7 };

struct cpu;
struct op;
typedef void (*op_fn)(struct cpu *, const struct op *, i64 budget);
typedef void (*exec_fn)(struct cpu *, const struct insn *);

/* One operation. `left`: instructions of the block from this one on; 0: none begins here. */
struct op {
    op_fn fn;
    union {
        struct {
            i32 disp, imm;
        };
        u64 imm64;
    };
    u8 dst, src, base, index, shift, condition;
    u16 offset; /* of the instruction in its page */
    u32 cold;   /* index of its struct cold */
    u16 left;
    u8 length, spare;
};
_Static_assert(sizeof(struct op) == 32, "two operations a cache line");

/* The links of a branch: the slot after its operation. A slot's `left` tells it from an operation,
 * so they must not reach there. */
struct links {
    struct block *taken, *next;
};
_Static_assert(sizeof(struct links) <= offsetof(struct op, left), "fits a slot");

/* What the generic path needs of an instruction. */
struct cold {
    exec_fn exec;
    struct insn insn;
};

struct block {
    struct block *hash_next, *page_next;
    u64 key; /* guest-physical address << 4 | mode */
    u16 count, bytes, slots;
    bool stale;
    struct op ops[];
};

enum { TLB_SIZE = 4096, JUMP_SIZE = 4096, CODE_PAGES = 1024 };
enum tlb_kind { TLB_SUPERVISOR, TLB_SUPERVISOR_AC, TLB_USER, TLB_NEVER, TLB_KINDS };

struct tlb_entry {
    u64 read, write; /* page-aligned linear addresses */
    u64 delta;       /* host address - linear address */
    u64 kind;        /* enum tlb_entry_kind */
};

/* The page of code that a linear address is. */
struct code_page {
    u64 page; /* page-aligned linear address, | 1: for user code */
    u64 delta;
    u64 age; /* in force while it equals cpu.code_age */
};

struct jump {
    u64 rip, stamp;
    struct block *block;
};

struct ept_entry {
    u64 gpa; /* page-aligned, | 1: empty */
    u64 *leaf;
    u64 host;
    u64 rights;
};

struct x87 {
    u16 fcw, fsw;
    u8 tag; /* abridged: 1 = not empty, by physical register */
    u16 fop;
    u64 fip, fdp;
    u8 st[8][16]; /* by place in the FXSAVE image: ST0.. */
};

/* What the slow paths did since software_reset(). */
struct tally {
    u64 block_searches, blocks_made, pages_dropped; /* pages: of code, written */
    u64 page_walks, tlb_flushes;
};

struct cpu {
    u64 gpr[PLACES];
    struct tlb_entry *tlb;
    u64 rip;    /* of the instruction being run, in exec functions; else of the next */
    u64 next;   /* what RIP becomes after it */
    u64 rflags; /* all but the status flags */
    u16 status;
    u8 cpl, bits, stack_bytes; /* code size 16, 32, 64; stack pointer's bytes 2, 4, 8 */
    bool long_mode;            /* IA-32e mode, 64-bit or compatibility */
    i64 budget;
    const struct op *op;
    u64 stamp; /* generation of the jump cache << 8 | cpl << 4 | mode */
    u64 vmcs[FIELD_COUNT];
    void *escape[5]; /* __builtin_setjmp */
    bool attention;  /* the dispatcher has something to look at before the next block */
    bool changed;    /* VMCS fields were written: derive state anew, check the entry */
    bool single;     /* one instruction at a time: TF, breakpoints, interrupt shadows */
    bool plain;      /* tests: generic handlers alone, one instruction a block, none kept */
    bool faulted;    /* an exception was raised: its delivery counts one */
    bool entering; /* the event that the entry injects is being delivered: its faults count nothing
                    */
    bool dropped_trap;   /* INT n: the step trap waits for the handler's return */
    u8 escaped;          /* ESCAPE_FAULT or ESCAPE_EXIT */
    u8 shadow;           /* interrupt shadow that the running instruction begins */
    struct block **link; /* where the branch just taken wants its target's block */
    u32 pending_debug;   /* DR6 bits of traps that wait for the instruction's end */
    /* What left the guest's code: an exception or an exit. */
    struct {
        u32 vector, error, type;
        bool has_error;
        u64 address; /* CR2 or DR6 bits */
    } fault;
    struct event delivering; /* info 0: nothing is being delivered */
    struct exit_info exit;
    struct memory *memory;
    struct vcpu *vcpu;
    bool counts_exits; /* kind of count `exits`: nothing stops between exits */
    u64 cr2, dr[4], dr6;
    u64 star, lstar, cstar, fmask, kernel_gs;
    u64 mwait;
    u8 *watched; /* by guest page: holds code */
    struct block **page_blocks;
    /* vector and x87 state */
    u8 xmm[16][16] __attribute__((aligned(64)));
    u32 mxcsr;
    struct x87 x87;
    struct tally tally;
    u64 generation;
    struct jump jumps[JUMP_SIZE];
    struct ept_entry ept[1024];
    u64 used[TLB_KINDS][TLB_SIZE / 64];
    struct tlb_entry tlbs[TLB_KINDS][TLB_SIZE] __attribute__((aligned(64)));
    u64 code_age;
    u32 code_pages_used;
    struct code_page code_pages[CODE_PAGES];
};

extern struct cpu software_cpu;

#define V(name) (c->vmcs[I_##name])
#define SELECTOR(seg) (c->vmcs[I_GUEST_ES + (seg)])
#define SEG_BASE(seg) (c->vmcs[I_GUEST_ES_BASE + (seg)])
#define SEG_LIMIT(seg) (c->vmcs[I_GUEST_ES_LIMIT + (seg)])
#define SEG_ACCESS(seg) (c->vmcs[I_GUEST_ES_ACCESS + (seg)])

/* --- run.c: leaving the guest's code ------------------------------------------------------ */
enum { ESCAPE_FAULT = 1, ESCAPE_EXIT = 2 };
NORETURN void raise_error(struct cpu *, u32 vector, u32 error);
NORETURN void raise_plain(struct cpu *, u32 vector);
NORETURN void raise_pf(struct cpu *, u64 linear, u32 error);
NORETURN void raise_db(struct cpu *, u64 bits);
NORETURN void leave_vm(struct cpu *, u32 reason,
                       u64 qualification); /* VM exit; length from the instruction */
NORETURN void stop_unimplemented(struct cpu *, const char *what);
#define raise_gp(c) raise_error(c, VECTOR_GP, 0)
#define raise_ud(c) raise_plain(c, VECTOR_UD)
enum { VECTOR_NM = 7, VECTOR_MF = 16, VECTOR_AC = 17, VECTOR_XM = 19 };
extern const struct op nowhere;             /* outside all blocks: nothing to give back */
void run_event(struct cpu *, struct event); /* the event that the entry injects */
void derive_state(struct cpu *); /* cpl, bits, TLB, after anything that they depend on changed */
extern char software_stop_reason[160];
void software_reset(void); /* as after power on */

/* --- mmu.c ----------------------------------------------------------------------------------- */
enum access_kind {
    ACC_READ = 0,
    ACC_WRITE = 1,
    ACC_EXEC = 2,
    ACC_RMW = 3,
    ACC_SYSTEM = 4 /* implicit supervisor */
};
/* Host address of a byte, for accesses that stay in its page. Faults or exits. */
void *translate(struct cpu *, u64 linear, enum access_kind);
void tlb_flush(struct cpu *, bool global_too);
void tlb_flush_page(struct cpu *, u64 linear);
void tlb_forget_writes(struct cpu *, u64 host_page); /* the page has code now */
void ept_flush(struct cpu *);
void mmu_init(struct cpu *);
u64 read_slow(struct cpu *, u64 linear, u32 size);
void write_slow(struct cpu *, u64 linear, u64 value, u32 size);
void probe_write(struct cpu *, u64 linear, u32 size); /* a write would succeed; A and D set */
u64 system_read(struct cpu *, u64 linear, u32 size);
void system_write(struct cpu *, u64 linear, u64 value, u32 size);
void copy_in(struct cpu *, void *to, u64 linear, u32 size);
void copy_out(struct cpu *, u64 linear, const void *from, u32 size); /* checks all, then writes */
/* Segment arithmetic and checks: the linear address of an access. */
u64 segment_linear(struct cpu *, u32 segment, u64 offset, u32 size, bool write);
bool canonical(u64 linear);

/* --- blocks.c ---------------------------------------------------------------------------- */
struct block *block_find(struct cpu *);                    /* for RIP; single: of one instruction */
struct block *block_make_scratch(struct cpu *, u32 count); /* of at most `count` instructions */
void code_written(struct cpu *, u64 gpa, u64 length);
void blocks_init(struct cpu *);
void blocks_flush(struct cpu *);
const struct cold *cold_of(const struct op *);
void op_generic(struct cpu *, const struct op *, i64 budget);
void op_generic_end(struct cpu *, const struct op *, i64 budget);
void op_stale(struct cpu *, const struct op *, i64 budget);
void op_end(struct cpu *, const struct op *, i64 budget);

/* --- hooks.c ----------------------------------------------------------------------------- */
bool hooks_changed(void);         /* since it was last asked: cached blocks are out of date */
bool hooks_at_offset(u32 offset); /* some hook is at this offset of some page */
void op_hook(struct cpu *, const struct op *, i64 budget); /* before the hooked operation */

/* --- lower.c, exec.c --------------------------------------------------------------------- */
/* The exec function of an instruction, and whether it ends a block. */
exec_fn exec_find(const struct insn *, bool *ends);
struct lowered {
    u32 slots;
    bool ends; /* the operation leaves the block by itself */
};
/* Fills in a fast operation for a 64-bit instruction; slots 0: there is none. */
struct lowered lower(struct op *, const struct insn *, u16 offset);
/* The comparison at *first and the conditional jump at *second become one. */
bool fuse(struct op *first, struct op *second);

/* --- events.c ---------------------------------------------------------------------------- */
/* Delivers an event in the format of SDM 25.8.3 through the IDT; faults and exits by escape. */
void deliver(struct cpu *, struct event);
void software_interrupt(struct cpu *, u32 vector, u32 type);

/* --- segments.c -------------------------------------------------------------------------- */
struct descriptor {
    u64 base;
    u32 limit, access; /* access: VMCS form */
    u64 low, high;     /* raw, for gates */
};
void load_segment(struct cpu *, u32 segment, u16 selector);
void load_null(struct cpu *, u32 segment, u16 selector);
struct descriptor parse_descriptor(u64 low);
/* Reads a descriptor; false: beyond its table. */
bool fetch_descriptor(struct cpu *, u16 selector, u64 *low);
void set_segment(struct cpu *, u32 segment, u16 selector, const struct descriptor *);
void mark_accessed(struct cpu *, u16 selector, struct descriptor *);
void set_code_segment(struct cpu *, u16 selector, const struct descriptor *, u32 cpl);
void far_jump(struct cpu *, u16 selector, u64 offset, u32 size);
void far_call(struct cpu *, u16 selector, u64 offset, u32 size);
void far_return(struct cpu *, u32 size, u32 pop);
void interrupt_return(struct cpu *, u32 size);
void check_target(struct cpu *, const struct descriptor *code, u64 offset);
u64 descriptor_linear(struct cpu *, u16 selector);
void load_ldtr(struct cpu *, u16 selector);
void load_tr(struct cpu *, u16 selector);

/* --- gates.c ----------------------------------------------------------------------------- */
/* A stack that an inner level's TSS entry names; nothing of it is loaded until inner_take(). */
struct inner_stack {
    struct descriptor segment;
    u16 selector;
    u64 sp;
};
struct inner_stack inner_stack(struct cpu *, u32 dpl);
void inner_push(struct cpu *, struct inner_stack *, u64 value, u32 size);
void inner_take(struct cpu *, struct inner_stack *);
u64 tss_read(struct cpu *, u32 offset, u32 size);
void write_frame(struct cpu *, u64 rsp, const u64 *words, u32 count); /* events.c: IA-32e mode */
/* JMP or CALL through a gate or to a TSS. false: the selector names neither. */
bool far_through_gate(struct cpu *, u16 selector, bool call);
enum task_source {
    TASK_BY_CALL,
    TASK_BY_IRET,
    TASK_BY_JMP,
    TASK_BY_IDT
}; /* as exit reason 9 has it */
NORETURN void switch_by_gate(struct cpu *, u64 gate, enum task_source);
NORETURN void switch_back(struct cpu *); /* IRET with NT */

/* --- virtual_8086.c ---------------------------------------------------------------------- */
void enter_virtual_8086(struct cpu *);
void drop_virtual_8086_segments(struct cpu *);
void iret_virtual_8086(struct cpu *, u32 size);
/* Each does what the mode or CR4.PVI makes of the instruction, or says that there is nothing. */
u64 flags_to_push(struct cpu *, u32 size);
bool pop_virtual_flags(struct cpu *, u32 size);
bool set_virtual_interrupt_flag(struct cpu *, bool on);
bool interrupt_in_virtual_8086(struct cpu *, u32 vector);

/* --- thunk.c ----------------------------------------------------------------------------- */
exec_fn thunk_find(const struct insn *); /* NULL: not an instruction for thunks */
void thunks_init(struct cpu *);
void fx_image(const struct cpu *, u8 image[512]);

/* --- flags ------------------------------------------------------------------------------- */
static inline u64 get_rflags(const struct cpu *c)
{
    u32 s = c->status;
    return c->rflags | (s >> 8 & 0xd5) | (s & 1) << 11;
}

static inline void set_status(struct cpu *c, u64 rflags)
{
    c->status = (u16)((rflags & 0xd5) << 8 | 0x200 | (rflags >> 11 & 1));
}

static inline void set_rflags(struct cpu *c, u64 rflags)
{
    c->rflags = (rflags & ~(u64)RF_STATUS) | RF_FIXED;
    set_status(c, rflags);
}

/* --- memory, hot ------------------------------------------------------------------------- */
typedef u16 __attribute__((aligned(1), may_alias)) mem16;
typedef u32 __attribute__((aligned(1), may_alias)) mem32;
typedef u64 __attribute__((aligned(1), may_alias)) mem64;
typedef u8 __attribute__((may_alias)) mem8;

static inline struct tlb_entry *tlb_slot(struct cpu *c, u64 linear)
{
    return &c->tlb[linear >> 12 & (TLB_SIZE - 1)];
}

static inline struct jump *jump_slot(struct cpu *c, u64 rip)
{
    return &c->jumps[(rip ^ rip >> 12) & (JUMP_SIZE - 1)];
}

static inline u64 host_load(const void *at, u32 size)
{
    switch (size) {
    case 1:
        return *(const mem8 *)at;
    case 2:
        return *(const mem16 *)at;
    case 4:
        return *(const mem32 *)at;
    default:
        return *(const mem64 *)at;
    }
}

static inline void host_store(void *at, u64 value, u32 size)
{
    switch (size) {
    case 1:
        *(mem8 *)at = (u8)value;
        break;
    case 2:
        *(mem16 *)at = (u16)value;
        break;
    case 4:
        *(mem32 *)at = (u32)value;
        break;
    default:
        *(mem64 *)at = value;
    }
}

static inline u64 read_linear(struct cpu *c, u64 linear, u32 size)
{
    const struct tlb_entry *e = tlb_slot(c, linear);
    if (likely((linear ^ e->read) <= 4096 - size))
        return host_load((void *)(linear + e->delta), size);
    return read_slow(c, linear, size);
}

static inline void write_linear(struct cpu *c, u64 linear, u64 value, u32 size)
{
    const struct tlb_entry *e = tlb_slot(c, linear);
    if (likely((linear ^ e->write) <= 4096 - size))
        host_store((void *)(linear + e->delta), value, size);
    else
        write_slow(c, linear, value, size);
}

/* --- operands of the generic path -------------------------------------------------------- */
static inline u64 size_mask(u32 size)
{
    return size >= 8 ? ~0ull : BIT(8 * size) - 1;
}

static inline u64 get_reg(const struct cpu *c, const struct insn *insn, u32 number, u32 size)
{
    if (size == 1 && !(insn->prefixes & PREFIX_REX) && number >= 4 && number < 8)
        return c->gpr[number - 4] >> 8 & 0xff;
    return c->gpr[number] & size_mask(size);
}

static inline void put_gpr(struct cpu *c, u32 number, u64 value, u32 size)
{
    u64 *reg = &c->gpr[number];
    switch (size) {
    case 1:
        *reg = (*reg & ~0xffull) | (value & 0xff);
        break;
    case 2:
        *reg = (*reg & ~0xffffull) | (value & 0xffff);
        break;
    case 4:
        *reg = (u32)value;
        break;
    default:
        *reg = value;
    }
}

static inline void put_reg(struct cpu *c, const struct insn *insn, u32 number, u64 value, u32 size)
{
    if (size == 1 && !(insn->prefixes & PREFIX_REX) && number >= 4 && number < 8)
        c->gpr[number - 4] = (c->gpr[number - 4] & ~0xff00ull) | (value & 0xff) << 8;
    else
        put_gpr(c, number, value, size);
}

static inline u64 effective(const struct cpu *c, const struct insn *insn)
{
    u64 address = (u64)insn->displacement;
    if (insn->base == RIP_RELATIVE)
        address += c->rip + insn->length;
    else if (insn->base != NO_REGISTER)
        address += c->gpr[insn->base];
    if (insn->index != NO_REGISTER)
        address += c->gpr[insn->index] * insn->scale;
    return address & size_mask(insn->address_size);
}

static inline u64 operand_linear(struct cpu *c, const struct insn *insn, u32 size, bool write)
{
    return segment_linear(c, insn->segment, effective(c, insn), size, write);
}

/* Of operands that must be aligned to 16 bytes: that is checked before the segment is. */
static inline u64 aligned_linear(struct cpu *c, const struct insn *insn, u32 size, bool write)
{
    u64 offset = effective(c, insn),
        base = c->bits == 64 && insn->segment < SEG_FS ? 0 : SEG_BASE(insn->segment);
    if ((base + offset) & 15)
        raise_gp(c);
    return segment_linear(c, insn->segment, offset, size, write);
}

static inline u64 read_memory(struct cpu *c, const struct insn *insn, u32 size)
{
    return read_linear(c, operand_linear(c, insn, size, false), size);
}

static inline u64 read_rm(struct cpu *c, const struct insn *insn, u32 size)
{
    return insn->has_memory ? read_memory(c, insn, size) : get_reg(c, insn, insn->rm, size);
}

static inline void write_rm(struct cpu *c, const struct insn *insn, u64 value, u32 size)
{
    if (insn->has_memory)
        write_linear(c, operand_linear(c, insn, size, true), value, size);
    else
        put_reg(c, insn, insn->rm, value, size);
}

/* Read-modify-write: the target is checked for writing before it is read. */
struct target {
    u64 linear, value;
};

static inline struct target open_rm(struct cpu *c, const struct insn *insn, u32 size)
{
    if (!insn->has_memory)
        return (struct target){0, get_reg(c, insn, insn->rm, size)};
    u64 linear = operand_linear(c, insn, size, true);
    const struct tlb_entry *e = tlb_slot(c, linear);
    if (unlikely((linear ^ e->write) > 4096 - size))
        probe_write(c, linear, size);
    return (struct target){linear, read_linear(c, linear, size)};
}

static inline void close_rm(struct cpu *c, const struct insn *insn, const struct target *t,
                            u64 value, u32 size)
{
    if (insn->has_memory)
        write_linear(c, t->linear, value, size);
    else
        put_reg(c, insn, insn->rm, value, size);
}

/* --- stack (exec_stack.c) ---------------------------------------------------------------- */
u64 stack_pointer(const struct cpu *);
void set_stack_pointer(struct cpu *, u64);
void push(struct cpu *, u64 value, u32 size);
u64 pop(struct cpu *, u32 size);
void poke(struct cpu *, u64 sp, u64 value, u32 size); /* writes at SS:sp */
u64 peek(struct cpu *, u32 offset, u32 size); /* reads above the stack pointer, moves nothing */

static inline u32 iopl(const struct cpu *c)
{
    return c->rflags >> 12 & 3;
}

static inline bool protected_mode(const struct cpu *c)
{
    return V(GUEST_CR0) & CR0_PE && !(c->rflags & RF_VM);
}

/* After writes to IF, TPR or the like. */
static inline void look_again(struct cpu *c)
{
    c->attention = true;
}

#endif
