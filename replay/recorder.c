/* The recording gate; see recorder.h. */
#include "replay/recorder.h"
#include "core/mem.h"
#include "replay/inputs.h"

/* Looks at the console are this far apart, in guest count or, while the guest idles and
 * its count stands still, in exits. */
enum { POLL_COUNT = 1 << 17, POLL_EXITS = 512 };
enum { BLOCK_COUNT = 1 << 28 };    /* a block ends at the latest after this much guest count */
enum { EXIT_PREEMPTION_TIMER = 52 };

static struct recorder *from_gate(struct gate *gate)
{
    return (struct recorder *)gate;
}

static u64 host_clock(struct recorder *r)
{
    return r->last_clock = max_u64(r->last_clock, r->world->ops->clock(r->world));
}

static u64 record_clock(struct gate *gate, u64 exit)
{
    struct recorder *r = from_gate(gate);
    struct clock_record *record = log_append(r->log, REC_CLOCK);
    record->exit = exit;
    record->value = host_clock(r);
    r->inputs = inputs_add(r->inputs, REC_CLOCK, exit, record->value);
    return record->value;
}

/* Under the count policy, the next count at which the gate has something to do. */
static u64 quiet_until(const struct recorder *r)
{
    if (r->clock == CLOCK_HOST)
        return 0;
    return min_u64(min_u64(r->next_poll, r->world_stop), r->block_count + BLOCK_COUNT);
}

static u64 record_stop(struct gate *gate, u64 count, u64 deadline)
{
    struct recorder *r = from_gate(gate);
    r->deadline = deadline;
    r->world_stop = r->world->ops->interruption(r->world, count);
    if (r->clock == CLOCK_HOST && deadline != NEVER) {
        u64 now = host_clock(r);
        u64 ticks = deadline > now ? r->world->ops->ticks(r->world, deadline - now) : 0;
        r->world_stop = min_u64(r->world_stop, count + max_u64(ticks, 1));
    }
    r->gate.quiet_until = quiet_until(r);
    return r->world_stop;
}

static struct arrival log_arrival(struct recorder *r, const struct position *at, enum arrival_kind kind, u64 value)
{
    struct arrival_record *record = log_append(r->log, REC_ARRIVAL);
    record->what = (u16)kind;
    record->value = value;
    record->exit = at->exit;
    record->count = at->count;
    record->rip = at->rip;
    record->rcx = at->rcx;
    record->check = at->check;
    r->inputs = inputs_add(r->inputs, REC_ARRIVAL, at->exit, (u64)kind << 56 ^ value);
    return (struct arrival){kind, value};
}

/* What a person may have done since the last look: typed, or asked for an end. */
static struct arrival look_outside(struct recorder *r, const struct position *at, bool may_receive)
{
    u32 end = r->log->error.code ? END_TRACE_FULL : r->world->ops->stop(r->world);
    if (end)
        return log_arrival(r, at, ARRIVAL_END, end);
    int byte = may_receive ? r->world->ops->console(r->world) : -1;
    if (byte >= 0)
        return log_arrival(r, at, ARRIVAL_CONSOLE, (u64)byte);
    return (struct arrival){ARRIVAL_NONE, 0};
}

static struct arrival time_arrival(struct recorder *r, const struct position *at)
{
    if (r->clock == CLOCK_COUNT)
        return log_arrival(r, at, ARRIVAL_TIME, r->world->ops->stolen(r->world));
    return log_arrival(r, at, ARRIVAL_TIME, host_clock(r));
}

static struct arrival record_arrive(struct gate *gate, const struct position *at, bool may_receive)
{
    struct recorder *r = from_gate(gate);
    bool due = r->clock == CLOCK_HOST ? r->deadline != NEVER && host_clock(r) >= r->deadline : at->count >= r->world_stop;
    if (due) {
        r->deadline = r->world_stop = NEVER; /* once; the next stop() sets them anew */
        return time_arrival(r, at);
    }
    if (at->count < r->next_poll)
        return (struct arrival){ARRIVAL_NONE, 0};
    struct arrival arrival = look_outside(r, at, may_receive);
    if (arrival.kind == ARRIVAL_NONE) {
        r->next_poll = at->count + POLL_COUNT;
        r->next_poll_exit = at->exit + POLL_EXITS;
    }
    return arrival;
}

static struct arrival record_wait(struct gate *gate, const struct position *at, u64 deadline, bool may_receive)
{
    struct recorder *r = from_gate(gate);
    for (;;) {
        struct arrival arrival = look_outside(r, at, may_receive);
        if (arrival.kind != ARRIVAL_NONE)
            return arrival;
        if (r->clock == CLOCK_HOST && host_clock(r) >= deadline)
            return log_arrival(r, at, ARRIVAL_TIME, r->last_clock);
        r->world->ops->idle(r->world, deadline == NEVER ? NEVER : deadline - r->last_clock);
    }
}

static void record_console_out(struct gate *gate, u8 byte)
{
    struct recorder *r = from_gate(gate);
    r->world->ops->output(r->world, byte);
}

static void record_timer(struct gate *gate, u64 exit, u64 deadline)
{
    struct timer_record *record = log_append(from_gate(gate)->log, REC_TIMER);
    record->exit = exit;
    record->deadline = deadline;
}

static void record_raise(struct gate *gate, const struct raise *raise)
{
    struct raise_record *record = log_append(from_gate(gate)->log, REC_RAISE);
    record->source = raise->source;
    record->vector = raise->vector;
    record->flags = raise->flags;
    record->lost = raise->lost;
    record->late = raise->late;
    record->exit = raise->exit;
    record->due = raise->due;
}

static void record_idle(struct gate *gate, u64 exit, u64 until)
{
    struct idle_record *record = log_append(from_gate(gate)->log, REC_IDLE);
    record->exit = exit;
    record->until = until;
}

static void log_stop(struct recorder *r, const struct position *at)
{
    struct stop_record *record = log_append(r->log, REC_STOP);
    record->exit = at->exit;
    record->count = at->count;
    record->rip = at->rip;
    record->rcx = at->rcx;
    record->check = at->check;
    r->inputs = inputs_add(r->inputs, REC_STOP, at->exit, at->count);
}

static void hand_on(struct recorder *r)
{
    log_hand_on(r->log);
    r->block_done = false;
    r->open = &log_scrap.exit;
}

static bool record_exit_begins(struct gate *gate, const struct exit_record *exit, const struct position *at, u64 entered)
{
    struct recorder *r = from_gate(gate);
    r->open->tsc_entry = entered;
    if (r->block_done)
        hand_on(r);
    if (exit->reason == EXIT_PREEMPTION_TIMER && at->count >= r->world_stop)
        log_stop(r, at);
    return true;
}

/* One instruction, where an emulated carrier pays for each. */
static inline void copy_words(u64 *to, const u64 *from, u64 count)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

/* Without a buffer, near the block's end, or when it is time to look outside. false: the last two. */
__attribute__((noinline)) static bool append_slowly(struct recorder *r, const struct exit_record *exit, u64 number)
{
    r->open = log_append(r->log, REC_EXIT);
    *r->open = *exit;
    if (number < r->next_poll_exit && !log_full(r->log))
        return true;
    r->gate.quiet_until = r->next_poll = 0;
    return false;
}

static bool append_exit(struct recorder *r, const struct exit_record *exit, u64 number)
{
    struct log *log = r->log;
    if (log->used + LOG_EXIT_ROOM > log->capacity || number >= r->next_poll_exit)
        return append_slowly(r, exit, number);
    r->open = (struct exit_record *)(log->buffer + log->used);
    log->used += sizeof(*exit);
    copy_words((u64 *)r->open, (const u64 *)exit, sizeof(*exit) / 8);
    return true;
}

static bool record_exit_ends(struct gate *gate, const struct exit_record *exit,
                             const struct position *at)
{
    append_exit(from_gate(gate), exit, at->exit);
    return true;
}

static bool record_exit_passes(struct gate *gate, const struct exit_record *exit, u64 number,
                               u64 entered)
{
    struct recorder *r = from_gate(gate);
    r->open->tsc_entry = entered;
    return append_exit(r, exit, number);
}

static bool record_injected(struct gate *gate, const struct injection_record *injection)
{
    struct injection_record *record = log_append(from_gate(gate)->log, REC_INJECTION);
    *record = *injection;
    return true;
}

static bool block_is_full(const struct recorder *r, const struct position *at)
{
    return log_full(r->log) || at->count - r->block_count >= BLOCK_COUNT ||
           at->exit - r->block_exit + POLL_EXITS >= BLOCK_EXITS; /* looked at only when polling */
}

static bool record_wants_state(struct gate *gate, const struct position *at)
{
    struct recorder *r = from_gate(gate);
    if (!block_is_full(r, at))
        return false;
    r->block_count = at->count;
    r->block_exit = at->exit;
    return r->log->buffer; /* else there is nobody to keep it for */
}

static bool record_state(struct gate *gate, const struct state_record *state)
{
    struct recorder *r = from_gate(gate);
    struct state_record *record = log_append(r->log, REC_STATE);
    *record = *state;
    record->inputs = r->inputs;
    r->block_done = true; /* not yet: the last exit's entry stamp is still to come */
    return true;
}

static bool record_ends(struct gate *gate, const struct end_record *end)
{
    struct recorder *r = from_gate(gate);
    struct end_record *record = log_append(r->log, REC_END);
    *record = *end;
    record->inputs = r->inputs;
    hand_on(r);
    return true;
}

static const struct gate_ops recorder_ops = {
    .clock = record_clock,
    .stop = record_stop,
    .arrive = record_arrive,
    .wait = record_wait,
    .console_out = record_console_out,
    .timer_set = record_timer,
    .raised = record_raise,
    .idled = record_idle,
    .exit_begins = record_exit_begins,
    .exit_ends = record_exit_ends,
    .exit_passes = record_exit_passes,
    .injected = record_injected,
    .wants_state = record_wants_state,
    .state = record_state,
    .ends = record_ends,
};

void recorder_init(struct recorder *r, struct world *world, struct log *log, enum clock_policy clock)
{
    memset(r, 0, sizeof(*r));
    r->gate.ops = &recorder_ops;
    r->world = world;
    r->log = log;
    r->clock = clock;
    r->deadline = r->world_stop = NEVER;
    r->open = &log_scrap.exit;
}
