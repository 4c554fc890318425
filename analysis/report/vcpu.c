/* The view of the vCPU; see vcpu.h. */
#include "analysis/report/vcpu.h"
#include "analysis/exits/activity.h"
#include "analysis/exits/keys.h"

#include <stdlib.h>

enum { TIME_SPANS = 8000, HANDLING_SPANS = 20000 };

static void vcpu_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |= COLUMN(exit, reason) | COLUMN(exit, count) |
                                COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
}

static void vcpu_end(void *state)
{
    struct vcpu_spans *s = state;
    spans_free(&s->time);
    spans_free(&s->handling);
    free(s);
}

static void *vcpu_begin(const struct query *query)
{
    struct vcpu_spans *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->clock = query->subject->clock;
    if (spans_new(&s->time, VCPU_BANDS, TIME_SPANS) && spans_new(&s->handling, 1, HANDLING_SPANS))
        return s;
    vcpu_end(s);
    return NULL;
}

static bool add(struct vcpu_spans *s, enum vcpu_band band, u64 from, u64 to)
{
    return from >= to || spans_add(&s->time, band, (struct span){from, to, to - from});
}

static bool is_handled(const struct before *exit)
{
    return !exit_is_halt(exit->reason) && exit_is_timed(exit->tsc_exit, exit->tsc_entry) &&
           exit->time != UINT64_MAX;
}

static bool take_exit(struct vcpu_spans *s, const struct before *before, const struct before *exit)
{
    u64 time = exit->time, from = activity_ran_from(s->clock, before, exit->count, time);
    struct span handling = {time, time + 1, exit->tsc_entry - exit->tsc_exit};
    bool known = before->kind != BEFORE_GAP;
    return (!known ||
            (add(s, VCPU_HALTED, before->time, from) && add(s, VCPU_GUEST, from, time))) &&
           (!is_handled(exit) || spans_add(&s->handling, 0, handling));
}

static struct failure vcpu_take(void *state, const struct slice *slice, struct output *out)
{
    const struct exit_columns *exits = &slice->batch->exit;
    struct before before = slice->before;
    (void)out;
    for (size_t i = slice->begin; i < slice->end; i++) {
        struct before exit = {.kind = BEFORE_EXIT,
                              .reason = exits->reason[i],
                              .tsc_exit = exits->tsc_exit[i],
                              .tsc_entry = exits->tsc_entry[i],
                              .count = exits->count[i],
                              .time = slice->times[i]};
        if (!take_exit(state, &before, &exit))
            return fail(NO_SPACE, "no memory for the vCPU's timeline");
        before = exit;
    }
    return NO_FAILURE;
}

const struct view vcpu_view = {
    .name = "exits",
    .show = "spans",
    .times = true,
    .wish = vcpu_wish,
    .begin = vcpu_begin,
    .end = vcpu_end,
    .take = vcpu_take,
};
