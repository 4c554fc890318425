/* The driver; see export.h. */
#include "trace/export/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const struct export_format *const export_formats[] = {
    &format_ctf,    &format_perfetto, &format_sqlite, &format_csv,
    &format_folded, &format_ftrace,   NULL,
};

/* --- for formats ---------------------------------------------------------------------------- */

bool export_fail(struct export *x, struct failure failure)
{
    if (!x->failure.code)
        x->failure = failure;
    return false;
}

bool export_stopped(struct export *x)
{
    if (!x->job->stopped || !x->job->stopped())
        return false;
    return !export_fail(x, fail(HOST_IO, "it was told to stop; nothing was left"));
}

bool export_has_class(const struct export *x, u32 id)
{
    const struct export_job *job = x->job;
    u32 kinds = (job->events ? job->events->kinds : 0) | (job->watcher ? job->watcher->kinds : 0);
    return export_class(id) && (id < CLASS_GUEST || kinds >> (id - CLASS_GUEST) & 1);
}

FILE *export_open(struct export *x, const char *name)
{
    char path[FILE_PATH];
    file_path(path, x->place.path, name);
    FILE *file = fopen(path, "wx");
    if (!file)
        export_fail(x, fail_errno("%.300s: cannot make it", path));
    return file;
}

bool export_close(struct export *x, FILE *file, const char *name)
{
    bool written = !ferror(file);
    if (!fclose(file) && written)
        return true;
    return export_fail(x, fail_errno("%.200s/%.80s: cannot write it", x->place.path, name));
}

const char *export_words(const struct export_field *field, u64 value, char buffer[NAME_MAX_LENGTH])
{
    return name_value(field->render, value, buffer);
}

const char *export_fixed_word(const struct export_field *field, u64 value)
{
    char buffer[NAME_MAX_LENGTH];
    const char *word = name_value(field->render, value, buffer);
    return word == buffer ? NULL : word;
}

/* --- items ------------------------------------------------------------------------------------ */

struct walk {
    struct export *x;
    const struct export_format *format;
    struct moments moments;
    struct guest_event event; /* the next of the source */
    bool have_event;
    struct guest_event seen; /* of the watcher, waiting for the VM entry after that exit */
    bool have_seen, seen_exact;
    u64 seen_exit;
    i32 pid;               /* of the task that runs, as far as the source has told */
    guest_text comm;       /* its name; "": not known */
    u64 ns;                /* of the item put last */
    bool begun;            /* something was put */
    union record previous; /* the last exit, whose VM entry is still to be told */
    u64 previous_exit;
    bool inside; /* there is such an exit */
};

static bool put(struct walk *w, const struct export_item *item)
{
    struct export *x = w->x;
    w->ns = item->ns;
    w->begun = true;
    if (export_stopped(x) || !w->format->put(x, item))
        return false;
    return !x->out || !ferror(x->out) ||
           export_fail(
               x, fail_errno("%.300s: cannot write it", *x->place.path ? x->place.path : "stdout"));
}

void export_end_texts(struct guest_event *event)
{
    const struct export_class *class = export_class(CLASS_GUEST + event->kind);
    event->comm[sizeof(guest_text) - 1] = 0;
    for (u32 i = 0; i < class->field_count; i++) {
        if (!class->fields[i].width)
            ((char *)event)[class->fields[i].offset + sizeof(guest_text) - 1] = 0;
    }
}

/* Who gives an event has announced its kind. */
static bool announced(u32 kinds, const struct guest_event *event)
{
    return event->kind < GUEST_EVENT_KINDS && kinds >> event->kind & 1;
}

static bool next_event(struct walk *w)
{
    struct event_source *source = w->x->job->events;
    w->have_event = false;
    if (!source)
        return true;
    struct failure failure = source->next(source->context, &w->event, &w->have_event);
    if (!failure.code && w->have_event && !announced(source->kinds, &w->event))
        failure = fail(INTERNAL, "a guest event has the unexpected kind %u", w->event.kind);
    if (failure.code)
        return export_fail(w->x, failure);
    if (w->have_event)
        export_end_texts(&w->event);
    return true;
}

/* Events before the first record are outside what was asked for. */
static bool put_event(struct walk *w, const struct guest_event *event, bool exact)
{
    struct export_item item = {
        .what = ITEM_GUEST,
        .ns = max_u64(event->ns, w->ns),
        .exact = exact,
        .cpu = event->cpu,
        .exit = w->previous_exit,
        .event = event,
    };
    if (event->kind == GUEST_SCHED_SWITCH) {
        w->pid = event->sched_switch.next_pid;
        memcpy(w->comm, event->sched_switch.next_comm, sizeof(w->comm));
    }
    return !w->begun || put(w, &item);
}

/* Those of the source before `ns`. */
static bool put_events(struct walk *w, u64 ns)
{
    while (w->have_event && w->event.ns < ns) {
        if (!put_event(w, &w->event, true) || !next_event(w))
            return false;
    }
    return true;
}

/* --- what records show of the guest's kernel -------------------------------------------------- */

static bool put_seen(struct walk *w)
{
    if (!w->have_seen)
        return true;
    w->have_seen = false;
    if (!put_events(w, w->seen.ns))
        return false;
    w->seen.pid = w->pid;
    memcpy(w->seen.comm, w->comm, sizeof(w->comm));
    return put_event(w, &w->seen, w->seen_exact);
}

/* An injection's event waits for the VM entry, any other follows its record. */
static bool show(struct walk *w, const struct moment *moment)
{
    struct event_watcher *watcher = w->x->job->watcher;
    struct guest_event event;
    if (!watcher || !watcher->see(watcher->context, moment, &event))
        return true;
    if (!announced(watcher->kinds, &event))
        return export_fail(
            w->x, fail(INTERNAL, "a record shows an event of the unexpected kind %u", event.kind));
    if (!put_seen(w))
        return false;
    export_end_texts(&event);
    w->seen = event;
    w->have_seen = true;
    w->seen_exact = moment->exact;
    w->seen_exit = moment->exit;
    return moment->record.kind == REC_INJECTION || put_seen(w);
}

/* The VM entry after the last exit, as soon as something of a later exit shows that it came: a
 * halted vCPU that looks around was not inside the guest. */
static bool put_entry(struct walk *w, const struct moment *moment)
{
    const union record *record = &moment->record;
    if (!w->inside || moment->exit <= w->previous_exit)
        return true;
    w->inside = false;
    if (record->kind == REC_EXIT && record->exit.flags & EXIT_FLAG_HALTED)
        return true;
    struct export_item entry = {
        .what = ITEM_ENTRY,
        .ns = w->ns,
        .exact = moment->exact,
        .exit = w->previous_exit,
        .tsc = w->previous.exit.tsc_entry,
        .record = &w->previous,
    };
    return put(w, &entry);
}

/* Records before those wanted are only looked at. */
static bool put_moment(struct walk *w, const struct moment *moment)
{
    bool wanted = moment->exit >= w->x->job->from;
    struct export_item item = {
        .what = ITEM_RECORD,
        .ns = moment->ns,
        .exact = moment->exact,
        .exit = moment->exit,
        .record = &moment->record,
    };
    if (!put_entry(w, moment) || (moment->exit > w->seen_exit && !put_seen(w)))
        return false;
    if (!put_events(w, moment->ns) || (wanted && !put(w, &item)))
        return false;
    if (moment->record.kind == REC_EXIT) {
        w->previous = moment->record;
        w->previous_exit = moment->exit;
        w->inside = wanted;
    }
    return show(w, moment);
}

static void show_progress(const struct walk *w, u64 exit)
{
    const struct export_job *job = w->x->job;
    u64 last = trace_exits(job->trace);
    if (job->progress && exit % 8192 == 0)
        job->progress(job->progress_context, exit, min_u64(last, job->to));
}

static bool put_all(struct walk *w)
{
    const struct moment *moment;
    enum trace_step step;
    if (!next_event(w))
        return false;
    while ((step = moments_next(&w->moments, &moment)) == TRACE_RECORD) {
        if (!put_moment(w, moment))
            return false;
        if (moment->record.kind == REC_EXIT)
            show_progress(w, moment->exit);
    }
    if (step == TRACE_ERROR)
        return export_fail(w->x, moments_failure(&w->moments));
    return put_seen(w) && put_events(w, w->x->job->to == NEVER ? NEVER : w->ns);
}

static void run(struct export *x, const struct export_format *format)
{
    struct walk *w = calloc(1, sizeof(*w));
    struct failure failure = fail(NO_SPACE, "no memory to read the trace");
    if (w) {
        w->x = x;
        w->format = format;
        failure = moments_begin(&w->moments, x->job->trace, 0, x->job->to);
    }
    if (failure.code)
        export_fail(x, failure);
    else if (format->begin(x) && put_all(w))
        format->end(x);
    if (w)
        moments_end(&w->moments);
    free(w);
}

/* --- where it goes ----------------------------------------------------------------------- */

static struct failure make_place(struct export *x, const struct export_format *format)
{
    const char *path = x->job->path;
    struct stat status;
    x->out = format->shape == SHAPE_TEXT ? stdout : NULL;
    if (!path)
        return NO_FAILURE;
    if (lstat(path, &status) == 0)
        return fail(BAD_INPUT, "%.300s: it is there already; remove it, or name another", path);
    ATTEMPT(fresh_make(&x->place, path, format->shape == SHAPE_DIRECTORY));
    if (format->shape == SHAPE_TEXT && !(x->out = fopen(x->place.path, "w"))) {
        struct failure failure = fail_errno("%.300s: cannot open it", x->place.path);
        fresh_drop(&x->place);
        return failure;
    }
    return NO_FAILURE;
}

static void close_text(struct export *x)
{
    if (!x->out || (x->out == stdout ? !fflush(stdout) : !fclose(x->out)))
        return;
    if (errno != EPIPE || x->out != stdout)
        export_fail(
            x, fail_errno("%.300s: cannot write it", *x->place.path ? x->place.path : "stdout"));
}

static void finish_place(struct export *x)
{
    if (!*x->place.path)
        return;
    if (!x->failure.code)
        x->failure = fresh_finish(&x->place, x->job->path);
    else
        fresh_drop(&x->place);
}

struct failure export_trace(const struct export_format *format, const struct export_job *job)
{
    struct export x = {.job = job, .manifest = trace_manifest(job->trace)};
    if (!job->path && format->shape != SHAPE_TEXT)
        return fail(BAD_INPUT, "%s is no text for stdout: name where it goes with -o",
                    format->name);
    ATTEMPT(make_place(&x, format));
    x.state = calloc(1, format->state_size + 1);
    if (x.state)
        run(&x, format);
    else
        export_fail(&x, fail(NO_SPACE, "no memory to export"));
    if (x.state && format->drop)
        format->drop(&x);
    free(x.state);
    close_text(&x);
    finish_place(&x);
    return x.failure;
}
