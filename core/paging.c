/*
 * Page walks in software, for every paging mode of the CPU model. One loop over the
 * levels; what differs between the modes is in a table. Nothing is cached here.
 * Sources: SDM vol. 3, 4.3 (32-bit), 4.4 (PAE), 4.5 (4-level), 4.6 (rights),
 * 4.7 (error code), 4.8 (accessed and dirty).
 *
 * A PAE PDPTE whose reserved bits are set is reported as a reserved-bit fault; a
 * processor would have refused it when CR3 was loaded.
 */
#include "core/paging.h"

#include "core/cpu_model.h"

enum {
    ENTRY_P = 1 << 0,
    ENTRY_RW = 1 << 1,
    ENTRY_US = 1 << 2,
    ENTRY_A = 1 << 5,
    ENTRY_D = 1 << 6,
    ENTRY_PS = 1 << 7,
};
#define ENTRY_XD BIT(63)

enum { ERROR_P = 1 << 0, ERROR_RSVD = 1 << 3 }; /* the others are those of enum page_access */

#define CR0_WP BIT(16)
#define CR0_PG BIT(31)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)
#define RFLAGS_AC BIT(18)

#define BITS(high, low) ((~0ull >> (63 - (high))) & ~(BIT(low) - 1)) /* high..low, both included \
                                                                      */

enum { LEVELS_MAX = 4 };

struct level {
    u8 shift;        /* lowest address bit of its index */
    bool may_map;    /* PS = 1 maps a page here */
    u64 reserved;    /* bits that are 0 in every present entry */
    u64 reserved_ps; /* further ones where it maps a page */
};

struct mode {
    u8 levels, entry_size, index_bits;
    u64 root;    /* bits of CR3 that hold the address of the first table */
    u64 address; /* bits of an entry that hold an address */
    u64 linear;  /* bits of a linear address that count */
    struct level level[LEVELS_MAX];
};

/* Above the physical address width, by what the mode ignores. */
#define BEYOND_LONG BITS(51, CPU_PHYSICAL_BITS)
#define BEYOND_PAE BITS(62, CPU_PHYSICAL_BITS)

static const struct mode mode_32 = {
    2,
    4,
    10,
    BITS(31, 12),
    BITS(31, 12),
    BITS(31, 0),
    /* PSE-36: bits 20:13 of a 4 MiB entry are address bits 39:32. */
    {{22, true, 0, BITS(21, 21) | BITS(20, CPU_PHYSICAL_BITS - 32 + 13)}, {12, false, 0, 0}}};

static const struct mode mode_pae = {
    3,
    8,
    9,
    BITS(31, 5),
    BITS(51, 12),
    BITS(31, 0),
    {{30, false, ENTRY_XD | BEYOND_PAE | BITS(8, 5) | BITS(2, 1), 0},
     {21, true, BEYOND_PAE, BITS(20, 13)},
     {12, false, BEYOND_PAE, 0}}};

static const struct mode mode_long = {4,
                                      8,
                                      9,
                                      BITS(51, 12),
                                      BITS(51, 12),
                                      ~0ull,
                                      {{39, false, BEYOND_LONG | ENTRY_PS, 0},
                                       {30, true, BEYOND_LONG, BITS(29, 13)},
                                       {21, true, BEYOND_LONG, BITS(20, 13)},
                                       {12, false, BEYOND_LONG, 0}}};

/* A walk under way. */
struct walk {
    struct memory *memory;
    const struct paging *paging;
    const struct mode *mode;
    u64 gva;
    u32 access;
    u32 depth;             /* of the mapping entry */
    u64 where[LEVELS_MAX]; /* guest-physical address of each entry */
    u64 entry[LEVELS_MAX];
    u64 allowed;           /* R/W and U/S bits that all entries so far have */
    bool execute_disabled; /* some entry has XD */
};

static const struct mode *mode_of(const struct paging *paging)
{
    if (paging->efer & EFER_LMA)
        return &mode_long;
    return paging->cr4 & CR4_PAE ? &mode_pae : &mode_32;
}

static u64 read_entry(const struct walk *w, u64 where)
{
    u64 entry = 0;
    if (!memory_read(w->memory, where, &entry, w->mode->entry_size))
        entry = w->mode->entry_size == 4 ? UINT32_MAX : UINT64_MAX;
    return entry;
}

static bool maps_page(const struct walk *w, u32 depth, u64 entry)
{
    if (depth + 1 == w->mode->levels)
        return true;
    bool pse = w->mode != &mode_32 || w->paging->cr4 & CR4_PSE;
    return w->mode->level[depth].may_map && pse && entry & ENTRY_PS;
}

static bool is_reserved(const struct walk *w, u32 depth, u64 entry, bool maps)
{
    const struct level *level = &w->mode->level[depth];
    u64 reserved = level->reserved | (maps ? level->reserved_ps : 0);
    if (!(w->paging->efer & EFER_NXE))
        reserved |= ENTRY_XD;
    return entry & reserved;
}

/* PAE PDPTEs have no rights: they take none away. */
static u64 rights_of(const struct walk *w, u32 depth, u64 entry)
{
    bool pdpte = w->mode == &mode_pae && depth == 0;
    return (pdpte ? ~0ull : entry) & (ENTRY_RW | ENTRY_US);
}

/* Reads entries down to the mapping one. Returns the error bits of a fault, or -1. */
static int descend(struct walk *w)
{
    const struct mode *mode = w->mode;
    u64 table = w->paging->cr3 & mode->root;
    w->allowed = ENTRY_RW | ENTRY_US;
    for (w->depth = 0;; w->depth++) {
        u32 bits = mode == &mode_pae && w->depth == 0 ? 2 : mode->index_bits;
        u64 index = w->gva >> mode->level[w->depth].shift & (BIT(bits) - 1);
        u64 where = table + index * mode->entry_size, entry = read_entry(w, where);
        w->where[w->depth] = where;
        w->entry[w->depth] = entry;
        if (!(entry & ENTRY_P))
            return 0;
        bool maps = maps_page(w, w->depth, entry);
        if (is_reserved(w, w->depth, entry, maps))
            return ERROR_P | ERROR_RSVD;
        w->allowed &= rights_of(w, w->depth, entry);
        w->execute_disabled |= entry >> 63;
        if (maps)
            return -1;
        table = entry & mode->address;
    }
}

/* SDM 4.6.1. */
static bool is_allowed(const struct walk *w)
{
    const struct paging *p = w->paging;
    bool user_page = w->allowed & ENTRY_US, writable = w->allowed & ENTRY_RW;
    bool user = w->access & ACCESS_USER, write = w->access & ACCESS_WRITE;
    if (user && !user_page)
        return false;
    if (write && !writable && (user || p->cr0 & CR0_WP))
        return false;
    if (w->access & ACCESS_FETCH)
        return !w->execute_disabled && !(!user && user_page && p->cr4 & CR4_SMEP);
    bool lifted = p->rflags & RFLAGS_AC && !(w->access & ACCESS_IMPLICIT);
    return user || !user_page || !(p->cr4 & CR4_SMAP) || lifted;
}

static void set_accessed_dirty(const struct walk *w)
{
    for (u32 i = 0; i <= w->depth; i++) {
        if (w->mode == &mode_pae && i == 0) /* a PDPTE has neither */
            continue;
        bool dirty = i == w->depth && w->access & ACCESS_WRITE;
        u64 entry = w->entry[i] | ENTRY_A | (dirty ? ENTRY_D : 0);
        if (entry != w->entry[i])
            memory_write(w->memory, w->where[i], &entry, w->mode->entry_size);
    }
}

/* The fault bit I is reported only where fetches have rights of their own. */
static struct translation page_fault(const struct walk *w, u32 bits)
{
    const struct paging *p = w->paging;
    bool fetch_rights = p->cr4 & CR4_SMEP || (p->cr4 & CR4_PAE && p->efer & EFER_NXE);
    u32 shown = ACCESS_WRITE | ACCESS_USER | (fetch_rights ? ACCESS_FETCH : 0);
    return (struct translation){.fault = true, .error_code = bits | (w->access & shown)};
}

static struct translation mapped(const struct walk *w)
{
    u64 entry = w->entry[w->depth], size = BIT(w->mode->level[w->depth].shift);
    u64 frame = entry & w->mode->address & ~(size - 1);
    if (w->mode == &mode_32 && w->depth == 0) /* PSE-36 */
        frame |= (entry & BITS(20, 13)) << (32 - 13);
    return (struct translation){.gpa = frame | (w->gva & (size - 1)), .page_size = size};
}

/* The usual walk by itself: four levels of entries in RAM that are present, need no bits set
 * and allow the access at first sight. false: the long way finds out what there is to it. */
static bool walk_at_once(const struct memory *memory, const struct paging *p, u64 gva, u32 access,
                         bool set_bits, struct translation *t)
{
    u64 all = ~0ull, any = 0, entry, table = p->cr3 & mode_long.root;
    u32 level = 0;
    for (;; level++) {
        const u64 *at = memory_at(memory, table + (gva >> (39 - 9 * level) & 511) * 8, 8);
        if (!at)
            return false;
        entry = *at;
        all &= entry;
        any |= entry;
        if (!(entry & ENTRY_P) || level == 3 || entry & ENTRY_PS)
            break;
        table = entry & mode_long.address;
    }
    u64 size = BIT(39 - 9 * level), need = ENTRY_P | (set_bits ? ENTRY_A : 0);
    bool no_xd = access & ACCESS_FETCH || !(p->efer & EFER_NXE); /* it forbids, or is reserved */
    u64 bad = BEYOND_LONG | (no_xd ? ENTRY_XD : 0);
    need |= access & ACCESS_WRITE ? ENTRY_RW : 0;
    need |= access & ACCESS_USER ? ENTRY_US : 0;
    if ((all & need) != need || any & bad || level == 0)
        return false;
    if (entry & mode_long.level[level].reserved_ps && level < 3)
        return false;
    if (set_bits && access & ACCESS_WRITE && !(entry & ENTRY_D))
        return false;
    if (!(access & ACCESS_USER) && all & ENTRY_US && p->cr4 & (CR4_SMEP | CR4_SMAP))
        return false;
    *t = (struct translation){.gpa = (entry & mode_long.address & ~(size - 1)) | (gva & (size - 1)),
                              .page_size = size};
    return true;
}

struct translation paging_walk(struct memory *memory, const struct paging *paging, u64 gva,
                               u32 access, bool set_bits)
{
    if (!(paging->cr0 & CR0_PG))
        return (struct translation){.gpa = gva & BITS(31, 0), .page_size = PAGE_SIZE};
    struct translation at_once;
    if (paging->efer & EFER_LMA && walk_at_once(memory, paging, gva, access, set_bits, &at_once))
        return at_once;
    struct walk w = {.memory = memory, .paging = paging, .mode = mode_of(paging), .access = access};
    w.gva = gva & w.mode->linear;
    int fault = descend(&w);
    if (fault >= 0)
        return page_fault(&w, (u32)fault);
    if (!is_allowed(&w))
        return page_fault(&w, ERROR_P);
    if (set_bits)
        set_accessed_dirty(&w);
    return mapped(&w);
}
