/* Lanes of the vCPU and of tasks; see tasks.h. */
#include "analysis/report/tasks.h"
#include "analysis/frame/top.h"
#include "analysis/report/draw.h"
#include "analysis/report/html.h"
#include "analysis/report/lanes.h"
#include "analysis/scheduler/walk.h"

#include <stdlib.h>

enum { LONGEST = 12, SWITCHED = 6, TASK_LANES = LONGEST + SWITCHED, LANES = 1 + TASK_LANES + 1 };
enum { TASK_SPANS = 40000, LANE_TEXT = 48 };
enum { BLUE = 0, ORANGE = 1, PURPLE = 3, VERMILION = 5, GREY = PLOT_SERIES - 1 };
enum task_band { RUNS, WOKEN, READY, TASK_BANDS };

struct runner {
    u64 run; /* guest ns */
    u64 switches;
    u32 name;
};

struct tasks {
    struct subject subject;
    struct runner busiest[TASK_LANES];
    u32 count;          /* of them */
    u32 others;         /* other tasks that ran */
    u64 other_run;      /* guest ns */
    struct spans spans; /* TASK_BANDS each, those of the others last */
};

/* --- who is busy ------------------------------------------------------------------------------ */

static bool runs_longer(const void *left, const void *right)
{
    const struct runner *l = left, *r = right;
    return l->run != r->run ? l->run > r->run : l->name < r->name;
}

static bool switches_more(const void *left, const void *right)
{
    const struct runner *l = left, *r = right;
    return l->switches != r->switches ? l->switches > r->switches : runs_longer(left, right);
}

/* Those that ran longest, then of the others those that were switched to most often; what they are
 * is left with no run time of theirs. */
static void pick(struct tasks *t, struct runner *runners, u32 count, u32 most, top_order *before)
{
    u32 first = t->count, picked = 0;
    for (u32 i = 0; i < count; i++)
        if (runners[i].run)
            top_take(t->busiest + first, &picked, most, sizeof(*runners), &runners[i], before);
    t->count += picked;
    for (u32 i = first; i < t->count; i++)
        runners[t->busiest[i].name].run = 0;
}

static void rank(struct tasks *t, struct runner *runners, u32 count)
{
    pick(t, runners, count, LONGEST, runs_longer);
    pick(t, runners, count, SWITCHED, switches_more);
    for (u32 i = 0; i < count; i++) {
        t->others += runners[i].run != 0;
        t->other_run += runners[i].run;
    }
}

/* The run's end is not in the manifest of a trace that is unfinished: then it is the last exit. */
static void walk_begin(struct sched_walk *w, struct tasks *t, const struct findings *f)
{
    struct query query = {.scheduler = &f->facts.log, .subject = &t->subject};
    t->subject = f->covered.subject;
    for (u32 i = 0; f->vcpu && i < VCPU_BANDS; i++) {
        const struct band *band = &f->vcpu->time.bands[i];
        if (band->count)
            t->subject.guest_ns = max_u64(t->subject.guest_ns, band->spans[band->count - 1].end);
    }
    sched_walk_init(w, &query);
}

/* By name. */
static bool measure(struct tasks *t, const struct findings *f, struct runner *runners)
{
    struct sched_walk w;
    struct sched_step step;
    bool more = true, good = true;
    walk_begin(&w, t, f);
    while (good && more) {
        good = !sched_walk_on(&w, &step, &more).code;
        if (good && more && step.owner == OWNER_TASK)
            runners[step.runner].run += step.span;
        if (good && more && step.event && step.event->kind == SCHED_SWITCH)
            runners[step.event->other].switches++;
    }
    sched_walk_free(&w);
    return good;
}

/* --- what they do ----------------------------------------------------------------------------- */

/* The first of the task's bands. */
static u32 bands_of(const struct tasks *t, u32 name)
{
    u32 lane = 0;
    while (lane < t->count && t->busiest[lane].name != name)
        lane++;
    return lane * TASK_BANDS;
}

static bool add_wait(struct tasks *t, u32 name, enum sched_wait wait, u64 from, u64 to)
{
    return spans_cover(&t->spans, bands_of(t, name) + (wait == WAIT_WOKEN ? WOKEN : READY), from,
                       to);
}

static bool take_step(struct tasks *t, u64 time, const struct sched_step *step)
{
    bool good = true;
    if (step->owner == OWNER_TASK && step->span)
        good = spans_add(&t->spans, bands_of(t, step->runner) + RUNS,
                         (struct span){time - step->span, time, step->span});
    if (!good || !step->event || step->event->kind != SCHED_SWITCH ||
        step->begins.wait == WAIT_NONE)
        return good;
    return add_wait(t, step->event->other, step->begins.wait, time - step->begins.delay, time);
}

/* Waits that the run's end leaves open. */
static bool take_waiting(struct tasks *t, const struct sched_walk *w)
{
    struct sched_waiter waiter;
    bool good = true;
    for (u32 cursor = 0; good && sched_walk_waiting(w, &cursor, &waiter);)
        good = add_wait(t, waiter.name, waiter.wait, waiter.since, w->time);
    return good;
}

static bool collect(struct tasks *t, const struct findings *f)
{
    struct sched_walk w;
    struct sched_step step;
    bool more = true, good = spans_new(&t->spans, (TASK_LANES + 1) * TASK_BANDS, TASK_SPANS);
    walk_begin(&w, t, f);
    while (good && more)
        good = !sched_walk_on(&w, &step, &more).code && (!more || take_step(t, w.time, &step));
    good = good && take_waiting(t, &w);
    sched_walk_free(&w);
    return good;
}

static bool look(struct tasks *t, const struct findings *f)
{
    u32 names = f->facts.log.name_count;
    struct runner *runners = calloc(names + 1ull, sizeof(*runners));
    for (u32 i = 0; runners && i < names; i++)
        runners[i].name = i;
    bool good = runners && measure(t, f, runners);
    if (good)
        rank(t, runners, names);
    free(runners);
    return good && collect(t, f);
}

/* --- lanes ------------------------------------------------------------------------------------ */

static void note_run(struct lane *lane, const struct findings *f, u64 run)
{
    char text[QUANTITY];
    struct scale span = run_span(f);
    double all = span.high - span.low;
    snprintf(lane->note, sizeof(lane->note), "%s · %.2f\xe2\x80\xaf%%",
             quantity(UNIT_NS, (double)run, text), 100 * (double)run / all);
}

static u64 amount_of(const struct band *band)
{
    u64 sum = 0;
    for (size_t i = 0; i < band->count; i++)
        sum += band->spans[i].amount;
    return sum;
}

/* Host time can be set against guest time only if the TSC's frequency is known. */
static struct lane vcpu_lane(const struct findings *f)
{
    u64 hz = f->covered.subject.tsc_hz;
    const struct band *time = f->vcpu->time.bands;
    struct lane lane = {
        .name = "vCPU 0",
        .bands = {{"guest runs", &time[VCPU_GUEST], 1, BLUE, false, false},
                  {"halted", &time[VCPU_HALTED], 1, GREY, false, false},
                  {"exits are handled", f->vcpu->handling.bands, hz ? 1e9 / (double)hz : 0,
                   VERMILION, true, true}},
        .count = hz ? 3 : 2,
    };
    note_run(&lane, f, amount_of(&time[VCPU_GUEST]));
    return lane;
}

static struct lane task_lane(const struct tasks *t, const struct findings *f, u32 number, u64 run)
{
    const struct band *bands = &t->spans.bands[number * TASK_BANDS];
    struct lane lane = {
        .bands = {{"runs", &bands[RUNS], 1, BLUE, false, false},
                  {"waits, woken", &bands[WOKEN], 1, ORANGE, true, false},
                  {"waits, preempted", &bands[READY], 1, PURPLE, true, false}},
        .count = TASK_BANDS,
    };
    note_run(&lane, f, run);
    return lane;
}

static u32 task_lanes(const struct tasks *t, const struct findings *f, struct lane *lanes,
                      char texts[][LANE_TEXT])
{
    u32 count = 0;
    for (; count < t->count; count++) {
        const struct sched_name *name = &f->facts.log.names[t->busiest[count].name];
        lanes[count] = task_lane(t, f, count, t->busiest[count].run);
        snprintf(texts[count], LANE_TEXT, "%s %u", name->comm, name->pid);
        lanes[count].name = texts[count];
    }
    if (!t->others)
        return count;
    lanes[count] = task_lane(t, f, count, t->other_run);
    snprintf(texts[count], LANE_TEXT, "%u other tasks", t->others);
    lanes[count].name = texts[count];
    return count + 1;
}

static void draw(FILE *out, const struct findings *f, const struct tasks *t)
{
    char texts[LANES][LANE_TEXT], grain[QUANTITY], note[240];
    struct lane lanes[LANES] = {vcpu_lane(f)};
    u32 count = 1 + (t ? task_lanes(t, f, lanes + 1, texts) : 0);
    bool exact = !t || t->spans.grain == 1;
    snprintf(note, sizeof(note),
             "the stronger the tone the larger the part of the time; host time of exits by guest "
             "time, each tone a tenth of the next%s%s",
             exact ? "" : "; drawn as one if closer together than ",
             exact ? "" : quantity(UNIT_NS, (double)t->spans.grain, grain));
    struct plot p = {.out = out,
                     .id = "lanes",
                     .title = t ? "vCPU and tasks" : "vCPU",
                     .note = note,
                     .x = run_span(f),
                     .x_unit = UNIT_NS};
    lanes_draw(&p,
               "A lane for the vCPU: when the guest ran, when it was halted, and below how much "
               "host time went into exits. A lane for each of the busiest tasks: when it ran, and "
               "below when it waited for the CPU, woken or preempted. The last lane has all other "
               "tasks.",
               lanes, count);
}

void tasks_draw(FILE *out, const struct findings *f)
{
    struct tasks *t = calloc(1, sizeof(*t));
    bool known = t && !f->kernel.code && look(t, f);
    if (f->vcpu)
        draw(out, f, known ? t : NULL);
    if (!known)
        html(out,
             "<p class=\"lacks\">Lanes of tasks are missing; the section on the scheduler says "
             "why.</p>\n");
    if (t)
        spans_free(&t->spans);
    free(t);
}
