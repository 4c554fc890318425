/* Accesses to devices over guest time: how many of each register in each interval, and how long
 * their exits took. */
#include "analysis/frame/freq.h"
#include "analysis/io/accesses.h"

static const struct column columns[] = {
    {"time_ns", "Guest ns", CELL_NS},   {"interval_ns", NULL, CELL_NS},
    {"device", "Device", CELL_TEXT},    {"register", "Register", CELL_TEXT},
    {"space", "Space", CELL_TEXT},      {"address", "Address", CELL_HEX},
    {"access", "Access", CELL_TEXT},    {"size", "Bytes", CELL_COUNT},
    {"samples", "Samples", CELL_COUNT}, {"time", "Time", CELL_TICKS},
};

/* The key: an address, of which physical ones have at most 52 bits (SDM vol. 3A, 4.1.4), and how
 * it is accessed. Sorts by space, then address. */
enum { ADDRESS_BITS = 52, ADDRESS_AT = 6, SIZE_BITS = 4, WAY_BITS = 2 };

static u64 key_of(const struct io_access *a)
{
    u64 address = a->address & (BIT(ADDRESS_BITS) - 1);
    return (u64)a->space << (ADDRESS_BITS + ADDRESS_AT) | address << ADDRESS_AT |
           (u64)a->way << SIZE_BITS | a->size;
}

static struct io_access access_with(u64 key)
{
    return (struct io_access){
        .space = (enum space)(key >> (ADDRESS_BITS + ADDRESS_AT)),
        .address = key >> ADDRESS_AT & (BIT(ADDRESS_BITS) - 1),
        .way = (enum way)(key >> SIZE_BITS & (BIT(WAY_BITS) - 1)),
        .size = key & (BIT(SIZE_BITS) - 1),
    };
}

static bool is_register(u64 key)
{
    struct io_access access = access_with(key);
    return access.space <= SPACE_MSR && access.way <= WAY_FETCH;
}

static void tell_register(u64 key, struct output *out)
{
    struct io_access access = access_with(key);
    access_tell(&access, out);
}

static const struct freq_keys registers = {
    .sums = true, .is_key = is_register, .tell = tell_register};

static void wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    access_wish(wishes);
    wishes->fields[REC_EXIT] |= COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
}

static struct failure take(void *state, const struct slice *slice, struct output *out)
{
    const struct exit_columns *exits = &slice->batch->exit;
    struct io_access access;
    (void)out;
    for (size_t i = slice->begin; i < slice->end; i++) {
        u64 ticks = exit_ticks(exits->tsc_exit[i], exits->tsc_entry[i]);
        if (access_of(exits, i, &access) &&
            !freq_add(state, slice->times[i], key_of(&access), ticks))
            return freq_full();
    }
    return NO_FAILURE;
}

const struct view io_freq = {
    FREQ_VIEW(registers, columns),
    .name = "io",
    .show = "freq",
    .summary = "accesses to each register in each --interval of guest time",
    .wish = wish,
    .take = take,
};
