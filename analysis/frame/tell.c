/* What every output says around the view's tables: the trace, the question, what is missing. */
#include "analysis/frame/pass.h"
#include "core/machine.h"

#include <inttypes.h>

static const char schema[] = "hindvisor-analysis-1";

static const char *state_of(const struct subject *subject)
{
    static const char *const states[] = {"unfinished", "whole", "cut"};
    return subject->finished < ARRAY_SIZE(states) ? states[subject->finished] : "unknown";
}

static void tell_subject(const struct result *result, struct output *out)
{
    const struct subject *s = &result->subject;
    output_object(out, "trace");
    output_fact(out, "name", s->name);
    output_fact_number(out, "traces", result->traces);
    output_fact_number(out, "format_version", s->format);
    output_fact(out, "state", state_of(s));
    output_fact_number(out, "created", s->created);
    output_fact(out, "processor", s->processor);
    output_fact(out, "host_cpu", s->host_cpu);
    output_fact_number(out, "host_tsc_hz", s->tsc_hz);
    output_fact(out, "clock", s->clock == CLOCK_HOST ? "host" : "count");
    output_fact_number(out, "exits", s->exits);
    output_fact_number(out, "guest_count", s->count);
    output_fact_number(out, "guest_ns", s->guest_ns);
    output_object_end(out);
}

static void tell_range(const struct result *result, struct output *out)
{
    output_object(out, "range");
    output_fact_number(out, "first_exit", result->range_exits ? result->range.first : 0);
    output_fact_number(out, "exits", result->range_exits);
    output_fact_number(out, "blocks", result->range_chunks);
    output_object_end(out);
}

static void tell_query(const struct pass *pass, struct output *out)
{
    const struct view *view = pass->view;
    output_object(out, "query");
    output_fact(out, "view", view->name);
    output_fact(out, "show", view->show);
    if (view->keys)
        output_fact(out, "by", view->keys[pass->query.by]);
    output_object_end(out);
}

static void head_line(const struct pass *pass, const struct result *result, struct output *out)
{
    char line[160];
    output_fact(out, "trace", result->subject.name);
    snprintf(line, sizeof(line), "%s %s%s%s, %" PRIu64 " of %" PRIu64 " exits from %" PRIu64,
             pass->view->name, pass->view->show, pass->view->keys ? " by " : "",
             pass->view->keys ? pass->view->keys[pass->query.by] : "", result->range_exits,
             result->subject.exits, result->range_exits ? result->range.first : 0);
    output_fact(out, "view", line);
}

void pass_tell_head(const struct pass *pass, const struct result *result, struct output *out)
{
    if (output_format(out) != OUTPUT_JSON) {
        head_line(pass, result, out);
        return;
    }
    output_fact(out, "schema", schema);
    tell_subject(result, out);
    tell_query(pass, out);
    tell_range(result, out);
}

u64 result_missing(const struct result *result)
{
    return result->range_chunks - result->chunks + result->damaged;
}

static void tell_missing(const struct result *result, struct output *out)
{
    static const struct column columns[] = {
        {"blocks", "Blocks not seen", CELL_COUNT},
        {"damaged", "Damaged blocks", CELL_COUNT},
        {"damage", NULL, CELL_TEXT},
    };
    if (output_format(out) == OUTPUT_TABLE && !result_missing(result))
        return;
    output_table(out, "missing", columns, ARRAY_SIZE(columns), OUTPUT_SINGLE);
    output_number(out, result_missing(result));
    output_number(out, result->damaged);
    output_text(out, result->damage);
}

void pass_tell(const struct pass *pass, const struct result *result, struct output *out)
{
    if (!pass->view->head) {
        pass_tell_head(pass, result, out);
    }
    if (pass->view->tell)
        pass->view->tell(result->state, &pass->query, out);
    tell_missing(result, out);
}
