/* A catalogue of runs; see catalogue.h. */
#define _GNU_SOURCE /* nftw() */
#include "analysis/catalogue.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/frame/histogram.h"
#include "core/machine.h"
#include "trace/batch.h"
#include "trace/names.h"
#include "trace/trace.h"

enum { FORMAT = 1, PATIENCE = 60000 /* ms that another process may hold the file */ };
enum { REASONS = 128, DESCRIPTORS = 32 };

/* What a row of `runs` says of a manifest m; t: totals by stream. */
#define RUN_COLUMNS(C)                                                                \
    C(created, NUMBER, m->created)                                                    \
    C(processor, TEXT, m->processor)                                                  \
    C(host_cpu, TEXT, m->host_cpu)                                                    \
    C(tsc_hz, NUMBER, m->tsc_hz)                                                      \
    C(cpu_model, NUMBER, m->cpu_model)                                                \
    C(memory, NUMBER, m->memory_size)                                                 \
    C(clock, TEXT, m->clock == CLOCK_HOST ? "host" : "count")                         \
    C(count_kind, TEXT, m->count_kind)                                                \
    C(kernel, TEXT, m->kernel.name)                                                   \
    C(kernel_sha256, TEXT, m->kernel.sha256)                                          \
    C(initrd, TEXT, m->initrd.name)                                                   \
    C(initrd_sha256, TEXT, m->initrd.sha256)                                          \
    C(command_line, TEXT, m->command_line)                                            \
    C(noise_seed, NUMBER_OR_NULL, m->noise ? m->noise_seed : NEVER)                   \
    C(finished, TEXT, finished_words[m->finished <= TRACE_CUT ? m->finished : 0])     \
    C(end_reason, TEXT, m->finished == TRACE_FINISHED ? text_end(m->end_reason) : "") \
    C(end_detail, NUMBER, m->end_detail)                                              \
    C(exits, NUMBER, t[STREAM_OBSERVATION].exits)                                     \
    C(guest_count, NUMBER, m->count)                                                  \
    C(guest_ns, NUMBER, m->guest_ns)                                                  \
    C(injections, NUMBER, m->injections)                                              \
    C(input_bytes, NUMBER, t[STREAM_INPUT].bytes)                                     \
    C(observation_bytes, NUMBER, t[STREAM_OBSERVATION].bytes)

#define SQL_TEXT "TEXT"
#define SQL_NUMBER "INTEGER"
#define SQL_NUMBER_OR_NULL "INTEGER"
#define C(name, type, value) #name " " SQL_##type ", "
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS runs(path TEXT PRIMARY KEY, modified INTEGER NOT NULL, problem "
    "TEXT, " RUN_COLUMNS(C) "CHECK(path <> '')) WITHOUT ROWID;"
                            "CREATE TABLE IF NOT EXISTS exits(path TEXT NOT NULL REFERENCES runs "
                            "ON DELETE CASCADE, reason TEXT NOT NULL, "
                            "samples INTEGER, ticks INTEGER, min INTEGER, p50 INTEGER, p90 "
                            "INTEGER, p99 INTEGER, p999 INTEGER, max INTEGER, "
                            "PRIMARY KEY(path, reason)) WITHOUT ROWID;"
                            "CREATE INDEX IF NOT EXISTS runs_kernel ON runs(kernel_sha256);"
                            "CREATE INDEX IF NOT EXISTS exits_reason ON exits(reason);"
                            "CREATE TEMP TABLE seen(path TEXT PRIMARY KEY) WITHOUT ROWID;"
                            "PRAGMA foreign_keys = ON;";
#undef C
#define C(name, type, value) ", ?"
static const char insert_run[] = "INSERT OR REPLACE INTO runs VALUES(?, ?, ?" RUN_COLUMNS(C) ")";
#undef C
static const char *const finished_words[] = {"no", "yes", "cut"};

struct catalogue {
    sqlite3 *db;
    char file[PATH_MAX];
    sqlite3_stmt *known, *run, *forget, *exits, *see;
    struct catalogue_changes changes;
    void (*looked)(u64);
    struct failure failure; /* of the walk; the first one sticks */
};

/* --- SQLite ------------------------------------------------------------------------------- */

static struct failure database(const struct catalogue *c)
{
    int code = sqlite3_errcode(c->db) & 0xff;
    bool foreign = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
    return fail(code == SQLITE_FULL ? NO_SPACE
                : foreign           ? BAD_INPUT
                                    : HOST_IO,
                "%.300s: %s%.100s", c->file, foreign ? "this is no catalogue: " : "",
                sqlite3_errmsg(c->db));
}

static struct failure execute(struct catalogue *c, const char *sql)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? NO_FAILURE : database(c);
}

static struct failure step(struct catalogue *c, sqlite3_stmt *statement)
{
    bool good = sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_reset(statement) == SQLITE_OK && good ? NO_FAILURE : database(c);
}

static void bind_TEXT(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_NUMBER(sqlite3_stmt *statement, int at, u64 number)
{
    sqlite3_bind_int64(statement, at, (sqlite3_int64)number);
}

static void bind_NUMBER_OR_NULL(sqlite3_stmt *statement, int at, u64 number)
{
    if (number == NEVER)
        sqlite3_bind_null(statement, at);
    else
        bind_NUMBER(statement, at, number);
}

/* --- open ------------------------------------------------------------------------------------ */

static struct failure check_format(struct catalogue *c)
{
    sqlite3_stmt *statement;
    char sql[64];
    if (sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK)
        return database(c);
    int code = sqlite3_step(statement), version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW)
        return database(c);
    if (version && version != FORMAT)
        return fail(UNSUPPORTED,
                    "%.300s: a catalogue of format %d, this version makes %d; choose another file "
                    "with -o",
                    c->file, version, FORMAT);
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", FORMAT);
    return version ? NO_FAILURE : execute(c, sql);
}

static struct failure prepare(struct catalogue *c)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&c->known, "SELECT modified FROM runs WHERE path = ?"},
        {&c->run, insert_run},
        {&c->forget, "DELETE FROM exits WHERE path = ?"},
        {&c->exits, "INSERT INTO exits VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
        {&c->see, "INSERT OR IGNORE INTO seen VALUES(?)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (sqlite3_prepare_v2(c->db, all[i].sql, -1, all[i].statement, NULL) != SQLITE_OK)
            return database(c);
    return NO_FAILURE;
}

static struct failure begin(struct catalogue *c)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(c->file, &c->db, flags, NULL) != SQLITE_OK)
        return database(c);
    sqlite3_busy_timeout(c->db, PATIENCE);
    ATTEMPT(check_format(c));
    ATTEMPT(execute(c, schema));
    return prepare(c);
}

struct failure catalogue_open(const char *file, struct catalogue **catalogue)
{
    struct catalogue *c = *catalogue = calloc(1, sizeof(*c));
    if (!c)
        return fail(NO_SPACE, "no memory for the catalogue");
    snprintf(c->file, sizeof(c->file), "%s", file);
    struct failure failure = begin(c);
    if (failure.code) {
        catalogue_close(c);
        *catalogue = NULL;
    }
    return failure;
}

void catalogue_close(struct catalogue *c)
{
    if (!c)
        return;
    sqlite3_stmt *const all[] = {c->known, c->run, c->forget, c->exits, c->see};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        sqlite3_finalize(all[i]);
    sqlite3_close(c->db);
    free(c);
}

/* --- one trace --------------------------------------------------------------------------- */

static bool add_batch(struct histogram *reasons, const struct trace_batch *batch)
{
    const struct exit_columns *e = &batch->exit;
    for (size_t i = 0; i < e->rows; i++)
        if (e->tsc_entry[i] >= e->tsc_exit[i] &&
            !histogram_add(&reasons[min_u64(e->reason[i], REASONS - 1)],
                           e->tsc_entry[i] - e->tsc_exit[i], 1))
            return false;
    return true;
}

static struct failure gather(struct trace *trace, struct histogram *reasons)
{
    struct column_wishes wishes = {0};
    wishes.fields[REC_EXIT] =
        COLUMN(exit, reason) | COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
    struct trace_scan *scan = trace_scan_new(trace, &wishes);
    struct failure failure = scan ? NO_FAILURE : fail(NO_SPACE, "no memory to read the trace");
    struct trace_batch batch;
    for (size_t i = 0; !failure.code && i < trace_chunk_count(trace); i++) {
        failure = trace_scan_read(scan, i, &batch);
        if (!failure.code && !add_batch(reasons, &batch))
            failure = fail(NO_SPACE, "no memory for latencies");
    }
    trace_scan_free(scan);
    return failure;
}

static struct failure put_exits(struct catalogue *c, const char *path,
                                const struct histogram *reasons)
{
    char buffer[NAME_MAX_LENGTH];
    for (u32 reason = 0; reason < REASONS; reason++) {
        const struct histogram *h = &reasons[reason];
        const u64 numbers[] = {h->count,
                               (u64)h->sum,
                               h->min,
                               histogram_quantile(h, 1, 2),
                               histogram_quantile(h, 9, 10),
                               histogram_quantile(h, 99, 100),
                               histogram_quantile(h, 999, 1000),
                               h->max};
        if (!h->count)
            continue;
        bind_TEXT(c->exits, 1, path);
        bind_TEXT(c->exits, 2, name_reason(reason, buffer));
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
            bind_NUMBER(c->exits, 3 + (int)i, numbers[i]);
        ATTEMPT(step(c, c->exits));
    }
    return NO_FAILURE;
}

/* A trace that does not open has a row with its problem alone. */
static struct failure put_run(struct catalogue *c, const char *path, u64 modified,
                              const struct trace *trace, const struct failure *problem)
{
    static const struct manifest none;
    const struct manifest *m = trace ? trace_manifest(trace) : &none;
    struct trace_totals t[STREAM_COUNT] = {0};
    int at = 0;
    for (u32 s = 0; trace && s < STREAM_COUNT; s++)
        t[s] = trace_totals(trace, s);
    bind_TEXT(c->run, ++at, path);
    bind_NUMBER(c->run, ++at, modified);
    bind_TEXT(c->run, ++at, problem->code ? problem->text : NULL);
#define C(name, type, value) bind_##type(c->run, ++at, value);
    RUN_COLUMNS(C)
#undef C
    return step(c, c->run);
}

static struct failure put(struct catalogue *c, const char *path, u64 modified)
{
    struct histogram reasons[REASONS] = {0};
    struct trace *trace = NULL;
    struct failure problem = trace_open(path, &trace);
    if (!problem.code)
        problem = gather(trace, reasons);
    c->changes.damaged += problem.code != OK;
    struct failure failure = execute(c, "BEGIN IMMEDIATE");
    bind_TEXT(c->forget, 1, path);
    if (!failure.code)
        failure = step(c, c->forget);
    if (!failure.code)
        failure = put_run(c, path, modified, trace, &problem);
    if (!failure.code)
        failure = put_exits(c, path, reasons);
    struct failure last = execute(c, failure.code ? "ROLLBACK" : "COMMIT");
    for (u32 reason = 0; reason < REASONS; reason++)
        histogram_free(&reasons[reason]);
    trace_close(trace);
    return failure.code ? failure : last;
}

/* --- the walk ---------------------------------------------------------------------------- */

static struct failure look(struct catalogue *c, const char *path, u64 modified)
{
    bind_TEXT(c->see, 1, path);
    ATTEMPT(step(c, c->see));
    bind_TEXT(c->known, 1, path);
    bool known = sqlite3_step(c->known) == SQLITE_ROW;
    bool same = known && (u64)sqlite3_column_int64(c->known, 0) == modified;
    sqlite3_reset(c->known);
    c->changes.traces++;
    c->changes.added += !known;
    c->changes.changed += known && !same;
    return same ? NO_FAILURE : put(c, path, modified);
}

static struct catalogue *walking; /* nftw() passes no context */

static int visit(const char *path, const struct stat *status, int type, struct FTW *where)
{
    char directory[PATH_MAX];
    if (type != FTW_F || strcmp(path + where->base, "manifest") != 0)
        return 0;
    if (walking->looked)
        walking->looked(walking->changes.traces);
    snprintf(directory, sizeof(directory), "%.*s", where->base ? where->base - 1 : 0, path);
    u64 modified = (u64)status->st_mtim.tv_sec * NANOSECONDS + (u64)status->st_mtim.tv_nsec;
    walking->failure = look(walking, directory, modified);
    return walking->failure.code != OK;
}

/* Rows below the directory whose traces the walk has not met. */
static struct failure drop_gone(struct catalogue *c, const char *directory)
{
    static const char sql[] =
        "DELETE FROM runs WHERE substr(path, 1, length(?1)) = ?1 AND path NOT "
        "IN (SELECT path FROM seen)";
    char below[PATH_MAX + 1];
    sqlite3_stmt *statement;
    snprintf(below, sizeof(below), "%s/", directory);
    if (sqlite3_prepare_v2(c->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return database(c);
    bind_TEXT(statement, 1, below);
    struct failure failure = step(c, statement);
    c->changes.gone = (u64)sqlite3_changes(c->db);
    sqlite3_finalize(statement);
    return failure;
}

static struct failure count_damaged(struct catalogue *c)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(c->db, "SELECT count(*) FROM runs WHERE problem IS NOT NULL", -1,
                           &statement, NULL) != SQLITE_OK)
        return database(c);
    if (sqlite3_step(statement) == SQLITE_ROW)
        c->changes.damaged = (u64)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return NO_FAILURE;
}

struct failure catalogue_update(struct catalogue *c, const char *directory, void (*looked)(u64),
                                struct catalogue_changes *changes)
{
    char whole[PATH_MAX];
    if (!realpath(directory, whole))
        return fail_errno("cannot look into %.300s", directory);
    c->changes = (struct catalogue_changes){0};
    c->failure = NO_FAILURE;
    c->looked = looked;
    walking = c;
    ATTEMPT(execute(c, "DELETE FROM seen"));
    if (nftw(whole, visit, DESCRIPTORS, FTW_PHYS) < 0)
        return fail_errno("cannot look into %.300s", whole);
    if (c->failure.code)
        return c->failure;
    ATTEMPT(drop_gone(c, whole));
    ATTEMPT(count_damaged(c));
    *changes = c->changes;
    return NO_FAILURE;
}
