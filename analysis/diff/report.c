/* The comparison as a table and as JSON. Records are shown as `hindvisor dump` shows them; no kind
 * of record is named here but exits, whose distribution is told. */
#include "analysis/diff/report.h"
#include "trace/names.h"
#include "trace/render.h"

#include <inttypes.h>
#include <string.h>

/* --- settings: the manifests' lines that say what was run -------------------------------- */

static char manifests[DIFF_SIDES][MANIFEST_MAX];

/* These differ between any two recordings. */
static bool is_setting(const char *key)
{
    return strcmp(key, "created") != 0;
}

/* The next `key: value` line of a manifest, up to those that tell how the run ended. */
static bool next_setting(char **text, char **key, char **value)
{
    *key = strsep(text, "\n");
    if (!*key || !strncmp(*key, "finished: ", 10) || !(*value = strstr(*key, ": ")))
        return false;
    **value = 0;
    *value += 2;
    return true;
}

typedef void setting_function(FILE *, const char *key, const char *a, const char *b);

/* Calls for each setting that differs. Both manifests have the same keys in the same order. */
static void each_setting(FILE *out, struct trace *const traces[DIFF_SIDES], setting_function *tell)
{
    char *text[DIFF_SIDES], *key[DIFF_SIDES], *value[DIFF_SIDES];
    for (u32 s = 0; s < DIFF_SIDES; s++) {
        manifest_format(trace_manifest(traces[s]), manifests[s], MANIFEST_MAX);
        text[s] = manifests[s];
    }
    while (next_setting(&text[DIFF_A], &key[DIFF_A], &value[DIFF_A]) &&
           next_setting(&text[DIFF_B], &key[DIFF_B], &value[DIFF_B])) {
        if (strcmp(value[DIFF_A], value[DIFF_B]) && is_setting(key[DIFF_A]))
            tell(out, key[DIFF_A], value[DIFF_A], value[DIFF_B]);
    }
}

/* --- a record against a record ----------------------------------------------------------- */

static const struct diff_first *first_of(const struct diff_result *result)
{
    return result->first.kind ? &result->first : &result->first_timing;
}

typedef void field_function(FILE *, const struct field_layout *, u64 a, u64 b);

/* Calls for each field that differs; nothing if the records are of two kinds. */
static void each_field(FILE *out, const union record *a, const union record *b,
                       field_function *tell)
{
    const struct kind_layout *layout = kind_layout(a->kind);
    for (u32 i = 0; a->kind == b->kind && i < layout->field_count; i++) {
        const struct field_layout *field = &layout->fields[i];
        if (field_get(field, a) != field_get(field, b))
            tell(out, field, field_get(field, a), field_get(field, b));
    }
}

/* The guest count where a record is, if its kind tells. */
static bool count_of(const union record *record, u64 *count)
{
    const struct kind_layout *layout = kind_layout(record->kind);
    int field = field_by_name(layout, "count");
    if (field >= 0)
        *count = field_get(&layout->fields[field], record);
    return field >= 0;
}

static const struct moment *first_moment(const struct diff_first *first)
{
    return &first->next[first->next_count[DIFF_A] ? DIFF_A : DIFF_B][0];
}

static bool has_both(const struct diff_first *first)
{
    return first->next_count[DIFF_A] && first->next_count[DIFF_B] &&
           (first->kind == DIFF_VALUE || first->kind == DIFF_TIMING);
}

/* --- table ------------------------------------------------------------------------------- */

static void print_setting(FILE *out, const char *key, const char *a, const char *b)
{
    fprintf(out, "  %-20s A %.60s\n  %-20s B %.60s\n", key, a, "", b);
}

static void print_field(FILE *out, const struct field_layout *field, u64 a, u64 b)
{
    const char *format = field->render == RENDER_HEX ? "  %-20s A 0x%" PRIx64 ", B 0x%" PRIx64
                                                     : "  %-20s A %" PRIu64 ", B %" PRIu64;
    char left[NAME_MAX_LENGTH], right[NAME_MAX_LENGTH];
    const char *words = name_value(field->render, a, left);
    fprintf(out, format, field->name, a, b);
    if (words)
        fprintf(out, " (%s, %s)", words, name_value(field->render, b, right));
    fputc('\n', out);
}

static void print_moments(FILE *out, char mark, const struct moment *moments, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        struct rendered item = {&moments[i].record, moments[i].exit, moments[i].stream};
        fprintf(out, "%c ", mark);
        render_text(out, &item);
    }
}

static void print_place(FILE *out, const struct diff_first *first)
{
    const struct moment *moment = first_moment(first);
    u64 count;
    fprintf(out, "first difference: %s%s, at exit %" PRIu64, difference_names[first->kind],
            first->kind == DIFF_TIMING ? " only" : "", moment->exit);
    if (count_of(&moment->record, &count))
        fprintf(out, ", guest count %" PRIu64, count);
    fprintf(out, ", guest time %" PRIu64 ".%09" PRIu64 " s\n", (u64)(moment->ns / NANOSECONDS),
            (u64)(moment->ns % NANOSECONDS));
}

static void print_first(FILE *out, const struct diff_first *first)
{
    if (first->kind == DIFF_SAME)
        return;
    print_place(out, first);
    if (has_both(first))
        each_field(out, &first->next[DIFF_A][0].record, &first->next[DIFF_B][0].record,
                   print_field);
    fputc('\n', out);
    print_moments(out, ' ', first->before, first->before_count);
    print_moments(out, 'A', first->next[DIFF_A], first->next_count[DIFF_A]);
    print_moments(out, 'B', first->next[DIFF_B], first->next_count[DIFF_B]);
    fputc('\n', out);
}

static void print_counts(FILE *out, const struct diff_result *result)
{
    const char *separator = ": ";
    fputs("records", out);
    for (u32 kind = 0; kind < DIFFERENCE_KINDS; kind++) {
        fprintf(out, "%s%" PRIu64 " %s", separator, result->counts[kind], difference_names[kind]);
        separator = ", ";
    }
    fputs(result->parted ? "; then the runs part, and nothing more was compared\n" : "\n", out);
}

static u64 samples(const struct diff_totals *totals, u32 reason)
{
    return totals->latencies[reason].count;
}

static u64 quantile(const struct diff_totals *totals, u32 reason, u32 percent)
{
    return histogram_quantile(&totals->latencies[reason], percent, 100);
}

static u64 longest(const struct diff_totals *totals, u32 reason)
{
    return totals->latencies[reason].max;
}

static void print_reason(FILE *out, const struct diff_result *result, u32 reason)
{
    const struct diff_totals *a = &result->totals[DIFF_A], *b = &result->totals[DIFF_B];
    char buffer[NAME_MAX_LENGTH];
    fprintf(out, "%-20s %9" PRIu64 " %9" PRIu64 " %+9" PRId64, name_reason(reason, buffer),
            samples(a, reason), samples(b, reason), (i64)(samples(b, reason) - samples(a, reason)));
    fprintf(out,
            " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
            quantile(a, reason, 50), quantile(b, reason, 50), quantile(a, reason, 99),
            quantile(b, reason, 99), longest(a, reason), longest(b, reason));
}

static void print_reasons(FILE *out, const struct diff_result *result)
{
    fprintf(out, "\n%-20s %9s %9s %9s %9s %9s %9s %9s %10s %10s\n", "exit reason", "A", "B",
            "B - A", "p50 A", "p50 B", "p99 A", "p99 B", "max A", "max B");
    for (u32 reason = 0; reason < DIFF_REASONS; reason++) {
        if (samples(&result->totals[DIFF_A], reason) + samples(&result->totals[DIFF_B], reason))
            print_reason(out, result, reason);
    }
    fputs("p50, p99, max: from exit to entry, in host TSC ticks\n", out);
}

void diff_print_table(FILE *out, const struct diff_result *result,
                      struct trace *const traces[DIFF_SIDES])
{
    for (u32 s = 0; s < DIFF_SIDES; s++)
        fprintf(out, "%c  %s: %" PRIu64 " exits, %" PRIu64 " records\n", 'A' + (int)s,
                trace_path(traces[s]), result->totals[s].exits, result->totals[s].records);
    each_setting(out, traces, print_setting);
    fputc('\n', out);
    print_first(out, first_of(result));
    print_counts(out, result);
    print_reasons(out, result);
}

/* --- JSON -------------------------------------------------------------------------------- */

static const char *separator; /* before the next element of the array being written */

static void json_setting(FILE *out, const char *key, const char *a, const char *b)
{
    fprintf(out, "%s{\"name\":", separator);
    json_string(out, key);
    fputs(",\"a\":", out);
    json_string(out, a);
    fputs(",\"b\":", out);
    json_string(out, b);
    fputc('}', out);
    separator = ",";
}

static void json_field(FILE *out, const struct field_layout *field, u64 a, u64 b)
{
    fprintf(out, "%s{\"name\":\"%s\",\"a\":%" PRIu64 ",\"b\":%" PRIu64 "}", separator, field->name,
            a, b);
    separator = ",";
}

static void json_moments(FILE *out, const char *name, const struct moment *moments, u32 count)
{
    fprintf(out, ",\"%s\":[", name);
    for (u32 i = 0; i < count; i++) {
        struct rendered item = {&moments[i].record, moments[i].exit, moments[i].stream};
        fputs(i ? "," : "", out);
        render_json(out, &item);
    }
    fputc(']', out);
}

static void json_first(FILE *out, const struct diff_first *first)
{
    fputs(",\"first\":", out);
    if (first->kind == DIFF_SAME) {
        fputs("null", out);
        return;
    }
    const struct moment *moment = first_moment(first);
    u64 count;
    fprintf(out, "{\"kind\":\"%s\",\"exit\":%" PRIu64 ",\"guest_ns\":%" PRIu64,
            difference_names[first->kind], moment->exit, moment->ns);
    if (count_of(&moment->record, &count))
        fprintf(out, ",\"count\":%" PRIu64, count);
    fputs(",\"fields\":[", out);
    separator = "";
    if (has_both(first))
        each_field(out, &first->next[DIFF_A][0].record, &first->next[DIFF_B][0].record, json_field);
    fputc(']', out);
    json_moments(out, "before", first->before, first->before_count);
    json_moments(out, "next_a", first->next[DIFF_A], first->next_count[DIFF_A]);
    json_moments(out, "next_b", first->next[DIFF_B], first->next_count[DIFF_B]);
    fputc('}', out);
}

static void json_latency(FILE *out, const char *side, const struct diff_totals *totals, u32 reason)
{
    fprintf(out,
            ",\"%s\":{\"samples\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p99\":%" PRIu64
            ",\"max\":%" PRIu64 "}",
            side, samples(totals, reason), quantile(totals, reason, 50),
            quantile(totals, reason, 99), longest(totals, reason));
}

static void json_reasons(FILE *out, const struct diff_result *result)
{
    char buffer[NAME_MAX_LENGTH];
    fputs(",\"exits_by_reason\":[", out);
    separator = "";
    for (u32 reason = 0; reason < DIFF_REASONS; reason++) {
        if (!samples(&result->totals[DIFF_A], reason) && !samples(&result->totals[DIFF_B], reason))
            continue;
        fprintf(out, "%s{\"reason\":\"%s\"", separator, name_reason(reason, buffer));
        json_latency(out, "a", &result->totals[DIFF_A], reason);
        json_latency(out, "b", &result->totals[DIFF_B], reason);
        fputc('}', out);
        separator = ",";
    }
    fputc(']', out);
}

static void json_side(FILE *out, const char *name, struct trace *trace,
                      const struct diff_totals *totals)
{
    fprintf(out, ",\"%s\":{\"trace\":", name);
    json_string(out, trace_path(trace));
    fprintf(out, ",\"exits\":%" PRIu64 ",\"records\":%" PRIu64 ",\"guest_ns\":%" PRIu64 "}",
            totals->exits, totals->records, totals->last_ns);
}

void diff_print_json(FILE *out, const struct diff_result *result,
                     struct trace *const traces[DIFF_SIDES])
{
    fputs("{\"schema\":\"hindvisor-diff-1\"", out);
    json_side(out, "a", traces[DIFF_A], &result->totals[DIFF_A]);
    json_side(out, "b", traces[DIFF_B], &result->totals[DIFF_B]);
    fputs(",\"settings\":[", out);
    separator = "";
    each_setting(out, traces, json_setting);
    fputc(']', out);
    json_first(out, first_of(result));
    fputs(",\"records\":{", out);
    for (u32 kind = 0; kind < DIFFERENCE_KINDS; kind++)
        fprintf(out, "%s\"%s\":%" PRIu64, kind ? "," : "", difference_names[kind],
                result->counts[kind]);
    fprintf(out, "},\"parted\":%s", result->parted ? "true" : "false");
    json_reasons(out, result);
    fputs("}\n", out);
}
