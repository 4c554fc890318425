/*
 * Tasks: how long each ran and how long it waited for the CPU, as `perf sched latency` tells it,
 * with the two kinds of waiting apart; and where the guest's time went. Tasks with the same pid and
 * another name (after exec) have rows of their own.
 *
 * Guest time is that of the boot (before the first task switch), of the idle task and of the
 * tasks, and these add up to the whole, exactly. A wait belongs to where it ends, a switch to the
 * task that it leaves.
 */
#include "analysis/scheduler/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

enum { ROWS_MAX = 1 << 16 }; /* a row takes some KiB */

/* What adds up, once for merging and for both directions of partial files. */
#define ROW_COUNTS(C) C(switches) C(preempted) C(wakeups) C(migrations)
#define ALL_TIMES(T) T(boot) T(idle) T(run)
#define ALL_COUNTS(C) C(switches) C(preempted) C(wakeups) C(news) C(migrations) C(exits)

struct task_row {
    struct tally_key key; /* pid and tgid, hash of the name */
    char comm[16];
    u128 run; /* guest ns */
    u64 switches, preempted, wakeups, migrations;
    struct histogram woken, ready; /* waits from wakeups, and from being preempted */
    u64 longest, longest_at;       /* the longest wait of both kinds, and when it ended */
};

struct latency_state {
    struct tally rows;
    struct sched_walk walk;
    u128 boot, idle, run; /* guest ns */
    u64 switches, preempted, wakeups, news, migrations, exits;
};

static void latency_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |= COLUMN(exit, count);
}

static void *latency_begin(const struct query *query)
{
    struct latency_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->rows = TALLY(struct task_row, ROWS_MAX);
    sched_walk_init(&s->walk, query);
    return s;
}

static void latency_end(void *state)
{
    struct latency_state *s = state;
    for (u32 i = 0; i < s->rows.count; i++) {
        struct task_row *row = tally_at(&s->rows, i);
        histogram_free(&row->woken);
        histogram_free(&row->ready);
    }
    tally_free(&s->rows);
    sched_walk_free(&s->walk);
    free(s);
}

/* --- taking events ----------------------------------------------------------------------- */

static struct task_row *row_of(struct latency_state *s, u32 name)
{
    const struct sched_name *task = &s->walk.log->names[name];
    u64 hash = XXH64(task->comm, sizeof(task->comm), 0);
    struct task_row *row = tally_row(&s->rows, (u64)task->tgid << 32 | task->pid, hash);
    if (row)
        memcpy(row->comm, task->comm, sizeof(row->comm));
    return row;
}

static void note_longest(struct task_row *row, u64 wait, u64 at)
{
    if (wait > row->longest || (wait == row->longest && at < row->longest_at)) {
        row->longest = wait;
        row->longest_at = at;
    }
}

static bool add_wait(struct task_row *row, const struct sched_stint *stint, u64 at)
{
    if (stint->wait == WAIT_NONE)
        return true;
    note_longest(row, stint->delay, at);
    return histogram_add(stint->wait == WAIT_WOKEN ? &row->woken : &row->ready, stint->delay, 1);
}

static bool add_switch(struct latency_state *s, const struct sched_step *step)
{
    const struct sched_event *event = step->event;
    struct task_row *row;
    s->switches++;
    s->preempted += event->preempted;
    if (s->walk.log->names[event->task].pid) {
        if (!(row = row_of(s, event->task)))
            return false;
        row->switches++;
        row->preempted += event->preempted;
    }
    if (!s->walk.log->names[event->other].pid)
        return true;
    row = row_of(s, event->other);
    return row && add_wait(row, &step->begins, event->time);
}

static bool add_event(struct latency_state *s, const struct sched_step *step)
{
    static const struct {
        u64 all, row; /* offsets */
    } counters[SCHED_KINDS] = {
        [SCHED_WAKE] = {offsetof(struct latency_state, wakeups),
                        offsetof(struct task_row, wakeups)},
        [SCHED_NEW] = {offsetof(struct latency_state, news), 0},
        [SCHED_MIGRATE] = {offsetof(struct latency_state, migrations),
                           offsetof(struct task_row, migrations)},
        [SCHED_EXIT] = {offsetof(struct latency_state, exits), 0},
    };
    u32 kind = step->event->kind;
    if (kind == SCHED_SWITCH)
        return add_switch(s, step);
    ++*(u64 *)((u8 *)s + counters[kind].all);
    if (!counters[kind].row || !s->walk.log->names[step->event->task].pid)
        return true;
    struct task_row *row = row_of(s, step->event->task);
    if (row)
        ++*(u64 *)((u8 *)row + counters[kind].row);
    return row;
}

static bool add_span(struct latency_state *s, const struct sched_step *step)
{
    if (step->owner != OWNER_TASK) {
        *(step->owner == OWNER_BOOT ? &s->boot : &s->idle) += step->span;
        return true;
    }
    struct task_row *row = row_of(s, step->runner);
    s->run += step->span;
    if (row)
        row->run += step->span;
    return row;
}

static struct failure latency_take(void *state, const struct slice *slice, struct output *out)
{
    struct latency_state *s = state;
    struct sched_step step;
    bool more = true;
    (void)out;
    ATTEMPT(sched_walk_to(&s->walk, slice));
    while (more) {
        ATTEMPT(sched_walk_next(&s->walk, slice, &step, &more));
        if (more && (!add_span(s, &step) || (step.event && !add_event(s, &step))))
            return fail(NO_SPACE, "the guest has more than %d tasks, or there is no memory",
                        ROWS_MAX);
    }
    return NO_FAILURE;
}

/* --- merging ----------------------------------------------------------------------------- */

static bool merge_row(struct task_row *row, const struct task_row *next)
{
    memcpy(row->comm, next->comm, sizeof(row->comm));
    row->run += next->run;
#define C(member) row->member += next->member;
    ROW_COUNTS(C)
#undef C
    if (next->woken.count || next->ready.count)
        note_longest(row, next->longest, next->longest_at);
    return histogram_merge(&row->woken, &next->woken) && histogram_merge(&row->ready, &next->ready);
}

/* Nothing is open at the ends: see walk.h. */
static bool latency_merge(void *state, const void *other, bool follows)
{
    struct latency_state *s = state;
    const struct latency_state *next = other;
    (void)follows;
#define M(member) s->member += next->member;
    ALL_TIMES(M)
    ALL_COUNTS(M)
#undef M
    for (u32 i = 0; i < next->rows.count; i++) {
        const struct task_row *from = tally_at(&next->rows, i);
        struct task_row *row = tally_row(&s->rows, from->key.a, from->key.b);
        if (!row || !merge_row(row, from))
            return false;
    }
    return true;
}

static void save_row(const struct task_row *row, struct pack *pack)
{
    pack_number(pack, row->key.a);
    pack_number(pack, row->key.b);
    pack_text(pack, row->comm);
    pack_wide(pack, row->run);
#define C(member) pack_number(pack, row->member);
    ROW_COUNTS(C)
#undef C
    pack_number(pack, row->longest);
    pack_number(pack, row->longest_at);
    histogram_save(&row->woken, pack);
    histogram_save(&row->ready, pack);
}

static void latency_save(const void *state, struct pack *pack)
{
    const struct latency_state *s = state;
#define T(member) pack_wide(pack, s->member);
    ALL_TIMES(T)
#undef T
#define C(member) pack_number(pack, s->member);
    ALL_COUNTS(C)
#undef C
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++)
        save_row(tally_at(&s->rows, i), pack);
}

static void load_row(struct tally *rows, struct unpack *unpack)
{
    u64 a = unpack_number(unpack), b = unpack_number(unpack);
    u32 count = rows->count;
    struct task_row *row = tally_row(rows, a, b), scratch = {0};
    if (!row || rows->count == count) {
        unpack_refuse(unpack, row ? "a task has two rows" : "too many tasks");
        row = &scratch;
    }
    struct sched_name name = {0};
    unpack_text(unpack, name.comm, sizeof(name.comm));
    sched_name_clean(&name);
    memcpy(row->comm, name.comm, sizeof(row->comm));
    row->run = unpack_wide(unpack);
#define C(member) row->member = unpack_number(unpack);
    ROW_COUNTS(C)
#undef C
    row->longest = unpack_number(unpack);
    row->longest_at = unpack_number(unpack);
    histogram_load(&row->woken, unpack);
    histogram_load(&row->ready, unpack);
    histogram_free(&scratch.woken);
    histogram_free(&scratch.ready);
}

static void latency_load(void *state, struct unpack *unpack)
{
    struct latency_state *s = state;
#define T(member) s->member = unpack_wide(unpack);
    ALL_TIMES(T)
#undef T
#define C(member) s->member = unpack_number(unpack);
    ALL_COUNTS(C)
#undef C
    size_t rows = unpack_count(unpack);
    for (size_t i = 0; i < rows && !unpack->wrong; i++)
        load_row(&s->rows, unpack);
}

/* --- telling ----------------------------------------------------------------------------- */

static const struct column task_columns[] = {
    {"task", "Task", CELL_TEXT},
    {"pid", "Pid", CELL_COUNT},
    {"tgid", NULL, CELL_COUNT},
    {"run_ns", "Run ns", CELL_NS},
    {"run_percent", "Run%", CELL_SHARE},
    {"switches", "Switches", CELL_COUNT},
    {"preempted", "Preempted", CELL_COUNT},
    {"wakeups", "Wakeups", CELL_COUNT},
    {"migrations", NULL, CELL_COUNT},
    {"wakeup_waits", NULL, CELL_COUNT},
    {"wakeup_avg_ns", "Wakeup: avg", CELL_NS},
    {"wakeup_p99_ns", "p99", CELL_NS},
    {"wakeup_max_ns", "max", CELL_NS},
    {"preempted_waits", NULL, CELL_COUNT},
    {"preempted_avg_ns", "Preempted: avg", CELL_NS},
    {"preempted_p99_ns", "p99", CELL_NS},
    {"preempted_max_ns", "max", CELL_NS},
    {"longest_at_ns", "Longest at", CELL_NS},
};

static int by_run_time(const void *left, const void *right)
{
    const struct task_row *a = left, *b = right;
    if (a->run != b->run)
        return a->run < b->run ? 1 : -1;
    return tally_by_key(left, right);
}

static void tell_waits(const struct histogram *waits, struct output *out)
{
    output_number(out, waits->count);
    output_number_if(out, waits->count, histogram_mean(waits));
    output_number_if(out, waits->count, histogram_quantile(waits, 99, 100));
    output_number_if(out, waits->count, waits->max);
}

static void tell_numbers(const struct task_row *row, struct output *out)
{
    output_number(out, row->run);
    output_number(out, row->run);
    output_number(out, row->switches);
    output_number(out, row->preempted);
    output_number(out, row->wakeups);
    output_number(out, row->migrations);
    tell_waits(&row->woken, out);
    tell_waits(&row->ready, out);
    output_number_if(out, row->woken.count || row->ready.count, row->longest_at);
}

static void tell_others(void **rows, u32 count, struct output *out)
{
    struct task_row all = {0};
    char text[32];
    bool good = true;
    for (u32 i = 0; i < count; i++)
        good = merge_row(&all, rows[i]) && good;
    snprintf(text, sizeof(text), "(%u others)", count);
    output_text(out, text);
    output_none(out);
    output_none(out);
    tell_numbers(&all, out);
    histogram_free(&all.woken);
    histogram_free(&all.ready);
}

static void tell_tasks(const struct latency_state *s, const struct query *query, struct output *out)
{
    void **rows = tally_sorted(&s->rows, by_run_time);
    u32 shown = (u32)min_u64(s->rows.count, query->rows);
    output_table(out, "scheduler", task_columns, ARRAY_SIZE(task_columns), 0);
    for (u32 i = 0; rows && i < shown; i++) {
        const struct task_row *row = rows[i];
        output_text(out, row->comm);
        output_number(out, (u32)row->key.a);
        output_number(out, row->key.a >> 32);
        tell_numbers(row, out);
    }
    if (rows && shown < s->rows.count)
        tell_others(rows + shown, s->rows.count - shown, out);
    free(rows);
}

static void tell_time(const struct latency_state *s, const char *name, struct output *out)
{
    static const struct column columns[] = {
        {"state", "Time in", CELL_TEXT},
        {"guest_ns", "Guest ns", CELL_NS},
        {"guest_ns_percent", "Share", CELL_SHARE},
    };
    const struct {
        const char *state;
        u128 ns;
    } parts[] = {{"boot", s->boot}, {"tasks", s->run}, {"idle", s->idle}};
    output_table(out, name, columns, ARRAY_SIZE(columns), 0);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        output_text(out, parts[i].state);
        output_number(out, parts[i].ns);
        output_number(out, parts[i].ns);
    }
}

static void tell_totals(const struct latency_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"tasks", "Tasks", CELL_COUNT},
        {"switches", "Switches", CELL_COUNT},
        {"preempted", "of them preempted", CELL_COUNT},
        {"wakeups", "Wakeups", CELL_COUNT},
        {"new_tasks", "New tasks", CELL_COUNT},
        {"exits", "Tasks that ended", CELL_COUNT},
        {"migrations", "Migrations", CELL_COUNT},
        {"guest_ns", "Guest ns", CELL_NS},
    };
    output_table(out, "totals", columns, ARRAY_SIZE(columns), OUTPUT_SINGLE);
    output_number(out, s->rows.count);
    output_number(out, s->switches);
    output_number(out, s->preempted);
    output_number(out, s->wakeups);
    output_number(out, s->news);
    output_number(out, s->exits);
    output_number(out, s->migrations);
    output_number(out, s->boot + s->run + s->idle);
}

static void latency_tell(const void *state, const struct query *query, struct output *out)
{
    tell_tasks(state, query, out);
    tell_time(state, "time", out);
    tell_totals(state, out);
}

/* --- telling waits ----------------------------------------------------------------------- */

static int by_wakeup_waits(const void *left, const void *right)
{
    const struct task_row *a = left, *b = right;
    if (a->woken.count != b->woken.count)
        return a->woken.count < b->woken.count ? 1 : -1;
    return tally_by_key(left, right);
}

static void tell_bucket(const struct bucket *bucket, struct output *out)
{
    output_number(out, bucket->low);
    output_number(out, bucket->high);
    output_number(out, bucket->count);
}

static void tell_buckets(const char *wait, const struct histogram *waits, struct output *out)
{
    struct bucket bucket;
    for (u32 cursor = 0; histogram_next(waits, &cursor, &bucket);) {
        output_text(out, wait);
        tell_bucket(&bucket, out);
    }
}

static void tell_all_waits(const struct latency_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"wait", "Wait after", CELL_TEXT},
        {"low_ns", "From ns", CELL_NS},
        {"high_ns", "To ns", CELL_NS},
        {"samples", "Samples", CELL_COUNT},
    };
    struct task_row all = {0};
    bool good = true;
    for (u32 i = 0; i < s->rows.count; i++)
        good = merge_row(&all, tally_at(&s->rows, i)) && good;
    output_table(out, "scheduler", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
    if (good) {
        tell_buckets("wakeup", &all.woken, out);
        tell_buckets("preempted", &all.ready, out);
    }
    histogram_free(&all.woken);
    histogram_free(&all.ready);
}

static void tell_task_wakeups(const struct task_row *row, struct output *out)
{
    struct bucket bucket;
    for (u32 cursor = 0; histogram_next(&row->woken, &cursor, &bucket);) {
        output_text(out, row->comm);
        output_number(out, (u32)row->key.a);
        tell_bucket(&bucket, out);
    }
}

static void tell_wakeups(const struct latency_state *s, u64 limit, struct output *out)
{
    static const struct column columns[] = {
        {"task", "Task", CELL_TEXT},        {"pid", "Pid", CELL_COUNT},
        {"low_ns", "From ns", CELL_NS},     {"high_ns", "To ns", CELL_NS},
        {"samples", "Wakeups", CELL_COUNT},
    };
    void **rows = tally_sorted(&s->rows, by_wakeup_waits);
    output_table(out, "wakeups", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
    for (u32 i = 0; rows && i < min_u64(s->rows.count, limit); i++)
        tell_task_wakeups(rows[i], out);
    free(rows);
}

static void histogram_tell(const void *state, const struct query *query, struct output *out)
{
    tell_all_waits(state, out);
    tell_wakeups(state, query->rows, out);
}

static void stats_tell(const void *state, const struct query *query, struct output *out)
{
    (void)query;
    tell_time(state, "scheduler", out);
    tell_totals(state, out);
}

#define LATENCY_VIEW                                                                          \
    .name = "scheduler", .events = true, .times = true, .wish = latency_wish,                 \
    .begin = latency_begin, .end = latency_end, .take = latency_take, .merge = latency_merge, \
    .save = latency_save, .load = latency_load

const struct view scheduler_latency = {
    LATENCY_VIEW,
    .show = "latency",
    .summary = "tasks by run time: switches, waits after wakeups and after being preempted",
    .tell = latency_tell,
};

const struct view scheduler_stats = {
    LATENCY_VIEW,
    .show = "stats",
    .summary = "where guest time went: boot, tasks, idle; and how many events",
    .tell = stats_tell,
};

const struct view scheduler_histogram = {
    LATENCY_VIEW,
    .show = "histogram",
    .summary = "waits after wakeups and after being preempted; wakeups by task",
    .tell = histogram_tell,
};
