/*
 * Memory as the guest's instructions see it: segmentation, paging, EPT and the software
 * TLB (SDM vol. 3, 3.4, 4, 29.3). The only place where guest addresses become host addresses:
 * a pointer that comes from here lies in a page that the EPT maps. Faults and exits leave by
 * escape, before anything but accessed and dirty bits has changed.
 */
#include "core/cpu_model.h"
#include "vmx/exits.h"
#include "vmx/software/cpu.h"

enum {
    PTE_P = 1,
    PTE_RW = 2,
    PTE_US = 4,
    PTE_A = 0x20,
    PTE_D = 0x40,
    PTE_PS = 0x80,
    PTE_G = 0x100
};
enum { ERR_P = 1, ERR_W = 2, ERR_U = 4, ERR_RSVD = 8, ERR_I = 16 };
enum { EPT_R = 1, EPT_W = 2, EPT_X = 4, EPT_PS = 0x80, EPT_A = 0x100, EPT_D = 0x200 };
#define PTE_XD BIT(63)
#define FRAME 0x000ffffffffff000ull
#define RANGE(high, low) ((~0ull >> (63 - (high))) & ~(BIT(low) - 1))
#define BEYOND_LONG RANGE(51, CPU_PHYSICAL_BITS)
#define BEYOND_PAE RANGE(62, CPU_PHYSICAL_BITS)

bool canonical(u64 linear)
{
    return (u64)((i64)(linear << 16) >> 16) == linear;
}

/* --- EPT ------------------------------------------------------------------------------ */

NORETURN static void ept_violation(struct cpu *c, u64 gpa, u64 linear, enum access_kind access,
                                   bool walk, u64 rights)
{
    u64 q = access & ACC_EXEC ? 4 : access & ACC_WRITE ? 2 : 1;
    q |= rights << 3 | BIT(7) | (walk ? 0 : BIT(8));
    V(GUEST_PHYSICAL) = gpa;
    V(GUEST_LINEAR) = linear;
    leave_vm(c, EXIT_EPT_VIOLATION, q);
}

/* SDM 29.3.3.1. */
static bool ept_misconfigured(u64 entry, bool leaf)
{
    u64 type = entry >> 3 & 7;
    if ((entry & 7) == 2 || (entry & 7) == 6)
        return true;
    return leaf && (type == 2 || type == 3 || type == 7);
}

static struct ept_entry *ept_fill(struct cpu *c, struct ept_entry *e, u64 gpa, u64 linear,
                                  enum access_kind access, bool walk)
{
    u64 *table = (u64 *)(V(EPT_POINTER) & FRAME), rights = 7;
    for (u32 shift = 39;; shift -= 9) {
        u64 *entry = &table[gpa >> shift & 511];
        bool leaf = shift == 12 || (shift <= 30 && *entry & EPT_PS);
        rights &= *entry;
        if (!(*entry & 7))
            ept_violation(c, gpa, linear, access, walk, 0);
        if (ept_misconfigured(*entry, leaf)) {
            V(GUEST_PHYSICAL) = gpa;
            leave_vm(c, EXIT_EPT_MISCONFIG, 0);
        }
        if (leaf) {
            u64 inside = gpa & (BIT(shift) - 1) & ~0xfffull;
            *e = (struct ept_entry){gpa & ~0xfffull, entry,
                                    (*entry & FRAME & ~(BIT(shift) - 1)) + inside, rights};
            return e;
        }
        *entry |= EPT_A;
        table = (u64 *)(*entry & FRAME);
    }
}

/* Host address of a guest-physical address, with EPT's rights checked and A and D set. */
static u8 *ept_host(struct cpu *c, u64 gpa, u64 linear, enum access_kind access, bool walk)
{
    struct ept_entry *e = &c->ept[gpa >> 12 & (ARRAY_SIZE(c->ept) - 1)];
    if (e->gpa != (gpa & ~0xfffull))
        e = ept_fill(c, e, gpa, linear, access, walk);
    u64 need = access & ACC_EXEC ? EPT_X : access & ACC_WRITE ? EPT_W : EPT_R;
    if (!(e->rights & need))
        ept_violation(c, gpa, linear, access, walk, e->rights);
    *e->leaf |= access & ACC_WRITE ? EPT_A | EPT_D : EPT_A;
    return (u8 *)(e->host | (gpa & 0xfff));
}

void ept_flush(struct cpu *c)
{
    for (u32 i = 0; i < ARRAY_SIZE(c->ept); i++)
        c->ept[i].gpa = 1;
    tlb_flush(c, true);
}

/* --- page walk --------------------------------------------------------------------------- */

struct walk {
    u64 linear;
    enum access_kind access;
    bool user;
    u32 levels;
    u64 *at[4], entry[4]; /* host addresses of the entries; 32-bit ones go by their size */
    u32 entry_size;
    u64 gpa, size;
    u64 allowed;
    bool xd, global;
};

NORETURN static void page_fault(struct cpu *c, const struct walk *w, u32 bits)
{
    bool fetch_rights =
        V(GUEST_CR4) & CR4_SMEP || (V(GUEST_CR4) & CR4_PAE && V(GUEST_EFER) & EFER_NXE);
    bits |= w->access & ACC_WRITE ? ERR_W : 0;
    bits |= w->user ? ERR_U : 0;
    bits |= w->access & ACC_EXEC && fetch_rights ? ERR_I : 0;
    raise_pf(c, w->linear, bits);
}

static u64 read_entry(struct cpu *c, struct walk *w, u64 gpa)
{
    /* With accessed and dirty flags for EPT a walk counts as a write (SDM 29.3.3.2). */
    u8 *host = ept_host(c, gpa, w->linear, V(EPT_POINTER) & BIT(6) ? ACC_WRITE : ACC_READ, true);
    w->at[w->levels] = (u64 *)host;
    return w->entry[w->levels++] = host_load(host, w->entry_size);
}

static u64 reserved_bits(struct cpu *c, u64 always)
{
    return always | (V(GUEST_EFER) & EFER_NXE ? 0 : PTE_XD);
}

static bool take_entry(struct cpu *c, struct walk *w, u64 table, u32 shift, u64 reserved,
                       u64 reserved_leaf, bool may_map)
{
    u32 index_bits = w->entry_size == 4 ? 10 : 9;
    u64 e = read_entry(c, w, table + (w->linear >> shift & (BIT(index_bits) - 1)) * w->entry_size);
    if (!(e & PTE_P))
        page_fault(c, w, 0);
    bool maps = shift == 12 || (may_map && e & PTE_PS);
    if (e & (reserved | (maps && shift > 12 ? reserved_leaf : 0)))
        page_fault(c, w, ERR_P | ERR_RSVD);
    w->allowed &= e;
    w->xd |= w->entry_size == 8 && e >> 63;
    if (maps) {
        w->size = BIT(shift);
        w->global = e & PTE_G && V(GUEST_CR4) & CR4_PGE;
    }
    return maps;
}

static void walk_long(struct cpu *c, struct walk *w)
{
    u64 table = V(GUEST_CR3) & FRAME, reserved = reserved_bits(c, BEYOND_LONG);
    w->entry_size = 8;
    for (u32 shift = 39;; shift -= 9) {
        u64 here = reserved | (shift == 39 ? PTE_PS : 0);
        if (take_entry(c, w, table, shift, here, RANGE(shift - 1 > 12 ? shift - 1 : 13, 13),
                       shift <= 30))
            break;
        table = w->entry[w->levels - 1] & FRAME;
    }
    w->gpa = w->entry[w->levels - 1] & FRAME & ~(w->size - 1);
}

static void walk_pae(struct cpu *c, struct walk *w)
{
    u64 pdpte = c->vmcs[I_GUEST_PDPTE0 + (w->linear >> 30 & 3)],
        reserved = reserved_bits(c, BEYOND_PAE);
    w->entry_size = 8;
    if (!(pdpte & PTE_P))
        page_fault(c, w, 0);
    if (!take_entry(c, w, pdpte & FRAME, 21, reserved, RANGE(20, 13), true))
        take_entry(c, w, w->entry[0] & FRAME, 12, reserved, 0, true);
    w->gpa = w->entry[w->levels - 1] & FRAME & ~(w->size - 1);
}

static void walk_32(struct cpu *c, struct walk *w)
{
    bool pse = V(GUEST_CR4) & CR4_PSE;
    u64 reserved_leaf = RANGE(21, 21) | RANGE(20, CPU_PHYSICAL_BITS - 32 + 13);
    w->entry_size = 4;
    if (!take_entry(c, w, V(GUEST_CR3) & 0xfffff000, 22, 0, reserved_leaf, pse)) {
        take_entry(c, w, w->entry[0] & 0xfffff000, 12, 0, 0, true);
        w->gpa = w->entry[1] & 0xfffff000;
    } else {
        w->gpa = (w->entry[0] & 0xffc00000) | (w->entry[0] & RANGE(20, 13)) << (32 - 13);
    }
}

/* SDM 4.6.1. */
static bool allowed(struct cpu *c, const struct walk *w)
{
    bool user_page = w->allowed & PTE_US, writable = w->allowed & PTE_RW;
    if (w->user && !user_page)
        return false;
    if (w->access & ACC_WRITE && !writable && (w->user || V(GUEST_CR0) & CR0_WP))
        return false;
    if (w->access & ACC_EXEC)
        return !w->xd && !(!w->user && user_page && V(GUEST_CR4) & CR4_SMEP);
    bool lifted = c->rflags & RF_AC && !(w->access & ACC_SYSTEM);
    return w->user || !user_page || !(V(GUEST_CR4) & CR4_SMAP) || lifted;
}

static void page_written(struct cpu *c, const void *host, u64 length)
{
    u64 offset = (u64)host - (u64)c->memory->base;
    if (offset < c->memory->size && c->watched[offset >> 12])
        code_written(c, offset, length);
}

static void set_accessed_dirty(struct cpu *c, const struct walk *w)
{
    for (u32 i = 0; i < w->levels; i++) {
        bool dirty = i + 1 == w->levels && w->access & ACC_WRITE;
        u64 entry = w->entry[i] | PTE_A | (dirty ? PTE_D : 0);
        if (entry == w->entry[i])
            continue;
        host_store(w->at[i], entry, w->entry_size);
        page_written(c, w->at[i], w->entry_size);
    }
}

static void walk(struct cpu *c, struct walk *w)
{
    c->tally.page_walks++;
    w->allowed = PTE_RW | PTE_US;
    if (!(V(GUEST_CR0) & CR0_PG)) {
        w->gpa = w->linear & 0xffffffff;
        w->size = 1;
        return;
    }
    if (c->long_mode)
        walk_long(c, w);
    else if (V(GUEST_CR4) & CR4_PAE)
        walk_pae(c, w);
    else
        walk_32(c, w);
    if (!allowed(c, w))
        page_fault(c, w, ERR_P);
    set_accessed_dirty(c, w);
    w->gpa |= w->linear & (w->size - 1);
}

/* --- TLB ----------------------------------------------------------------------------------- */

/* A page number that this slot never holds. */
static u64 empty_tag(u64 slot)
{
    return (slot ^ 1) << 12;
}

static void clear_slot(struct cpu *c, u32 kind, u64 slot)
{
    struct tlb_entry *e = &c->tlbs[kind][slot];
    e->read = e->write = empty_tag(slot);
    c->used[kind][slot / 64] &= ~BIT(slot % 64);
}

static void forget_code_pages(struct cpu *c)
{
    c->code_age++;
    c->code_pages_used = 0;
    c->generation++;
    c->stamp = c->generation << 8 | (c->stamp & 0xff);
}

static void clear_where(struct cpu *c, bool (*drop)(const struct tlb_entry *, u64), u64 what)
{
    for (u32 kind = 0; kind < TLB_NEVER; kind++)
        for (u32 word = 0; word < TLB_SIZE / 64; word++)
            for (u64 left = c->used[kind][word]; left; left &= left - 1) {
                u64 slot = word * 64 + (u64)__builtin_ctzll(left);
                if (drop(&c->tlbs[kind][slot], what))
                    clear_slot(c, kind, slot);
            }
    forget_code_pages(c);
}

/* WRITABLE: a write was translated; the write tag itself may be gone, where there is code. */
enum tlb_entry_kind { ENTRY_GLOBAL = 1, ENTRY_LARGE = 2, ENTRY_WRITABLE = 4 };

static bool drop_unless_global(const struct tlb_entry *e, u64 all)
{
    return all || !(e->kind & ENTRY_GLOBAL);
}

void tlb_flush(struct cpu *c, bool global_too)
{
    c->tally.tlb_flushes++;
    clear_where(c, drop_unless_global, global_too);
}

static bool drop_page(const struct tlb_entry *e, u64 page)
{
    return e->kind & ENTRY_LARGE || e->read == page || e->write == page;
}

void tlb_flush_page(struct cpu *c, u64 linear)
{
    clear_where(c, drop_page, linear & ~0xfffull);
}

void tlb_forget_writes(struct cpu *c, u64 host_page)
{
    for (u32 kind = 0; kind < TLB_NEVER; kind++)
        for (u32 word = 0; word < TLB_SIZE / 64; word++)
            for (u64 left = c->used[kind][word]; left; left &= left - 1) {
                u64 slot = word * 64 + (u64)__builtin_ctzll(left);
                struct tlb_entry *e = &c->tlbs[kind][slot];
                if (e->write + e->delta == host_page)
                    e->write = empty_tag(slot);
            }
}

static void fill_tlb(struct cpu *c, const struct walk *w, u8 *host)
{
    u64 page = w->linear & ~0xfffull, slot = w->linear >> 12 & (TLB_SIZE - 1),
        host_page = (u64)host & ~0xfffull;
    u32 kind = (u32)(c->tlb - c->tlbs[0]) / TLB_SIZE;
    struct tlb_entry *e = &c->tlb[slot];
    if (kind == TLB_NEVER || w->access & ACC_SYSTEM)
        return;
    u64 offset = host_page - (u64)c->memory->base;
    if (e->read != page)
        e->write = empty_tag(slot);
    e->read = page;
    e->delta = host_page - page;
    e->kind = (w->global ? ENTRY_GLOBAL : 0) | (w->size > PAGE_SIZE ? ENTRY_LARGE : 0) |
              (w->access & ACC_WRITE ? ENTRY_WRITABLE : 0);
    if (w->access & ACC_WRITE && !c->watched[offset >> 12])
        e->write = page;
    c->used[kind][slot / 64] |= BIT(slot % 64);
}

static u8 *must_be_ram(struct cpu *c, u8 *host)
{
    u64 offset = (u64)host - (u64)c->memory->base;
    if (offset >= c->memory->size)
        stop_unimplemented(c, "the EPT maps what is not guest RAM");
    return host;
}

/* Where the page is, or where it may be put. */
static struct code_page *code_page_slot(struct cpu *c, u64 page)
{
    struct code_page *p;
    u64 at = page >> 12 ^ page >> 22 ^ page << 4;
    do
        p = &c->code_pages[at++ & (CODE_PAGES - 1)];
    while (p->age == c->code_age && p->page != page);
    return p;
}

/* Nothing is evicted before all are: so a page that code runs in is known, however it got there. */
static void *translate_fetch(struct cpu *c, struct walk *w)
{
    u64 linear_page = w->linear & ~0xfffull, page = linear_page | w->user;
    struct code_page *p = code_page_slot(c, page);
    if (p->age == c->code_age)
        return (void *)(w->linear + p->delta);
    walk(c, w);
    u8 *host = must_be_ram(c, ept_host(c, w->gpa, w->linear, w->access, false));
    if (c->code_pages_used == CODE_PAGES / 2)
        forget_code_pages(c);
    *code_page_slot(c, page) =
        (struct code_page){page, ((u64)host & ~0xfffull) - linear_page, c->code_age};
    c->code_pages_used++;
    return host;
}

void *translate(struct cpu *c, u64 linear, enum access_kind access)
{
    struct walk w = {
        .linear = linear, .access = access, .user = c->cpl == 3 && !(access & ACC_SYSTEM)};
    if (!c->long_mode)
        w.linear = (u32)linear;
    if (access & ACC_EXEC)
        return translate_fetch(c, &w);
    walk(c, &w);
    u8 *host = must_be_ram(c, ept_host(c, w.gpa, w.linear, access, false));
    fill_tlb(c, &w, host);
    return host;
}

void mmu_init(struct cpu *c)
{
    for (u32 kind = 0; kind < TLB_KINDS; kind++)
        for (u64 slot = 0; slot < TLB_SIZE; slot++)
            clear_slot(c, kind, slot);
    c->tlb = c->tlbs[0];
    ept_flush(c);
}

/* --- accesses that miss ------------------------------------------------------------------ */

static void *translate_read(struct cpu *c, u64 linear, enum access_kind access)
{
    const struct tlb_entry *e = tlb_slot(c, linear);
    if (!(access & ACC_SYSTEM) && (linear ^ e->read) < 4096)
        return (void *)(linear + e->delta);
    return translate(c, linear, access);
}

static void *translate_write(struct cpu *c, u64 linear, enum access_kind access)
{
    const struct tlb_entry *e = tlb_slot(c, linear);
    if (!(access & ACC_SYSTEM) && (linear ^ e->read) < 4096 && e->kind & ENTRY_WRITABLE)
        return (void *)(linear + e->delta);
    return translate(c, linear, access);
}

/* DR7's data breakpoints (SDM 18.2.4): a trap after the instruction. */
static void watch_data(struct cpu *c, u64 linear, u32 size, bool write)
{
    for (u32 i = 0; i < 4; i++) {
        u64 dr7 = V(GUEST_DR7);
        u32 kind = dr7 >> (16 + 4 * i) & 3, encoded = dr7 >> (18 + 4 * i) & 3;
        u64 length = encoded == 2 ? 8 : encoded + 1, start = c->dr[i] & ~(length - 1);
        if (!(dr7 >> 2 * i & 3) || !(kind == 3 || (kind == 1 && write)))
            continue;
        if (linear < start + length && start < linear + size)
            c->pending_debug |= 1u << i;
    }
}

static void check_slow(struct cpu *c, u64 linear, u32 size, bool write)
{
    if (likely(c->tlb != c->tlbs[TLB_NEVER]))
        return;
    if (c->cpl == 3 && c->rflags & RF_AC && V(GUEST_CR0) & CR0_AM && linear & (size - 1) &&
        size <= 8)
        raise_error(c, VECTOR_AC, 0);
    watch_data(c, linear, size, write);
}

static u32 left_in_page(u64 linear, u32 size)
{
    u32 left = 4096 - (linear & 0xfff);
    return size < left ? size : left;
}

static u64 next_linear(const struct cpu *c, u64 linear, u32 part)
{
    return c->long_mode ? linear + part : (u32)(linear + part);
}

static void copy_pages_in(struct cpu *c, void *to, u64 linear, u32 size, enum access_kind access)
{
    u32 part = left_in_page(linear, size);
    u8 *first = translate_read(c, linear, access);
    if (part < size) {
        u8 *second = translate_read(c, next_linear(c, linear, part), access);
        first = translate_read(c, linear, access);
        memcpy((u8 *)to + part, second, size - part);
    }
    memcpy(to, first, part);
}

void copy_in(struct cpu *c, void *to, u64 linear, u32 size)
{
    check_slow(c, linear, size, false);
    copy_pages_in(c, to, linear, size, ACC_READ);
}

static void copy_pages_out(struct cpu *c, u64 linear, const void *from, u32 size,
                           enum access_kind access)
{
    u32 part = left_in_page(linear, size);
    u8 *first = translate_write(c, linear, access), *second = first;
    if (part < size)
        second = translate_write(c, next_linear(c, linear, part), access);
    memcpy(first, from, part);
    page_written(c, first, part);
    if (part < size) {
        memcpy(second, (const u8 *)from + part, size - part);
        page_written(c, second, size - part);
    }
}

void copy_out(struct cpu *c, u64 linear, const void *from, u32 size)
{
    check_slow(c, linear, size, true);
    copy_pages_out(c, linear, from, size, ACC_WRITE);
}

NOINLINE u64 read_slow(struct cpu *c, u64 linear, u32 size)
{
    u64 value = 0;
    copy_in(c, &value, linear, size);
    return value;
}

NOINLINE void write_slow(struct cpu *c, u64 linear, u64 value, u32 size)
{
    copy_out(c, linear, &value, size);
}

NOINLINE void probe_write(struct cpu *c, u64 linear, u32 size)
{
    u32 part = left_in_page(linear, size);
    check_slow(c, linear, size, true);
    translate_write(c, linear, ACC_WRITE);
    if (part < size)
        translate_write(c, next_linear(c, linear, part), ACC_WRITE);
}

u64 system_read(struct cpu *c, u64 linear, u32 size)
{
    u64 value = 0;
    copy_pages_in(c, &value, linear, size, ACC_READ | ACC_SYSTEM);
    return value;
}

void system_write(struct cpu *c, u64 linear, u64 value, u32 size)
{
    copy_pages_out(c, linear, &value, size, ACC_WRITE | ACC_SYSTEM);
}

/* --- segmentation ------------------------------------------------------------------------ */

NORETURN static void segment_fault(struct cpu *c, u32 segment)
{
    raise_error(c, segment == SEG_SS ? VECTOR_SS : VECTOR_GP, 0);
}

/* SDM 5.3, 5.5: limits and types outside 64-bit mode. */
static void check_segment(struct cpu *c, u32 segment, u64 offset, u32 size, bool write)
{
    u64 access = SEG_ACCESS(segment), limit = SEG_LIMIT(segment);
    bool code = access & 8, expand_down = (access & 0xc) == 4;
    if (access & AR_UNUSABLE)
        segment_fault(c, segment);
    if (protected_mode(c) && (write ? code || !(access & 2) : code && !(access & 2)))
        segment_fault(c, segment);
    u64 last = offset + size - 1;
    if (expand_down ? offset <= limit || last > (access & AR_D ? 0xffffffffull : 0xffffull)
                    : last > limit)
        segment_fault(c, segment);
}

u64 segment_linear(struct cpu *c, u32 segment, u64 offset, u32 size, bool write)
{
    if (likely(c->bits == 64)) {
        u64 linear = segment >= SEG_FS ? offset + SEG_BASE(segment) : offset;
        if (unlikely(!canonical(linear) || !canonical(linear + size - 1)))
            segment_fault(c, segment);
        return linear;
    }
    check_segment(c, segment, offset, size, write);
    return (u32)(SEG_BASE(segment) + offset);
}
