/* The replaying gate; see replayer.h. */
#include "replay/replayer.h"
#include "core/mem.h"
#include "replay/inputs.h"

static struct replayer *from_gate(struct gate *gate)
{
    return (struct replayer *)gate;
}

/* Keeps the first difference. Always false, so that callers can return it. */
static bool differ(struct replayer *r, enum divergence kind, u64 expected, u64 got, const union record *record)
{
    if (r->difference.kind != DIVERGENCE_NONE)
        return false;
    r->difference = (struct difference){.kind = kind, .expected = expected, .got = got};
    if (record)
        memcpy(&r->difference.record, record, record_size(record->kind));
    return false;
}

static const struct arrival diverged = {ARRIVAL_END, END_DIVERGED};

static u64 replay_clock(struct gate *gate, u64 exit)
{
    struct replayer *r = from_gate(gate);
    const union record *record = log_peek(r->values);
    if (!record || record->clock.exit != exit) {
        differ(r, DIVERGENCE_INPUT_KIND, record ? record->clock.exit : NEVER, exit, record);
        return 0;
    }
    u64 value = record->clock.value;
    r->inputs = inputs_add(r->inputs, REC_CLOCK, exit, value);
    log_take(r->values);
    return value;
}

/* The world's next stop may lie behind arrivals and states of earlier exits, but never
 * far: the caller asks again at every entry, so the next event alone decides. */
static u64 replay_stop(struct gate *gate, u64 count, u64 deadline)
{
    const union record *record = log_peek(from_gate(gate)->events);
    (void)deadline;
    if (!record || record->kind != REC_STOP || record->stop.count <= count)
        return NEVER;
    return record->stop.count;
}

static bool same_position(struct replayer *r, const union record *record, const struct arrival_record *logged,
                          const struct position *at)
{
    if (logged->count != at->count)
        return differ(r, DIVERGENCE_POSITION, logged->count, at->count, record);
    if (logged->rip != at->rip)
        return differ(r, DIVERGENCE_POSITION, logged->rip, at->rip, record);
    if (logged->rcx != at->rcx)
        return differ(r, DIVERGENCE_POSITION, logged->rcx, at->rcx, record);
    if (logged->check != at->check)
        return differ(r, DIVERGENCE_POSITION, logged->check, at->check, record);
    return true;
}

/* The event that the log has for this exit, of either kind of asking. */
static struct arrival next_arrival(struct replayer *r, const struct position *at, bool may_receive)
{
    const union record *record = log_peek(r->events);
    if (r->difference.kind != DIVERGENCE_NONE)
        return diverged;
    if (!record || record->kind != REC_ARRIVAL || record->arrival.exit > at->exit)
        return (struct arrival){ARRIVAL_NONE, 0};
    if (record->arrival.exit < at->exit) {
        differ(r, DIVERGENCE_POSITION, record->arrival.exit, at->exit, record);
        return diverged;
    }
    if (!same_position(r, record, &record->arrival, at))
        return diverged;
    if (record->arrival.what == ARRIVAL_CONSOLE && !may_receive) {
        differ(r, DIVERGENCE_INPUT_KIND, REC_ARRIVAL, 0, record);
        return diverged;
    }
    struct arrival arrival = {(enum arrival_kind)record->arrival.what, record->arrival.value};
    r->inputs = inputs_add(r->inputs, REC_ARRIVAL, at->exit, (u64)arrival.kind << 56 ^ arrival.value);
    log_take(r->events);
    return arrival;
}

static struct arrival replay_arrive(struct gate *gate, const struct position *at, bool may_receive)
{
    return next_arrival(from_gate(gate), at, may_receive);
}

static struct arrival replay_wait(struct gate *gate, const struct position *at, u64 deadline, bool may_receive)
{
    struct replayer *r = from_gate(gate);
    (void)deadline;
    struct arrival arrival = next_arrival(r, at, may_receive);
    if (arrival.kind != ARRIVAL_NONE)
        return arrival;
    const union record *record = log_peek(r->events);
    if (!record) {
        r->early = END_LOG_ENDED;
        return (struct arrival){ARRIVAL_END, END_LOG_ENDED};
    }
    differ(r, DIVERGENCE_INPUT_KIND, REC_ARRIVAL, record->kind, record);
    return diverged;
}

static void replay_console_out(struct gate *gate, u8 byte)
{
    struct replayer *r = from_gate(gate);
    r->output->ops->output(r->output, byte);
}

/* --- notes: what the machine did by itself; a difference stops the replay when the exit ends --- */

/* The log's next note, which must be of this kind; NULL: nothing to compare with. */
static const union record *next_note(struct replayer *r, u32 kind)
{
    if (!r->compares || !r->notes)
        return NULL;
    const union record *record = log_peek(r->notes);
    if (!record && !log_peek(r->events))
        return NULL; /* cut there */
    if (record && record->kind == kind)
        return record;
    differ(r, DIVERGENCE_NOTE, record ? record->kind : 0, kind, record);
    return NULL;
}

#define F(type, field, render, coding) \
    if (expected->field != got->field) \
        differ(r, DIVERGENCE_NOTE, expected->field, got->field, record);
#define COMPARE_NOTE(name, NAME, type, FIELDS)                                              \
    static void compare_##name(struct replayer *r, const struct type *got)                  \
    {                                                                                       \
        const union record *record = next_note(r, REC_##NAME);                              \
        if (!record)                                                                        \
            return;                                                                         \
        const struct name##_record *expected = &record->name;                               \
        FIELDS(F)                                                                           \
        log_take(r->notes);                                                                 \
    }
COMPARE_NOTE(timer, TIMER, timer_record, TIMER_FIELDS)
COMPARE_NOTE(raise, RAISE, raise, RAISE_FIELDS)
COMPARE_NOTE(idle, IDLE, idle_record, IDLE_FIELDS)
#undef COMPARE_NOTE
#undef F

static void replay_timer(struct gate *gate, u64 exit, u64 deadline)
{
    compare_timer(from_gate(gate), &(struct timer_record){.exit = exit, .deadline = deadline});
}

static void replay_raise(struct gate *gate, const struct raise *raise)
{
    compare_raise(from_gate(gate), raise);
}

static void replay_idle(struct gate *gate, u64 exit, u64 until)
{
    compare_idle(from_gate(gate), &(struct idle_record){.exit = exit, .until = until});
}

static u64 note_exit(const union record *record)
{
    switch (record->kind) {
    case REC_TIMER:
        return record->timer.exit;
    case REC_RAISE:
        return record->raise.exit;
    default:
        return record->idle.exit;
    }
}

/* A note of an exit before this one that has not come. */
static bool check_notes(struct replayer *r, const struct position *at)
{
    const union record *record = r->notes ? log_peek(r->notes) : NULL;
    if (r->difference.kind != DIVERGENCE_NONE)
        return false;
    if (!record || note_exit(record) >= at->exit)
        return true;
    return differ(r, DIVERGENCE_NOTE, record->kind, 0, record);
}

/* A stop of the world's that is logged for this exit, or was missed before it. No exit
 * comes at a stop's count before the stop. */
static bool check_stop(struct replayer *r, const struct position *at)
{
    const union record *record = log_peek(r->events);
    if (!record || record->kind != REC_STOP)
        return true;
    const struct stop_record *stop = &record->stop;
    if (stop->exit > at->exit && stop->count > at->count)
        return true;
    if (stop->exit != at->exit)
        return differ(r, DIVERGENCE_POSITION, stop->exit, at->exit, record);
    struct arrival_record logged = {.count = stop->count, .rip = stop->rip, .rcx = stop->rcx, .check = stop->check};
    if (!same_position(r, record, &logged, at))
        return false;
    r->inputs = inputs_add(r->inputs, REC_STOP, at->exit, at->count);
    log_take(r->events);
    return true;
}

static bool compare_exit(struct replayer *r, const struct exit_record *got, const union record *record)
{
    const struct exit_record *expected = &r->expected;
    if (expected->count != got->count)
        return differ(r, DIVERGENCE_COUNT, expected->count, got->count, record);
    if (expected->rip != got->rip)
        return differ(r, DIVERGENCE_RIP, expected->rip, got->rip, record);
    if (expected->reason != got->reason || expected->flags != got->flags)
        return differ(r, DIVERGENCE_REASON, expected->reason, got->reason, record);
    if (expected->qualification != got->qualification)
        return differ(r, DIVERGENCE_QUALIFICATION, expected->qualification, got->qualification, record);
    if (expected->check != got->check)
        return differ(r, DIVERGENCE_REGISTERS, expected->check, got->check, record);
    return true;
}

static bool end_early(struct replayer *r, enum end_reason reason)
{
    r->early = reason;
    return false;
}

static bool goes_on(struct replayer *r, const struct position *at)
{
    return !r->limit || at->exit < r->limit - 1 || end_early(r, END_REACHED);
}

static bool replay_exit_begins(struct gate *gate, const struct exit_record *exit, const struct position *at, u64 entered)
{
    struct replayer *r = from_gate(gate);
    (void)entered;
    if (!r->compares) /* the end of a whole log would still be there */
        return (log_peek(r->events) || end_early(r, END_LOG_ENDED)) && check_stop(r, at) &&
               goes_on(r, at);
    const union record *record = log_peek(r->exits);
    if (!record) {
        const union record *event = log_peek(r->events);
        return event ? differ(r, DIVERGENCE_EXTRA_EXIT, 0, exit->reason, event)
                     : end_early(r, END_LOG_ENDED);
    }
    if (record->kind == REC_INJECTION)
        return differ(r, DIVERGENCE_INJECTION, record->injection.info, 0, record);
    r->expected = record->exit;
    if (!check_notes(r, at) || !compare_exit(r, exit, record))
        return false;
    log_take(r->exits);
    return check_stop(r, at) && goes_on(r, at);
}

static bool replay_exit_ends(struct gate *gate, const struct exit_record *exit, const struct position *at)
{
    struct replayer *r = from_gate(gate);
    const union record *record = (const union record *)&r->expected;
    (void)at;
    if (r->difference.kind != DIVERGENCE_NONE)
        return false;
    if (r->compares && r->expected.address != exit->address)
        return differ(r, DIVERGENCE_ADDRESS, r->expected.address, exit->address, record);
    if (r->compares && r->expected.value != exit->value)
        return differ(r, DIVERGENCE_VALUE, r->expected.value, exit->value, record);
    return true;
}

static bool replay_injected(struct gate *gate, const struct injection_record *got)
{
    struct replayer *r = from_gate(gate);
    const union record *record = r->compares ? log_peek(r->exits) : NULL;
    if (!r->compares || (!record && !log_peek(r->events)))
        return true; /* nothing to compare with: cut there */
    if (!record || record->kind != REC_INJECTION)
        return differ(r, DIVERGENCE_INJECTION, 0, got->info, record);
    const struct injection_record *expected = &record->injection;
    if (expected->info != got->info || expected->error != got->error)
        return differ(r, DIVERGENCE_INJECTION, expected->info, got->info, record);
    if (expected->exit != got->exit)
        return differ(r, DIVERGENCE_INJECTION, expected->exit, got->exit, record);
    if (expected->count != got->count)
        return differ(r, DIVERGENCE_INJECTION, expected->count, got->count, record);
    if (expected->rip != got->rip)
        return differ(r, DIVERGENCE_INJECTION, expected->rip, got->rip, record);
    log_take(r->exits);
    return true;
}

static bool replay_wants_state(struct gate *gate, const struct position *at)
{
    const union record *record = log_peek(from_gate(gate)->events);
    return record && record->kind == REC_STATE && record->state.exit <= at->exit;
}

static bool same_state(struct replayer *r, const struct state_record *expected, const struct state_record *got,
                       const union record *record)
{
    if (expected->inputs != r->inputs)
        return differ(r, DIVERGENCE_INPUT_STATE, expected->inputs, r->inputs, record);
    if (expected->cpu != got->cpu)
        return differ(r, DIVERGENCE_CPU_STATE, expected->cpu, got->cpu, record);
    if (expected->memory != got->memory)
        return differ(r, DIVERGENCE_MEMORY_STATE, expected->memory, got->memory, record);
    if (expected->devices != got->devices)
        return differ(r, DIVERGENCE_DEVICE_STATE, expected->devices, got->devices, record);
    r->states++;
    return true;
}

static bool replay_state(struct gate *gate, const struct state_record *got)
{
    struct replayer *r = from_gate(gate);
    const union record *record = log_peek(r->events);
    const struct state_record *expected = &record->state;
    if (expected->exit != got->exit || expected->count != got->count)
        return differ(r, DIVERGENCE_POSITION, expected->exit, got->exit, record);
    if (!same_state(r, expected, got, record))
        return false;
    log_take(r->events);
    return true;
}

/* The log of a run ends with it. */
static bool nothing_left(struct replayer *r)
{
    struct log_cursor *cursors[] = {r->events, r->values, r->exits, r->notes};
    for (u32 i = 0; i < ARRAY_SIZE(cursors); i++) {
        const union record *record = cursors[i] ? log_peek(cursors[i]) : NULL;
        if (record)
            return differ(r, DIVERGENCE_END, record->kind, 0, record);
    }
    return true;
}

static bool replay_ends(struct gate *gate, const struct end_record *got)
{
    struct replayer *r = from_gate(gate);
    const union record *record = log_peek(r->events);
    if (r->difference.kind != DIVERGENCE_NONE)
        return false;
    if (r->early)
        return true;
    if (!record || record->kind != REC_END)
        return differ(r, DIVERGENCE_END, record ? record->kind : 0, got->reason, record);
    const struct end_record *expected = &record->end;
    if (expected->reason != got->reason)
        return differ(r, DIVERGENCE_END, expected->reason, got->reason, record);
    if (expected->detail != got->detail || expected->count != got->count || expected->exit != got->exit)
        return differ(r, DIVERGENCE_END, expected->count, got->count, record);
    struct state_record logged = {
        .cpu = expected->cpu, .memory = expected->memory, .devices = expected->devices, .inputs = expected->inputs};
    struct state_record state = {.cpu = got->cpu, .memory = got->memory, .devices = got->devices};
    if (!same_state(r, &logged, &state, record))
        return false;
    log_take(r->events);
    return nothing_left(r);
}

static const struct gate_ops replayer_ops = {
    .clock = replay_clock,
    .stop = replay_stop,
    .arrive = replay_arrive,
    .wait = replay_wait,
    .console_out = replay_console_out,
    .timer_set = replay_timer,
    .raised = replay_raise,
    .idled = replay_idle,
    .exit_begins = replay_exit_begins,
    .exit_ends = replay_exit_ends,
    .injected = replay_injected,
    .wants_state = replay_wants_state,
    .state = replay_state,
    .ends = replay_ends,
};

void replayer_init(struct replayer *r, struct world *output, const struct log_source *from)
{
    memset(r, 0, sizeof(*r));
    r->gate.ops = &replayer_ops;
    r->output = output;
    r->exits = from->exits;
    r->values = from->values;
    r->events = from->events;
    r->notes = from->notes;
    r->exits->kinds = BIT(REC_EXIT) | BIT(REC_INJECTION);
    r->values->kinds = BIT(REC_CLOCK);
    r->events->kinds = BIT(REC_STOP) | BIT(REC_ARRIVAL) | BIT(REC_STATE) | BIT(REC_END);
    if (r->notes)
        r->notes->kinds = BIT(REC_TIMER) | BIT(REC_RAISE) | BIT(REC_IDLE);
    r->compares = log_peek(r->exits) != NULL;
}
