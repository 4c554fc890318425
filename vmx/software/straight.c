/*
 * The compiler of runs; see straight.h. The guest's own instructions are emitted with their
 * registers renamed, so results and flags are the host's, and flags stay in the host's RFLAGS from
 * one to the next. Before an access to memory and at a run's end they are caught as in fast_alu.c,
 * unless the operation behind overwrites them. Where the host's flags are undefined and differ from
 * Bochs's rules (shifts, multiplications, rotates) an instruction is only taken when a later one of
 * the run overwrites all flags before anybody may see them. Code is written through one mapping and
 * run through another. Instruction encodings: SDM vol. 2.
 */
#define _GNU_SOURCE /* memfd_create */
#include "vmx/software/straight.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmx/software/fast.h"

enum { STORE_BYTES = 32 << 20, STEPS_MIN = 2, STEPS_MAX = 64, CODE_MAX = 16384 };
enum { NONE = 0xff };

/* What an instruction does to the status flags. */
enum flag_effect {
    FREE,    /* nothing */
    READS,   /* CMOV, SETcc */
    EXACT,   /* defines all of them */
    LOGIC,   /* the same, but for AF, which is 0 by Bochs's rule */
    MIXED,   /* reads some, then all are defined: ADC, INC */
    LOOSE,   /* writes all, some of them undefined */
    PARTIAL, /* writes some, some of them undefined: rotates */
};

enum memory_access { ACCESS_NONE, ACCESS_READ, ACCESS_WRITE };

/* One instruction in the form in which it is emitted. Registers are the guest's. */
struct step {
    u8 size; /* of its operands; 0: nothing is emitted */
    u8 effect;
    bool two_byte;
    u8 opcode;
    u8 reg, extension;     /* reg NONE: ModRM.reg is the extension */
    u8 rm;                 /* NONE: memory, or an address, LEA's */
    u8 target;             /* written; NONE */
    bool pure;             /* all of the target is written and it is not read */
    bool in_opcode;        /* BSWAP: rm is in the opcode, there is no ModRM */
    bool to_rm;            /* rm, or memory, is the target */
    u8 access;             /* of memory */
    u8 width;              /* bytes of memory */
    u8 base, index, shift; /* of an address: places in struct cpu, as in struct op */
    i32 displacement;
    u8 immediate_size;
    i32 immediate;
};

/* --- describing ------------------------------------------------------------------------------ */

static bool two_registers(struct step *s, const struct insn *insn, u32 effect, bool to_reg)
{
    s->effect = (u8)effect;
    s->reg = insn->reg;
    s->rm = insn->rm;
    s->target = to_reg ? insn->reg : insn->rm;
    s->to_rm = !to_reg;
    return true;
}

static bool with_extension(struct step *s, u8 opcode, u8 extension, u8 rm, u32 effect)
{
    s->opcode = opcode;
    s->extension = extension;
    s->rm = s->target = rm;
    s->to_rm = true;
    s->effect = (u8)effect;
    return true;
}

static bool with_immediate(struct step *s, u64 value, u8 size)
{
    s->immediate = (i32)value;
    s->immediate_size = size;
    return size < 4 || s->size < 8 || (i64)value == (i32)value;
}

static u8 immediate_of(u8 operand_size)
{
    return operand_size > 4 ? 4 : operand_size;
}

static bool describe_alu(struct step *s, const struct insn *insn, u32 operation, bool immediate)
{
    static const u8 effects[8] = {EXACT, LOGIC, MIXED, MIXED, LOGIC, EXACT, LOGIC, EXACT};
    bool good;
    if (!immediate) {
        good = two_registers(s, insn, effects[operation], insn->opcode & 2);
    } else if (insn->opcode < 0x40) { /* the accumulator's form */
        good =
            with_extension(s, 0x80 | (insn->opcode & 1), (u8)operation, RAX, effects[operation]) &&
            with_immediate(s, insn->immediate, immediate_of(s->size));
    } else {
        good = with_extension(s, insn->opcode, (u8)operation, insn->rm, effects[operation]) &&
               with_immediate(s, insn->immediate, insn->immediate_size);
    }
    if (operation == 7) /* CMP */
        s->target = NONE;
    return good;
}

/* lower.c has worked out the address. */
static void take_address(struct step *s, const struct op *op)
{
    s->rm = NONE;
    s->base = op->base;
    s->index = op->index;
    s->shift = op->shift;
    s->displacement = op->disp;
}

static bool describe_lea(struct step *s, const struct insn *insn)
{
    s->reg = s->target = insn->reg;
    s->pure = true;
    return s->size >= 4;
}

/* Reading flags behind the look-up in the TLB is not possible: it changes the host's. */
static bool describe_memory(struct step *s, const struct insn *insn, const struct op *op)
{
    bool extends = s->two_byte && (insn->opcode & 0xb6) == 0xb6;
    s->width = extends                                ? (insn->opcode & 1 ? 2 : 1)
               : !s->two_byte && insn->opcode == 0x63 ? 4
                                                      : s->size;
    s->access = s->to_rm && s->target != NONE ? ACCESS_WRITE : ACCESS_READ;
    if (s->to_rm)
        s->target = NONE;
    take_address(s, op);
    return s->effect != READS && s->effect != MIXED;
}

static bool describe_mov_imm(struct step *s, const struct insn *insn)
{
    s->pure = s->size >= 4;
    return with_extension(s, s->size == 1 ? 0xc6 : 0xc7, 0, insn->rm, FREE) &&
           with_immediate(s, insn->immediate, immediate_of(s->size));
}

static bool describe_shift(struct step *s, const struct insn *insn)
{
    u8 kind = insn->reg & 7;
    u64 count = insn->opcode >= 0xd0 ? 1 : insn->immediate & (s->size == 8 ? 63 : 31);
    if (insn->has_memory || kind == 2 || kind == 3) /* RCL, RCR */
        return false;
    return with_extension(s, 0xc0 | (insn->opcode & 1), kind, insn->rm,
                          kind < 2 ? PARTIAL : LOOSE) &&
           with_immediate(s, count, 1);
}

static bool describe_group3(struct step *s, const struct insn *insn)
{
    u8 kind = insn->reg & 7;
    if (kind > 3)
        return false;
    with_extension(s, insn->opcode, kind, insn->rm, kind < 2 ? LOGIC : kind == 2 ? FREE : EXACT);
    if (kind >= 2)
        return true;
    s->target = NONE;
    return with_immediate(s, insn->immediate, immediate_of(s->size));
}

static bool describe_legacy(struct step *s, const struct insn *insn)
{
    u8 opcode = insn->opcode;
    switch (opcode) {
    case 0x00 ... 0x3f:
        return (opcode & 7) < 6 && describe_alu(s, insn, opcode >> 3, (opcode & 7) >= 4);
    case 0x63:
        s->pure = true;
        return s->size >= 4 && two_registers(s, insn, FREE, true);
    case 0x69:
    case 0x6b:
        s->pure = true;
        return two_registers(s, insn, LOOSE, true) &&
               with_immediate(s, insn->immediate, insn->immediate_size);
    case 0x80 ... 0x83:
        return opcode != 0x82 && describe_alu(s, insn, insn->reg & 7, true);
    case 0x84:
    case 0x85:
        return two_registers(s, insn, LOGIC, true) && (s->target = NONE);
    case 0x88 ... 0x8b:
        s->pure = s->size >= 4;
        return two_registers(s, insn, FREE, opcode & 2);
    case 0x8d:
        return describe_lea(s, insn);
    case 0xa8:
    case 0xa9:
        return with_extension(s, 0xf6 | (opcode & 1), 0, RAX, LOGIC) && (s->target = NONE) &&
               with_immediate(s, insn->immediate, immediate_of(s->size));
    case 0xb0 ... 0xbf:
    case 0xc6:
    case 0xc7:
        return describe_mov_imm(s, insn);
    case 0xc0:
    case 0xc1:
    case 0xd0:
    case 0xd1:
        return describe_shift(s, insn);
    case 0xf6:
    case 0xf7:
        return describe_group3(s, insn);
    case 0xfe:
    case 0xff:
        return (insn->reg & 7) < 2 && with_extension(s, opcode, insn->reg & 7, insn->rm, MIXED);
    default:
        return false;
    }
}

static bool describe_two_byte(struct step *s, const struct insn *insn)
{
    u8 opcode = insn->opcode;
    s->two_byte = true;
    switch (opcode) {
    case 0x40 ... 0x4f:
        return two_registers(s, insn, READS, true);
    case 0x90 ... 0x9f:
        s->size = 1;
        return with_extension(s, opcode, 0, insn->rm, READS);
    case 0xaf:
        return two_registers(s, insn, LOOSE, true);
    case 0xb6:
    case 0xb7:
    case 0xbe:
    case 0xbf:
        s->pure = s->size >= 4;
        return two_registers(s, insn, FREE, true);
    case 0xc8 ... 0xcf:
        s->in_opcode = true;
        return s->size >= 4 && with_extension(s, 0xc8, 0, insn->rm, FREE);
    default:
        return false;
    }
}

/* Is the operation one that a run may hold? */
static bool describe(struct step *s, const struct op *op)
{
    if (!op->fn || op->fn == op_end || op->fn == op_hook || op->fn == op_generic ||
        op->fn == op_generic_end)
        return false;
    const struct insn *insn = &cold_of(op)->insn;
    if (insn->prefixes & (PREFIX_LOCK | PREFIX_REP | PREFIX_REPNE | PREFIX_ADSIZE))
        return false;
    *s = (struct step){.size = insn->operand_size,
                       .opcode = insn->opcode,
                       .reg = NONE,
                       .base = NONE,
                       .index = NONE,
                       .target = NONE};
    if (op->fn == fast_nop) {
        *s = (struct step){.reg = NONE, .rm = NONE, .target = NONE};
        return true;
    }
    bool legacy = insn->map == MAP_LEGACY;
    if (!legacy && insn->map != MAP_0F)
        return false;
    if (!(legacy ? describe_legacy(s, insn) : describe_two_byte(s, insn)))
        return false;
    if (legacy && insn->opcode == 0x8d)
        take_address(s, op);
    else if (insn->has_memory)
        return describe_memory(s, insn, op);
    return true;
}

/* --- choosing ---------------------------------------------------------------------------- */

/* RCX, R8-R11. RAX and RSI, the operation's address, are free, too: for flags and addresses. */
static const u8 hosts[] = {1, 8, 9, 10, 11};
enum { HOSTS = sizeof(hosts) };

struct run {
    struct step steps[STEPS_MAX];
    u32 count;
    u32 used; /* guest registers, by bit */
};

static u32 registers_of(const struct step *s)
{
    u32 used = 0;
    const u8 all[] = {s->reg, s->rm, s->base, s->index};
    for (u32 i = 0; i < sizeof(all); i++)
        if (s->size && all[i] < GPR_COUNT)
            used |= 1u << all[i];
    return used;
}

static bool overwrites(const struct step *s)
{
    return !s->access && (s->effect == EXACT || s->effect == LOGIC || s->effect == LOOSE);
}

/* The comparison before a conditional jump is one operation with it. */
static bool fused(const struct op *op)
{
    const struct op *next = op + 1;
    return next->fn && next->fn == fast_jcc[next->condition & 15];
}

/* Are the host's flags the guest's after the steps so far? Where nothing wrote them, or an access
 * to memory came after that, the guest's are in memory. */
enum flags { IN_MEMORY, IN_HOST, WRONG };

static enum flags flags_after(const struct run *r, u32 count)
{
    enum flags flags = IN_MEMORY;
    for (u32 i = 0; i < count; i++) {
        u8 effect = r->steps[i].effect;
        if (r->steps[i].access)
            flags = IN_MEMORY;
        if (effect == EXACT || effect == LOGIC)
            flags = IN_HOST;
        else if (effect == LOOSE || effect == PARTIAL)
            flags = WRONG;
    }
    return flags;
}

static bool can_follow(const struct run *r, const struct step *s)
{
    bool reads = s->effect == READS || s->effect == MIXED;
    enum flags flags = flags_after(r, r->count);
    if (__builtin_popcount(r->used | registers_of(s)) > HOSTS)
        return false;
    return s->access ? flags != WRONG : !reads || flags == IN_HOST; /* an access may fault */
}

/* Steps at the end whose flags would be needed and are not the guest's stay out. */
static void trim(struct run *r, bool dead)
{
    while (!dead && r->count && flags_after(r, r->count) == WRONG) {
        while (r->steps[r->count - 1].effect == FREE)
            r->count--;
        dead = overwrites(&r->steps[--r->count]);
    }
}

/* The longest run from `op` on. true: the operation behind it overwrites the flags. */
static bool collect(struct run *r, const struct op *op, u32 slots)
{
    struct step next;
    r->count = r->used = 0;
    while (r->count < slots && r->count < STEPS_MAX) {
        if (!describe(&next, op + r->count) || fused(op + r->count) || !can_follow(r, &next))
            break;
        r->used |= registers_of(&next);
        r->steps[r->count++] = next;
    }
    bool dead = r->count < slots && describe(&next, op + r->count) && overwrites(&next);
    u32 before = r->count;
    trim(r, dead);
    return r->count == before ? dead : r->count && overwrites(&r->steps[r->count]);
}

/* --- emitting ---------------------------------------------------------------------------- */

/* Where an access misses the TLB. */
struct miss {
    u32 from; /* the jump's displacement */
    u32 step, dirty;
};

struct output {
    u8 bytes[CODE_MAX];
    struct miss misses[STEPS_MAX];
    u32 miss_count;
    u32 length;
    u8 host[GPR_COUNT]; /* by guest register; NONE */
    u32 dirty, taken;
};

static void put(struct output *o, u64 value, u32 size)
{
    for (u32 i = 0; i < size; i++)
        o->bytes[o->length++] = (u8)(value >> 8 * i);
}

enum { LOAD = 0x8b, STORE = 0x89, HOST_RSI = 6, HOST_RDI = 7 };

/* MOV between a host register and the guest's register in struct cpu, at RDI. */
static void put_move(struct output *o, u8 opcode, u8 host, u32 guest)
{
    put(o, 0x48 | (host & 8) >> 1, 1);
    put(o, opcode, 1);
    put(o, 0x40 | (host & 7) << 3 | HOST_RDI, 1);
    put(o, offsetof(struct cpu, gpr) + 8 * guest, 1);
}

static u8 host_of(struct output *o, u8 guest, bool load)
{
    if (o->host[guest] == NONE) {
        o->host[guest] = hosts[o->taken++];
        if (load)
            put_move(o, LOAD, o->host[guest], guest);
    }
    return o->host[guest];
}

static void put_opcode(struct output *o, const struct step *s, u8 reg, u8 index, u8 rm)
{
    if (s->size == 2)
        put(o, 0x66, 1);
    put(o, 0x40 | (s->size == 8) << 3 | (reg & 8) >> 1 | (index & 8) >> 2 | (rm & 8) >> 3, 1);
    if (s->two_byte)
        put(o, 0x0f, 1);
    put(o, s->in_opcode ? s->opcode + (rm & 7u) : s->opcode, 1);
}

/* LEA reg, [base + index << shift + displacement], all of them host registers; index 4: none. */
static void put_address(struct output *o, u8 size, u8 reg, u8 base, u8 index, const struct step *s)
{
    put(o, 0x40u | (size == 8) << 3 | (reg & 8) >> 1 | (index & 8) >> 2 | (base & 8) >> 3, 1);
    put(o, 0x8d, 1);
    put(o, 0x80u | (reg & 7u) << 3 | 4, 1);
    put(o, (u32)s->shift << 6 | (index & 7u) << 3 | (base & 7u), 1);
    put(o, (u32)s->displacement, 4);
}

/* RSI = the address of an operand, or of LEA: what is not a register of the guest's (ZERO, the
 * page's RIP, segment bases) is read from struct cpu. */
static void put_effective_address(struct output *o, const struct step *s)
{
    bool based = s->base < GPR_COUNT, indexed = s->index < GPR_COUNT;
    u8 base = based ? host_of(o, s->base, true) : HOST_RSI,
       index = indexed ? host_of(o, s->index, true) : 4;
    if (!based) {
        put(o, 0xb78b48, 3); /* MOV RSI, [RDI + ...] */
        put(o, offsetof(struct cpu, gpr) + 8u * s->base, 4);
    }
    put_address(o, 8, HOST_RSI, base, index, s);
    if (!indexed && s->index != ZERO) {
        put(o, 0xb70348, 3); /* ADD RSI, [RDI + ...] */
        put(o, offsetof(struct cpu, gpr) + 8u * s->index, 4);
    }
}

static void put_lea(struct output *o, const struct step *s)
{
    bool simple = s->base < GPR_COUNT && (s->index < GPR_COUNT || s->index == ZERO);
    if (simple) {
        u8 base = host_of(o, s->base, true),
           index = s->index == ZERO ? 4 : host_of(o, s->index, true);
        put_address(o, s->size, host_of(o, s->reg, false), base, index, s);
        return;
    }
    put_effective_address(o, s);
    u8 reg = host_of(o, s->reg, false);
    put(o, 0x40u | (s->size == 8) << 3 | (reg & 8) >> 1, 1); /* MOV reg, RSI */
    put(o, LOAD, 1);
    put(o, 0xc0u | (reg & 7u) << 3 | HOST_RSI, 1);
}

/* RSI = host address of the operand at RSI, or the miss: tlb_slot() and AT() of fast.h. */
static void put_look_up(struct output *o, const struct step *s, u32 step)
{
    u32 tag = s->access == ACCESS_WRITE ? offsetof(struct tlb_entry, write)
                                        : offsetof(struct tlb_entry, read);
    _Static_assert(sizeof(struct tlb_entry) == 32 && TLB_SIZE == 4096, "12 - 7 = 5 bits");
    put(o, 0xf08948, 3);   /* MOV RAX, RSI */
    put(o, 0x07e8c148, 4); /* SHR RAX, 7 */
    put(o, 0x25, 1);       /* AND EAX, ... */
    put(o, (TLB_SIZE - 1) * sizeof(struct tlb_entry), 4);
    put(o, 0x870348, 3); /* ADD RAX, [RDI + ...] */
    put(o, offsetof(struct cpu, tlb), 4);
    put(o, 0x703348u | tag << 24, 4); /* XOR RSI, [RAX + tag] */
    put(o, 0xfe8148, 3);              /* CMP RSI, ... */
    put(o, PAGE_SIZE - s->width, 4);
    put(o, 0x870f, 2); /* JA */
    o->misses[o->miss_count++] = (struct miss){o->length, step, o->dirty};
    put(o, 0, 4);
    put(o, 0x703348u | tag << 24, 4); /* XOR RSI, [RAX + tag] */
    put(o, 0x700348u | (u32)offsetof(struct tlb_entry, delta) << 24,
        4); /* ADD RSI, [RAX + delta] */
}

/* The address first: its registers may be the target, too, which is not loaded then. */
static void put_access(struct output *o, const struct step *s, u32 step)
{
    put_effective_address(o, s);
    bool reads = !(s->pure && s->target == s->reg);
    u8 reg = s->reg == NONE ? s->extension : host_of(o, s->reg, reads);
    put_look_up(o, s, step);
    put_opcode(o, s, reg, 0, HOST_RSI);
    put(o, (reg & 7u) << 3 | HOST_RSI, 1);
    put(o, (u32)s->immediate, s->immediate_size);
}

static void put_registers(struct output *o, const struct step *s)
{
    bool reads_rm = !(s->pure && s->target == s->rm) || s->reg == s->rm;
    u8 rm = host_of(o, s->rm, reads_rm);
    u8 reg = s->reg == NONE ? s->extension : host_of(o, s->reg, !(s->pure && s->target == s->reg));
    put_opcode(o, s, reg, 0, rm);
    if (!s->in_opcode)
        put(o, 0xc0u | (reg & 7u) << 3 | (rm & 7u), 1);
    put(o, (u32)s->immediate, s->immediate_size);
}

/* LAHF, SETO AL and a store of the flags that the first `count` steps leave; AF is 0 after logic.
 */
static void put_catch(struct output *o, const struct run *r, u32 count)
{
    u8 last = FREE;
    for (u32 i = 0; i < count; i++)
        if (r->steps[i].effect >= EXACT)
            last = r->steps[i].effect;
    put(o, 0xc0900f9f, 4);
    if (last == LOGIC)
        put(o, 0xefff2566, 4); /* AND AX, ~ST_AF */
    put(o, 0x878966, 3);       /* MOV [RDI + ...], AX */
    put(o, offsetof(struct cpu, status), 4);
}

static void put_step(struct output *o, const struct run *r, u32 i)
{
    const struct step *s = &r->steps[i];
    if (!s->size)
        return;
    if (s->access && flags_after(r, i) == IN_HOST)
        put_catch(o, r, i);
    if (s->access)
        put_access(o, s, i);
    else if (s->rm == NONE)
        put_lea(o, s);
    else
        put_registers(o, s);
    if (s->target != NONE)
        o->dirty |= 1u << s->target;
}

static void put_back(struct output *o, u32 dirty)
{
    for (u32 guest = 0; guest < GPR_COUNT; guest++)
        if (dirty >> guest & 1)
            put_move(o, STORE, o->host[guest], guest);
}

static void put_op(struct output *o, const struct op *op)
{
    put(o, 0xbe48, 2); /* MOV RSI, ... */
    put(o, (u64)op, 8);
}

static void put_end(struct output *o, const struct run *r, const struct op *next, bool dead)
{
    put_back(o, o->dirty);
    if (!dead && flags_after(r, r->count) == IN_HOST)
        put_catch(o, r, r->count);
    put_op(o, next);
    put(o, 0x26ff, 2); /* JMP [RSI] */
}

/* The step's operation takes the generic path, with the registers as it found them. */
static void put_miss(struct output *o, const struct miss *miss, const struct op *ops)
{
    u32 distance = o->length - (miss->from + 4);
    memcpy(o->bytes + miss->from, &distance, 4);
    put_back(o, miss->dirty);
    put_op(o, ops + miss->step);
    put(o, 0xb848, 2); /* MOV RAX, ... */
    put(o, (u64)op_generic, 8);
    put(o, 0xe0ff, 2); /* JMP RAX */
}

/* --- the store --------------------------------------------------------------------------- */

static struct {
    u8 *write, *run;
    u64 used;
    bool failed;
} store;

static bool open_store(void)
{
    int descriptor = memfd_create("hindvisor-code", MFD_CLOEXEC);
    if (descriptor >= 0 && !ftruncate(descriptor, STORE_BYTES)) {
        store.write = mmap(NULL, STORE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        store.run = mmap(NULL, STORE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, descriptor, 0);
    }
    if (descriptor >= 0)
        close(descriptor);
    store.failed = !store.write || store.write == MAP_FAILED || store.run == MAP_FAILED;
    return !store.failed;
}

static op_fn keep_code(const struct output *o)
{
    if (store.used + o->length > STORE_BYTES)
        return NULL;
    memcpy(store.write + store.used, o->bytes, o->length);
    op_fn fn = (op_fn)(store.run + store.used);
    store.used += align_up(o->length, 16);
    return fn;
}

void straight_forget(void)
{
    store.used = 0;
}

static op_fn compile(const struct run *r, const struct op *ops, bool dead)
{
    static struct output o;
    o.length = o.dirty = o.taken = o.miss_count = 0;
    memset(o.host, NONE, sizeof(o.host));
    for (u32 i = 0; i < r->count; i++)
        put_step(&o, r, i);
    put_end(&o, r, ops + r->count, dead);
    for (u32 i = 0; i < o.miss_count; i++)
        put_miss(&o, &o.misses[i], ops);
    return keep_code(&o);
}

void straight_compile(struct op *ops, u32 slots)
{
    static struct run run;
    if (store.failed || (!store.write && !open_store()))
        return;
    for (u32 slot = 0; slot < slots;) {
        bool dead = collect(&run, ops + slot, slots - slot);
        op_fn fn = run.count >= STEPS_MIN ? compile(&run, ops + slot, dead) : NULL;
        if (fn)
            ops[slot].fn = fn;
        slot += fn ? run.count : 1;
    }
}
