/*
 * Decoded code: blocks of operations, found by guest-physical address and code size, and thrown
 * away when their page is written. A page is the unit of that: its blocks link to each other
 * freely because they die together. Blocks never cross a page; an instruction that does is decoded
 * anew each time.
 */
#include <sys/mman.h>

#include "vmx/software/cpu.h"
#include "vmx/software/straight.h"

enum { HASH_SIZE = 1 << 16, BLOCK_INSNS = 64, BLOCK_SLOTS = 3 * BLOCK_INSNS + 4 };
enum { KEPT = 8 }; /* in a key, which so is never 0 */
enum { ARENA_BYTES = 40 << 20, COLD_COUNT = 640 << 10 };

static struct {
    u8 *arena;
    u64 used;
    struct cold *cold;
    u32 cold_used;
    u64 *lines; /* by page: 64-byte lines that hold code */
    u64 pages;
    struct block *hash[HASH_SIZE];
} cache;

/* Scratch blocks: stops inside a block, instructions across pages. */
static struct {
    struct block block;
    struct op ops[BLOCK_SLOTS];
} scratch;
static struct cold scratch_cold[BLOCK_INSNS];
#define SCRATCH_COLD (1u << 31)

const struct cold *cold_of(const struct op *op)
{
    return op->cold & SCRATCH_COLD ? &scratch_cold[op->cold & ~SCRATCH_COLD]
                                   : &cache.cold[op->cold];
}

static void *reserve(u64 bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void blocks_init(struct cpu *c)
{
    u64 pages = c->memory->size / PAGE_SIZE;
    if (!cache.arena) {
        cache.arena = reserve(ARENA_BYTES);
        cache.cold = reserve(COLD_COUNT * sizeof(struct cold));
    }
    if (cache.lines)
        munmap(cache.lines, cache.pages * 8);
    if (c->watched)
        munmap(c->watched, cache.pages);
    if (c->page_blocks)
        munmap(c->page_blocks, cache.pages * 8);
    cache.pages = pages;
    cache.lines = reserve(pages * 8);
    c->watched = reserve(pages);
    c->page_blocks = reserve(pages * 8);
    blocks_flush(c);
}

void blocks_flush(struct cpu *c)
{
    memset(cache.hash, 0, sizeof(cache.hash));
    memset(cache.lines, 0, cache.pages * 8);
    memset(c->watched, 0, cache.pages);
    memset(c->page_blocks, 0, cache.pages * 8);
    memset(c->jumps, 0, sizeof(c->jumps)); /* the blocks' memory is used again */
    straight_forget();
    cache.used = cache.cold_used = 0;
    c->link = NULL;
    c->generation++;
    c->stamp = c->generation << 8 | (c->stamp & 0xff);
}

/* --- operations of the frame ------------------------------------------------------------ */

static inline void run_exec(struct cpu *c, const struct op *op, i64 budget)
{
    const struct cold *cold = cold_of(op);
    c->op = op;
    c->budget = budget;
    c->rip = c->gpr[PAGE_RIP] + op->offset;
    c->next = c->rip + op->length;
    if (c->bits != 64) {
        c->rip = (u32)c->rip;
        c->next = (u32)c->next;
    }
    cold->exec(c, &cold->insn);
}

void op_generic(struct cpu *c, const struct op *op, i64 budget)
{
    run_exec(c, op, budget);
    return op[1].fn(c, op + 1, c->budget);
}

void op_generic_end(struct cpu *c, const struct op *op, i64 budget)
{
    run_exec(c, op, budget);
    c->rip = c->next;
}

void op_stale(struct cpu *c, const struct op *op, i64 budget)
{
    c->budget = budget + op->left;
    c->rip = c->gpr[PAGE_RIP] + op->offset;
    if (c->bits != 64)
        c->rip = (u32)c->rip;
}

void op_end(struct cpu *c, const struct op *op, i64 budget)
{
    c->budget = budget;
    c->rip = c->gpr[PAGE_RIP] + op->offset;
    if (c->bits != 64)
        c->rip = (u32)c->rip;
}

/* --- making blocks --------------------------------------------------------------------------- */

struct builder {
    struct op ops[BLOCK_SLOTS];
    struct cold cold[BLOCK_INSNS];
    u32 slots, count, bytes;
    bool ended;
};

static void exec_undefined(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    raise_ud(c);
}

static void exec_too_long(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    raise_gp(c);
}

static void add_generic(struct builder *b, struct op *op, exec_fn exec, bool ends)
{
    (void)exec;
    op->fn = ends ? op_generic_end : op_generic;
    b->slots++;
    b->ended = ends;
}

static void add(struct builder *b, const struct insn *insn, exec_fn forced, u32 offset, bool fast)
{
    if (unlikely(hooks_at_offset(offset)))
        b->ops[b->slots++] = (struct op){.fn = op_hook, .offset = (u16)offset};
    struct op *op = &b->ops[b->slots];
    bool ends = true;
    exec_fn exec = forced ? forced : exec_find(insn, &ends);
    *op = (struct op){.offset = (u16)offset,
                      .length = insn->length,
                      .cold = b->count,
                      .base = ZERO,
                      .index = ZERO};
    b->cold[b->count++] = (struct cold){exec, *insn};
    b->bytes += insn->length;
    struct lowered low = {0, false};
    if (fast && !forced)
        low = lower(op, insn, (u16)offset);
    if (!low.slots) {
        add_generic(b, op, exec, ends);
        return;
    }
    b->slots += low.slots;
    b->ended = low.ends;
    if (low.ends && b->count > 1 && low.slots == 2)
        fuse(op - 1, op);
}

/* false: the instruction reaches beyond the page. */
static bool add_decoded(struct cpu *c, struct builder *b, const u8 *code, u32 room, u32 offset)
{
    struct insn insn;
    switch (insn_decode(&insn, code, room, c->bits)) {
    case DECODE_OK:
        add(b, &insn, NULL, offset, c->bits == 64 && !c->single && !c->plain);
        return true;
    case DECODE_INVALID:
        add(b, &insn, exec_undefined, offset, false);
        return true;
    case DECODE_TOO_LONG:
        add(b, &insn, exec_too_long, offset, false);
        return true;
    case DECODE_SHORT:
        break;
    }
    return false;
}

static void fill_builder(struct cpu *c, struct builder *b, const u8 *page, u32 offset, u32 limit)
{
    b->slots = b->count = b->bytes = 0;
    b->ended = false;
    while (b->count < limit && !b->ended && offset < PAGE_SIZE) {
        if (!add_decoded(c, b, page + offset, (u32)PAGE_SIZE - offset, offset))
            break;
        offset += b->cold[b->count - 1].insn.length;
    }
    if (!b->ended && b->count) {
        b->ops[b->slots] = (struct op){.fn = op_end, .offset = (u16)offset};
        b->slots++;
    }
}

/* Links are slots without a handler of their own: they keep no instruction, and their `left` is 0.
 */
static void finish(struct builder *b, struct block *block, u32 cold_base)
{
    u32 left = b->count;
    block->count = (u16)b->count;
    block->bytes = (u16)b->bytes;
    block->slots = (u16)b->slots;
    memcpy(block->ops, b->ops, b->slots * sizeof(struct op));
    for (u32 i = 0; i < b->slots; i++) {
        struct op *op = &block->ops[i];
        if (!op->fn || op->fn == op_end)
            continue;
        op->left = (u16)left;
        if (op->fn == op_hook) /* no instruction by itself */
            continue;
        left--;
        op->cold += cold_base;
    }
}

static struct builder builder;

static struct block *make_scratch(const struct builder *b)
{
    finish((struct builder *)b, &scratch.block, SCRATCH_COLD);
    memcpy(scratch_cold, b->cold, b->count * sizeof(struct cold));
    return &scratch.block;
}

/* The only instruction that reaches into the next page. */
static struct block *make_crossing(struct cpu *c, u64 linear, const u8 *host)
{
    u8 bytes[16];
    u32 first = (u32)PAGE_SIZE - (linear & 0xfff);
    if (c->bits != 64 && c->rip + first > SEG_LIMIT(SEG_CS)) /* the limit comes before the page */
        raise_gp(c);
    memcpy(bytes, host, first);
    c->op = &scratch.block.ops[BLOCK_SLOTS - 1]; /* left is 0 there */
    const u8 *second = translate(c, (linear | 0xfff) + 1, ACC_EXEC);
    memcpy(bytes + first, second, 15 - first);
    builder.slots = builder.count = builder.bytes = 0;
    builder.ended = false;
    add_decoded(c, &builder, bytes, 15, linear & 0xfff);
    if (!builder.ended) {
        builder.ops[builder.slots] =
            (struct op){.fn = op_end, .offset = (u16)((linear & 0xfff) + builder.bytes)};
        builder.slots++;
    }
    return make_scratch(&builder);
}

static u64 fetch_linear(struct cpu *c)
{
    if (c->bits == 64) {
        if (!canonical(c->rip))
            raise_gp(c);
        return c->rip;
    }
    if (c->rip > SEG_LIMIT(SEG_CS))
        raise_gp(c);
    return (u32)(SEG_BASE(SEG_CS) + c->rip);
}

static void watch(struct cpu *c, u64 ram, const struct block *block)
{
    u64 page = ram >> 12, first = (ram & 0xfff) / 64,
        last = ((ram & 0xfff) + block->bytes - 1) / 64;
    if (!c->watched[page]) {
        c->watched[page] = 1;
        tlb_forget_writes(c, (u64)c->memory->base + (page << 12));
    }
    for (u64 line = first; line <= last && line < 64; line++)
        cache.lines[page] |= BIT(line);
}

static struct block *keep(struct cpu *c, u64 ram, u64 key)
{
    u64 bytes = align_up(sizeof(struct block) + builder.slots * sizeof(struct op), 32);
    if (cache.used + bytes > ARENA_BYTES || cache.cold_used + builder.count > COLD_COUNT) {
        blocks_flush(c);
    }
    struct block *block = (struct block *)(cache.arena + cache.used), **bucket;
    cache.used += bytes;
    memcpy(&cache.cold[cache.cold_used], builder.cold, builder.count * sizeof(struct cold));
    *block = (struct block){.key = key};
    c->tally.blocks_made++;
    finish(&builder, block, cache.cold_used);
    cache.cold_used += builder.count;
    if (c->bits == 64 && !c->single)
        straight_compile(block->ops, block->slots);
    bucket = &cache.hash[(key >> 4 ^ key >> 20 ^ key) & (HASH_SIZE - 1)];
    block->hash_next = *bucket;
    *bucket = block;
    block->page_next = c->page_blocks[ram >> 12];
    c->page_blocks[ram >> 12] = block;
    watch(c, ram, block);
    return block;
}

static struct block *look_up(u64 key)
{
    for (struct block *b = cache.hash[(key >> 4 ^ key >> 20 ^ key) & (HASH_SIZE - 1)]; b;
         b = b->hash_next)
        if (b->key == key)
            return b;
    return NULL;
}

/* After a flush of the TLB the jump cache's stamps are old, but its blocks mostly are the right
 * ones; the table above is large and cold. */
static struct block *recall(struct cpu *c, u64 key)
{
    const struct jump *j = jump_slot(c, c->rip);
    bool same = j->rip == c->rip && j->block && j->block->key == key && !j->block->stale;
    return same ? j->block : look_up(key);
}

static struct block *out_of_limit(struct cpu *c)
{
    raise_gp(c);
}

/* Does all of the block lie within CS? Outside 64-bit mode only. */
static bool within_limit(struct cpu *c, const struct block *b)
{
    return c->bits == 64 || c->rip + b->bytes - 1 <= SEG_LIMIT(SEG_CS);
}

static struct block *shorter(struct cpu *c, const u8 *host, u64 linear, u32 limit)
{
    fill_builder(c, &builder, host - (linear & 0xfff), linear & 0xfff,
                 limit < BLOCK_INSNS ? limit : BLOCK_INSNS);
    return builder.count ? make_scratch(&builder) : make_crossing(c, linear, host);
}

struct block *block_find(struct cpu *c)
{
    u64 linear = fetch_linear(c);
    c->tally.block_searches++;
    const u8 *host = translate(c, linear, ACC_EXEC);
    u64 ram = (u64)(host - c->memory->base);
    u64 mode = (c->bits == 64 ? 0 : c->bits == 32 ? 1 : 2) | (c->single ? 4 : 0) | KEPT;
    struct block *block = recall(c, ram << 4 | mode);
    c->gpr[PAGE_RIP] = c->rip - (linear & 0xfff);
    if (unlikely(c->plain)) {
        block = shorter(c, host, linear, 1);
    } else if (!block) {
        fill_builder(c, &builder, host - (linear & 0xfff), linear & 0xfff,
                     c->single ? 1 : BLOCK_INSNS);
        block = builder.count ? keep(c, ram, ram << 4 | mode) : make_crossing(c, linear, host);
    }
    if (unlikely(!within_limit(c, block))) {
        block = shorter(c, host, linear, 1);
        return within_limit(c, block) ? block : out_of_limit(c);
    }
    return block;
}

struct block *block_make_scratch(struct cpu *c, u32 count)
{
    u64 linear = fetch_linear(c);
    const u8 *host = translate(c, linear, ACC_EXEC);
    c->gpr[PAGE_RIP] = c->rip - (linear & 0xfff);
    struct block *block = shorter(c, host, linear, count);
    return within_limit(c, block) ? block : out_of_limit(c);
}

/* --- throwing away ----------------------------------------------------------------------- */

static void unhash(struct block *block)
{
    struct block **at =
        &cache.hash[(block->key >> 4 ^ block->key >> 20 ^ block->key) & (HASH_SIZE - 1)];
    while (*at && *at != block)
        at = &(*at)->hash_next;
    if (*at)
        *at = block->hash_next;
}

static void make_stale(struct block *block)
{
    block->stale = true;
    for (u32 i = 0; i < block->slots; i++)
        if (block->ops[i].left) /* not links, and not op_end */
            block->ops[i].fn = op_stale;
    if (block->key)
        unhash(block);
}

static void drop_page(struct cpu *c, u64 page)
{
    c->tally.pages_dropped++;
    for (struct block *b = c->page_blocks[page]; b; b = b->page_next)
        make_stale(b);
    make_stale(&scratch.block); /* it may be what is running */
    c->page_blocks[page] = NULL;
    cache.lines[page] = 0;
    c->watched[page] = 0;
}

void code_written(struct cpu *c, u64 ram, u64 length)
{
    for (u64 at = ram; at < ram + length;) {
        u64 page = at >> 12, end = min_u64(ram + length, (page + 1) << 12), lines = 0;
        for (u64 line = (at & 0xfff) / 64; line <= ((end - 1) & 0xfff) / 64; line++)
            lines |= BIT(line);
        if (page < cache.pages && cache.lines[page] & lines)
            drop_page(c, page);
        at = end;
    }
}
