/*
 * String instructions (SDM vol. 1, 7.3.9). One iteration at a time is the rule; REP MOVS and
 * REP STOS upwards go by page when everything is at hand. Every iteration counts one: an
 * instruction whose budget is short stops between two, RIP on itself.
 */
#include "vmx/exits.h"
#include "vmx/software/exec.h"

static u64 index_at(const struct cpu *c, const struct insn *insn, u32 reg)
{
    return c->gpr[reg] & size_mask(insn->address_size);
}

static void step_index(struct cpu *c, const struct insn *insn, u32 reg, u64 by)
{
    u64 step = c->rflags & RF_DF ? -by : by;
    put_gpr(c, reg, c->gpr[reg] + step, insn->address_size);
}

static u64 source_linear(struct cpu *c, const struct insn *insn)
{
    return segment_linear(c, insn->segment, index_at(c, insn, RSI), insn->operand_size, false);
}

static u64 target_linear(struct cpu *c, const struct insn *insn, bool write)
{
    return segment_linear(c, SEG_ES, index_at(c, insn, RDI), insn->operand_size, write);
}

static void one_movs(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 value = read_linear(c, source_linear(c, insn), size);
    write_linear(c, target_linear(c, insn, true), value, size);
    step_index(c, insn, RSI, size);
    step_index(c, insn, RDI, size);
}

static void one_stos(struct cpu *c, const struct insn *insn)
{
    write_linear(c, target_linear(c, insn, true), c->gpr[RAX], insn->operand_size);
    step_index(c, insn, RDI, insn->operand_size);
}

static void one_lods(struct cpu *c, const struct insn *insn)
{
    u64 value = read_linear(c, source_linear(c, insn), insn->operand_size);
    put_gpr(c, RAX, value, insn->operand_size);
    step_index(c, insn, RSI, insn->operand_size);
}

static void compare(struct cpu *c, u32 size, u64 a, u64 b)
{
    u32 shift = 64 - 8 * size;
    u64 result = (a - b) & size_mask(size), borrows = (~a & b) | ((~a | b) & result),
        top = 8 * size - 1;
    u64 flags = (__builtin_parity((u32)result & 0xff) ? 0 : RF_PF) | (result ? 0 : RF_ZF) |
                (result >> top & 1 ? RF_SF : 0);
    flags |= (a << shift) < (b << shift) ? RF_CF : 0;
    flags |= borrows & 8 ? RF_AF : 0;
    flags |= (borrows >> top ^ borrows >> (top - 1)) & 1 ? RF_OF : 0;
    set_status(c, flags);
}

static void one_cmps(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 a = read_linear(c, source_linear(c, insn), size),
        b = read_linear(c, target_linear(c, insn, false), size);
    compare(c, size, a, b);
    step_index(c, insn, RSI, size);
    step_index(c, insn, RDI, size);
}

static void one_scas(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 value = read_linear(c, target_linear(c, insn, false), size);
    compare(c, size, c->gpr[RAX] & size_mask(size), value);
    step_index(c, insn, RDI, size);
}

/* --- whole pages -------------------------------------------------------------------------- */

/* Iterations that stay in the page and are not more than the budget allows (its first is paid). */
static u64 page_run(const struct cpu *c, const struct insn *insn, u64 linear, u64 left)
{
    u64 fit = (4096 - (linear & 0xfff)) / insn->operand_size;
    return min_u64(min_u64(fit, left), (u64)c->budget + 1);
}

static bool bulk_possible(const struct cpu *c, const struct insn *insn)
{
    return c->bits == 64 && !c->single && !c->plain && insn->address_size == 8 &&
           !(c->rflags & RF_DF) && insn->segment < SEG_FS;
}

static u64 bulk_stos(struct cpu *c, const struct insn *insn, u64 left)
{
    u64 to = c->gpr[RDI], n = page_run(c, insn, to, left), value = c->gpr[RAX];
    const struct tlb_entry *e = tlb_slot(c, to);
    if ((to ^ e->write) > 4095 || n < 2)
        return 0;
    u8 *host = (u8 *)(to + e->delta);
    if (insn->operand_size == 1 || value == 0)
        memset(host, (int)(value & 0xff), n * insn->operand_size);
    else
        for (u64 i = 0; i < n; i++)
            host_store(host + i * insn->operand_size, value, insn->operand_size);
    c->gpr[RDI] += n * insn->operand_size;
    return n;
}

static u64 bulk_movs(struct cpu *c, const struct insn *insn, u64 left)
{
    u64 from = c->gpr[RSI], to = c->gpr[RDI],
        n = page_run(c, insn, to, page_run(c, insn, from, left));
    const struct tlb_entry *r = tlb_slot(c, from), *w = tlb_slot(c, to);
    u64 bytes = n * insn->operand_size;
    if ((to ^ w->write) > 4095 || (from ^ r->read) > 4095 || n < 2)
        return 0;
    u8 *source = (u8 *)(from + r->delta), *target = (u8 *)(to + w->delta);
    if (source < target + bytes && target < source + bytes)
        return 0; /* overlapping: iteration by iteration */
    memcpy(target, source, bytes);
    c->gpr[RSI] += bytes;
    c->gpr[RDI] += bytes;
    return n;
}

/* --- REP ------------------------------------------------------------------------------------- */

typedef void (*one_fn)(struct cpu *, const struct insn *);
typedef u64 (*bulk_fn)(struct cpu *, const struct insn *, u64 left);

static bool ends_compare(const struct cpu *c, const struct insn *insn)
{
    bool zero = c->status & ST_ZF;
    return insn->prefixes & PREFIX_REP ? !zero : zero;
}

/* Is what comes next still this instruction? Its own writes may have changed its bytes; those in
 * a second page are not watched. */
static bool must_fetch_again(const struct cpu *c)
{
    return c->op->fn == op_stale || c->op->offset + c->op->length > PAGE_SIZE || c->plain;
}

/* The block has paid for one iteration. */
static void repeat(struct cpu *c, const struct insn *insn, one_fn one, bulk_fn bulk, bool compares)
{
    u64 mask = size_mask(insn->address_size);
    if (!(insn->prefixes & (PREFIX_REP | PREFIX_REPNE))) {
        one(c, insn);
        return;
    }
    if (!(c->gpr[RCX] & mask))
        return;
    bool in_bulk = bulk && bulk_possible(c, insn);
    for (;;) {
        u64 left = c->gpr[RCX] & mask, done = in_bulk ? bulk(c, insn, left) : 0;
        if (!done) {
            one(c, insn);
            done = 1;
        }
        put_gpr(c, RCX, left - done, insn->address_size);
        c->budget -= (i64)done - 1;
        if (left == done || (compares && ends_compare(c, insn)))
            return;
        if (c->budget <= 0 || c->single || must_fetch_again(c))
            break;
        c->budget--; /* for the iteration to come */
    }
    c->next = c->rip;
}

void exec_movs(struct cpu *c, const struct insn *insn)
{
    repeat(c, insn, one_movs, bulk_movs, false);
}

void exec_stos(struct cpu *c, const struct insn *insn)
{
    repeat(c, insn, one_stos, bulk_stos, false);
}

void exec_lods(struct cpu *c, const struct insn *insn)
{
    repeat(c, insn, one_lods, NULL, false);
}

void exec_cmps(struct cpu *c, const struct insn *insn)
{
    repeat(c, insn, one_cmps, NULL, true);
}

void exec_scas(struct cpu *c, const struct insn *insn)
{
    repeat(c, insn, one_scas, NULL, true);
}
