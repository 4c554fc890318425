/* Positions to exits; see position.h. */
#include "analysis/frame/position.h"
#include "analysis/frame/timeline.h"

#include <stdlib.h>
#include <string.h>

/* --- parsing --------------------------------------------------------------------------------- */

static bool parse_number(const char *text, u64 *value, const char **end)
{
    char *after;
    if (*text < '0' || *text > '9')
        return false;
    *value = 0;
    for (after = (char *)text; *after >= '0' && *after <= '9'; after++) {
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (u64)(*after - '0'), value))
            return false;
    }
    *end = after;
    return true;
}

/* Digits after the point, as a part of `unit` ns; more of them than ns can show are dropped. */
static u64 parse_fraction(const char **text, u64 unit)
{
    u64 ns = 0;
    for (; **text >= '0' && **text <= '9'; ++*text) {
        ns += unit % 10 ? 0 : (unit /= 10) * (u64)(**text - '0');
    }
    return ns;
}

static u64 unit_of(const char *name)
{
    static const struct {
        const char *name;
        u64 ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", NANOSECONDS}};
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (!strcmp(name, units[i].name))
            return units[i].ns;
    }
    return 0;
}

static bool parse_time(const char *text, u64 *ns)
{
    const char *end;
    u64 whole;
    if (!parse_number(text, &whole, &end))
        return false;
    const char *digits = *end == '.' ? end + 1 : end;
    u64 unit = unit_of(digits + strspn(digits, "0123456789"));
    if (!unit || __builtin_mul_overflow(whole, unit, ns))
        return false;
    u64 fraction = *end == '.' ? parse_fraction(&digits, unit) : 0;
    return !__builtin_add_overflow(*ns, fraction, ns) && unit_of(digits) == unit;
}

bool position_parse(const char *text, struct bound *bound)
{
    static const char count[] = "count:";
    const char *end;
    bound->kind = POSITION_EXIT;
    if (!strncmp(text, count, sizeof(count) - 1)) {
        bound->kind = POSITION_COUNT;
        text += sizeof(count) - 1;
    }
    if (parse_number(text, &bound->value, &end) && !*end)
        return true;
    if (bound->kind == POSITION_COUNT)
        return false;
    bound->kind = POSITION_TIME;
    return parse_time(text, &bound->value);
}

/* --- finding ----------------------------------------------------------------------------- */

struct finder {
    struct trace *trace;
    struct trace_scan *scan;
    struct timeline clock;
    u64 *times;
};

static u64 end_of(const struct trace_block *chunk)
{
    return chunk->first_exit + chunk->exits;
}

static u64 trace_end(const struct trace *trace)
{
    size_t count = trace_chunk_count(trace);
    struct trace_block last = count ? trace_chunk_at(trace, count - 1) : (struct trace_block){0};
    return end_of(&last);
}

/* The first row whose number is at least `value`, or the number of rows. */
static size_t lower_bound(const u64 *numbers, size_t rows, u64 value)
{
    size_t i = 0;
    while (i < rows && numbers[i] < value)
        i++;
    return i;
}

static size_t find_row(struct finder *f, const struct trace_batch *batch, struct bound bound)
{
    if (bound.kind == POSITION_COUNT)
        return lower_bound(batch->exit.count, batch->exit.rows, bound.value);
    timeline_chunk(&f->clock);
    timeline_walk(&f->clock, batch, 0, batch->exits, f->times);
    return lower_bound(f->times, batch->exits, bound.value);
}

/* The last chunk that begins before the count; guest time has to be followed from the start. */
static size_t first_chunk(const struct trace *trace, struct bound bound)
{
    size_t low = 0, high = bound.kind == POSITION_COUNT ? trace_chunk_count(trace) : 0;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (trace_chunk_at(trace, middle).first_count < bound.value)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The first exit at or after the position; behind the last one if there is none. */
static struct failure find(struct finder *f, struct bound bound, u64 *exit)
{
    struct trace_batch batch;
    size_t chunks = trace_chunk_count(f->trace);
    for (size_t chunk = first_chunk(f->trace, bound); chunk < chunks; chunk++) {
        ATTEMPT(trace_scan_read(f->scan, chunk, &batch));
        size_t row = find_row(f, &batch, bound);
        *exit = batch.first_exit + row;
        if (row < batch.exits)
            return NO_FAILURE;
    }
    *exit = trace_end(f->trace);
    return NO_FAILURE;
}

static struct failure find_bound(struct trace *trace, struct bound bound, u64 *exit)
{
    struct finder f = {.trace = trace};
    struct column_wishes wishes = {.fields[REC_EXIT] = COLUMN(exit, count)};
    timeline_begin(&f.clock, trace);
    if (bound.kind == POSITION_TIME)
        guest_time_wish(&f.clock.time, &wishes);
    f.scan = trace_scan_new(trace, &wishes);
    f.times = malloc(BLOCK_RECORDS_MAX * sizeof(*f.times));
    struct failure failure = f.scan && f.times ? find(&f, bound, exit)
                                               : fail(NO_SPACE, "no memory to look for a position");
    trace_scan_free(f.scan);
    free(f.times);
    return failure;
}

static struct failure resolve(struct trace *trace, struct bound bound, u64 *exit)
{
    if (bound.kind == POSITION_EXIT) {
        *exit = bound.value;
        return NO_FAILURE;
    }
    return find_bound(trace, bound, exit);
}

struct failure position_resolve(struct trace *trace, struct bound from, struct bound to,
                                struct exit_range *range)
{
    u64 end = trace_end(trace), after = end;
    range->first = 0;
    if (from.kind != POSITION_NONE)
        ATTEMPT(resolve(trace, from, &range->first));
    if (to.kind != POSITION_NONE && to.value != NEVER) {
        to.value++; /* what follows the range */
        ATTEMPT(resolve(trace, to, &after));
    }
    after = min_u64(after, end);
    range->last = after - 1;
    if (!end) {
        *range = (struct exit_range){1, 0};
        return NO_FAILURE;
    }
    if (range->first >= after)
        return fail(BAD_INPUT,
                    "no exit lies in this range; the trace has exits 0 to %llu (see "
                    "`hindvisor info`)",
                    (unsigned long long)(end - 1));
    return NO_FAILURE;
}
