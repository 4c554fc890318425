/* Asking the trace; see findings.h. */
#include "analysis/report/findings.h"
#include "analysis/report/html.h"
#include "analysis/views.h"
#include "trace/commands/cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 48, TOP = 12, CURVES = 7, TASKS = 24, EVENTS = 20, ROWS_MAX = 20000 };

/* What the sections draw, with what makes the answers fit a page. */
/* clang-format off */
static const struct question asked[] = {
    {"exits", "stats", "reason", KEYS, 0},
    {"exits", "histogram", "reason", TOP, 0},
    {"exits", "freq", NULL, ROWS_MAX, 200},
    {"exits", "activity", NULL, NEVER, 500},
    {"exits", "worst", NULL, EVENTS, 0},
    {"exits", "stats", "port", TOP, 0},
    {"exits", "stats", "msr", TOP, 0},
    {"exits", "stats", "gpa", TOP, 0},
    {"exits", "stats", "rip", TOP, 0},
    {"io", "top", NULL, TOP, 0},
    {"time", "stats", NULL, NEVER, 0},
    {"time", "steps", NULL, EVENTS, 0},
    {"time", "freq", NULL, NEVER, 500},
    {"interrupts", "stats", NULL, KEYS, 0},
    {"interrupts", "histogram", NULL, TOP, 0},
    {"timers", "stats", NULL, KEYS, 0},
    {"timers", "histogram", NULL, TOP, 0},
    {"timers", "worst", NULL, EVENTS, 0},
    {"scheduler", "latency", NULL, TASKS, 0},
    {"scheduler", "histogram", NULL, CURVES, 0},
    {"scheduler", "worst", NULL, EVENTS, 0},
};
/* clang-format on */

/* --- questions -------------------------------------------------------------------------------- */

static void ask_all(struct findings *f)
{
    _Static_assert(ARRAY_SIZE(asked) <= ANSWERS_MAX, "room for the answers");
    for (f->count = 0; f->count < ARRAY_SIZE(asked); f->count++)
        f->answers[f->count].question = asked[f->count];
}

static u32 key_of(const struct view *view, const char *by)
{
    u32 key = 0;
    while (by && view->keys && view->keys[key] && strcmp(view->keys[key], by))
        key++;
    return by && view->keys && view->keys[key] ? key : 0;
}

static struct pass pass_of(const struct findings *f, const struct question *question)
{
    const struct view *view = view_find(question->view, question->show);
    return (struct pass){
        .view = view,
        .query = {.by = key_of(view, question->by),
                  .rows = question->rows,
                  .intervals = question->intervals,
                  .symbols = f->looked ? &f->facts.symbolizer : NULL,
                  .scheduler = &f->facts.log},
        .shard = 1,
        .shards = 1,
    };
}

/* --- answers ---------------------------------------------------------------------------------- */

static struct failure keep(const struct pass *pass, const struct result *result, struct kept *kept)
{
    struct output *out = output_new_kept(kept);
    if (!out)
        return fail(NO_SPACE, "no memory for the report");
    pass_tell(pass, result, out);
    return output_end(out);
}

static struct failure print(const struct pass *pass, const struct result *result,
                            struct answer *answer)
{
    FILE *file = open_memstream(&answer->json, &answer->json_length);
    struct output *out = file ? output_new(file, OUTPUT_JSON) : NULL;
    struct failure failure = out ? NO_FAILURE : fail(NO_SPACE, "no memory for the report");
    if (out) {
        pass_tell(pass, result, out);
        failure = output_end(out);
    }
    if (file && fclose(file) != 0)
        failure = fail(NO_SPACE, "no memory for the report");
    if (failure.code || answer->json_length > JSON_MAX) {
        free(answer->json);
        answer->json = NULL;
    }
    return failure;
}

static void take_answer(struct answer *answer, const struct pass *pass, struct result *result)
{
    if (!result->state)
        return;
    answer->failure = keep(pass, result, &answer->kept);
    if (!answer->failure.code)
        answer->failure = print(pass, result, answer);
    pass->view->end(result->state);
    result->state = NULL;
}

/* Questions on the guest's kernel have no answer if it is not known. */
static u32 make_passes(struct findings *f, struct pass *passes, u32 *answers)
{
    u32 count = 0;
    for (u32 i = 0; i < f->count; i++) {
        passes[count] = pass_of(f, &f->answers[i].question);
        if (passes[count].view->events && f->kernel.code)
            f->answers[i].failure = f->kernel;
        else
            answers[count++] = i;
    }
    return count;
}

static struct failure run(struct findings *f, struct pass *passes, struct result *results,
                          struct failure *failures)
{
    u32 answers[ANSWERS_MAX], count = make_passes(f, passes, answers);
    passes[count] = (struct pass){.view = &vcpu_view, .shard = 1, .shards = 1};
    ATTEMPT(pass_run_all(passes, count + 1, f->path, results, failures));
    for (u32 i = 0; i < count; i++) {
        f->answers[answers[i]].failure = failures[i];
        take_answer(&f->answers[answers[i]], &passes[i], &results[i]);
    }
    f->vcpu = results[count].state;
    f->covered = results[0];
    return NO_FAILURE;
}

static struct failure answer_all(struct findings *f)
{
    u32 count = f->count + 1; /* and the vCPU's spans */
    struct pass *passes = calloc(count, sizeof(*passes));
    struct result *results = calloc(count, sizeof(*results));
    struct failure *failures = calloc(count, sizeof(*failures));
    struct failure failure = fail(NO_SPACE, "no memory for the report");
    if (passes && results && failures)
        failure = run(f, passes, results, failures);
    free(passes);
    free(results);
    free(failures);
    return failure;
}

/* --- all of it -------------------------------------------------------------------------------- */

static struct failure look(struct findings *f, findings_learner *learn)
{
    struct trace *trace;
    ATTEMPT(trace_open(f->path, &trace));
    f->manifest = *trace_manifest(trace);
    for (u32 s = 0; s < STREAM_COUNT; s++)
        f->totals[s] = trace_totals(trace, s);
    f->images = trace_check_images(trace);
    f->looked = facts_cached(trace, &f->facts);
    f->kernel = facts_kernel(&f->facts);
    if (!f->looked)
        f->kernel = fail(UNSUPPORTED, "the guest's kernel is not known yet: that takes a replay, "
                                      "and none was wanted");
    if (learn)
        learn(f, trace);
    trace_close(trace);
    return NO_FAILURE;
}

static void name_trace(struct findings *f)
{
    char home[CLI_PATH];
    size_t length = cli_trace_home(home).code ? 0 : strlen(home);
    const char *rest = f->path + length + 1;
    bool inside = length && !strncmp(f->path, home, length) && f->path[length] == '/' && *rest &&
                  !strchr(rest, '/');
    snprintf(f->name, sizeof(f->name), "%s", inside ? rest : f->path);
}

struct failure findings_gather(struct findings *f, const char *path, findings_learner *learn)
{
    memset(f, 0, sizeof(*f));
    snprintf(f->path, sizeof(f->path), "%s", path);
    name_trace(f);
    ATTEMPT(look(f, learn));
    ask_all(f);
    return answer_all(f);
}

void findings_free(struct findings *f)
{
    for (u32 i = 0; i < f->count; i++) {
        kept_free(&f->answers[i].kept);
        free(f->answers[i].json);
    }
    f->count = 0;
    if (f->vcpu)
        vcpu_view.end(f->vcpu);
    f->vcpu = NULL;
    facts_free(&f->facts);
}

const struct answer *findings_answer(const struct findings *f, const char *view, const char *show,
                                     const char *by)
{
    for (u32 i = 0; i < f->count; i++) {
        const struct question *q = &f->answers[i].question;
        if (!strcmp(q->view, view) && !strcmp(q->show, show) &&
            (!by || (q->by && !strcmp(q->by, by))))
            return &f->answers[i];
    }
    return NULL;
}

const struct kept_table *answer_table(const struct answer *answer, const char *name)
{
    if (!answer || answer->failure.code)
        return NULL;
    const struct kept_table *table = kept_table(&answer->kept, name ? name : answer->question.view);
    return table && table->row_count ? table : NULL;
}

char *answer_command(const struct findings *f, const struct answer *answer)
{
    const struct question *q = &answer->question;
    char *text = NULL, *word = malloc(SHELL_WORD);
    size_t length;
    FILE *out = word ? open_memstream(&text, &length) : NULL;
    if (out) {
        fprintf(out, "hindvisor analyze %s %s", q->view, shell_word(f->name, word));
        if (strcmp(q->show, "stats"))
            fprintf(out, " --show %s", q->show);
        if (q->by && strcmp(q->by, "reason"))
            fprintf(out, " --by %s", q->by);
        if (q->intervals)
            fprintf(out, " --intervals %" PRIu64, q->intervals);
        if (q->rows != NEVER)
            fprintf(out, " --rows %" PRIu64, q->rows);
        fclose(out);
    }
    free(word);
    return text;
}
