/*
 * An SQLite database: a table for each kind of record and guest event, generated
 * from the classes, with indexes and views. Numbers above 2^63 show as negative,
 * since SQLite's integers have a sign; the views print addresses in hexadecimal.
 */
#include "trace/export/export.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct database {
    sqlite3 *db;
    sqlite3_stmt *inserts[CLASS_LIMIT]; /* CLASS_EXCEPTION uses REC_INJECTION's */
};

/* A statement being written. */
struct sql {
    char text[4096];
    size_t used;
};

static void add(struct sql *sql, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct sql *sql, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(sql->text + sql->used, sizeof(sql->text) - sql->used, format, arguments);
    va_end(arguments);
    sql->used = min_u64(sql->used + (size_t)length, sizeof(sql->text) - 1);
}

static bool failed(struct export *x)
{
    struct database *d = x->state;
    int code = sqlite3_errcode(d->db) & 0xff;
    return export_fail(x, fail(code == SQLITE_FULL || code == SQLITE_NOMEM ? NO_SPACE : HOST_IO,
                               "%.300s: SQLite: %.150s", x->job->path, sqlite3_errmsg(d->db)));
}

static bool execute(struct export *x, const char *sql)
{
    struct database *d = x->state;
    return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK || failed(x);
}

static bool prepare(struct export *x, const char *sql, sqlite3_stmt **statement)
{
    struct database *d = x->state;
    return sqlite3_prepare_v2(d->db, sql, -1, statement, NULL) == SQLITE_OK || failed(x);
}

static bool step(struct export *x, sqlite3_stmt *statement)
{
    bool good = sqlite3_step(statement) == SQLITE_DONE;
    if (!good)
        failed(x);
    return sqlite3_reset(statement) == SQLITE_OK && good;
}

/* --- tables ------------------------------------------------------------------------------ */

static bool has_table(const struct export *x, u32 id)
{
    return export_has_class(x, id) && id != CLASS_ENTRY && id != CLASS_EXCEPTION;
}

/* Records are in the plural, since `end` is a word of SQL; guest events have the kernel's name. */
static const char *plural(const struct export_class *class)
{
    return class->id < CLASS_GUEST ? "s" : "";
}

/* An exit's number is its key. */
static bool make_table(struct export *x, const struct export_class *class)
{
    struct database *d = x->state;
    struct sql table = {0}, insert = {0};
    bool is_exit = class->id == REC_EXIT;
    add(&table, "CREATE TABLE %s%s(%s, guest_ns INTEGER NOT NULL, exact INTEGER NOT NULL",
        class->name, plural(class),
        is_exit ? "exit INTEGER PRIMARY KEY" : "id INTEGER PRIMARY KEY, exit INTEGER NOT NULL");
    add(&insert, "INSERT INTO %s%s VALUES(%s?,?,?", class->name, plural(class),
        is_exit ? "" : "NULL,");
    for (u32 i = 0; i < class->field_count; i++) {
        const struct export_field *field = &class->fields[i];
        if (!field->name)
            continue;
        add(&table, ", \"%s\" %s NOT NULL", field->name, field->width ? "INTEGER" : "TEXT");
        add(&insert, ",?");
    }
    add(&table, ")");
    add(&insert, ")");
    return execute(x, table.text) && prepare(x, insert.text, &d->inserts[class->id]);
}

static bool make_tables(struct export *x)
{
    for (u32 id = 0; id < CLASS_LIMIT; id++) {
        if (has_table(x, id) && !make_table(x, export_class(id)))
            return false;
    }
    return true;
}

static bool put_field_words(struct export *x, sqlite3_stmt *insert,
                            const struct export_class *class, const struct export_field *field)
{
    char name[NAME_MAX_LENGTH];
    snprintf(name, sizeof(name), "%ss.%s", class->name, field->name);
    for (u32 value = 0; value < EXPORT_WORDS && export_has_words(field); value++) {
        const char *word = export_fixed_word(field, value);
        if (!word)
            continue;
        sqlite3_bind_text(insert, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_int(insert, 2, (int)value);
        sqlite3_bind_text(insert, 3, word, -1, SQLITE_STATIC);
        if (!step(x, insert))
            return false;
    }
    return true;
}

/* The words for numbers: words(field, value, name), where field is "exits.reason". */
static bool put_words(struct export *x)
{
    sqlite3_stmt *insert = NULL;
    bool good = execute(x, "CREATE TABLE words(field TEXT, value INTEGER, name TEXT, "
                           "PRIMARY KEY(field, value)) WITHOUT ROWID") &&
                prepare(x, "INSERT INTO words VALUES(?,?,?)", &insert);
    for (u32 id = 0; good && id < CLASS_LIMIT; id++) {
        const struct export_class *class = has_table(x, id) ? export_class(id) : NULL;
        for (u32 i = 0; good && class && i < class->field_count; i++)
            good = put_field_words(x, insert, class, &class->fields[i]);
    }
    sqlite3_finalize(insert);
    return good;
}

/* The manifest: trace(key, value). */
static bool put_manifest(struct export *x)
{
    static char text[MANIFEST_MAX];
    sqlite3_stmt *insert;
    if (!execute(x, "CREATE TABLE trace(key TEXT PRIMARY KEY, value) WITHOUT ROWID") ||
        !prepare(x, "INSERT INTO trace VALUES(?,?)", &insert))
        return false;
    manifest_format(x->manifest, text, sizeof(text));
    bool good = true;
    for (char *line = text, *end; good && (end = strchr(line, '\n')); line = end + 1) {
        char *colon = strstr(line, ": ");
        if (!colon || colon > end)
            continue;
        sqlite3_bind_text(insert, 1, line, (int)(colon - line), SQLITE_STATIC);
        sqlite3_bind_text(insert, 2, colon + 2, (int)(end - colon - 2), SQLITE_STATIC);
        good = step(x, insert);
    }
    sqlite3_finalize(insert);
    return good;
}

/* --- indexes and views ------------------------------------------------------------------- */

static bool make_indexes(struct export *x)
{
    for (u32 id = 0; id < CLASS_LIMIT; id++) {
        struct sql sql = {0};
        if (!has_table(x, id))
            continue;
        char name[NAME_MAX_LENGTH];
        snprintf(name, sizeof(name), "%s%s", export_class(id)->name, plural(export_class(id)));
        add(&sql, "CREATE INDEX %s_by_time ON %s(guest_ns)", name, name);
        if (id != REC_EXIT)
            add(&sql, ";CREATE INDEX %s_by_exit ON %s(exit)", name, name);
        if (!execute(x, sql.text))
            return false;
    }
    return execute(x, "CREATE INDEX exits_by_reason_and_place ON exits(reason, rip)");
}

/* Latencies are in host TSC ticks, and in ns where the TSC's frequency is known. */
static bool make_views(struct export *x)
{
    return execute(
        x,
        "CREATE VIEW exits_named AS SELECT exit, guest_ns, exact, reason,"
        " coalesce((SELECT name FROM words WHERE field = 'exits.reason' AND value = reason),"
        "  'reason ' || reason) AS reason_name,"
        " count, printf('0x%x', rip) AS rip, printf('0x%x', qualification) AS qualification,"
        " printf('0x%x', address) AS address, printf('0x%x', value) AS value,"
        " max(tsc_entry - tsc_exit, 0) AS latency,"
        " max(tsc_entry - tsc_exit, 0) * 1e9 /"
        "  (SELECT nullif(CAST(value AS INTEGER), 0) FROM trace WHERE key = 'host-tsc-hz')"
        "  AS latency_ns FROM exits;"
        "CREATE VIEW exits_by_reason AS WITH ranked AS (SELECT reason, reason_name, latency,"
        "  row_number() OVER (PARTITION BY reason ORDER BY latency) AS place,"
        "  count(*) OVER (PARTITION BY reason) AS samples FROM exits_named)"
        " SELECT reason, reason_name, samples,"
        "  100.0 * samples / (SELECT count(*) FROM exits) AS share,"
        "  sum(latency) AS latency_sum, min(latency) AS latency_min, avg(latency) AS latency_mean,"
        "  min(CASE WHEN place * 2 >= samples THEN latency END) AS latency_p50,"
        "  min(CASE WHEN place * 100 >= samples * 99 THEN latency END) AS latency_p99,"
        "  max(latency) AS latency_max"
        " FROM ranked GROUP BY reason ORDER BY samples DESC;"
        "CREATE VIEW exits_by_place AS SELECT reason_name, rip, count(*) AS samples,"
        "  sum(latency) AS latency_sum FROM exits_named GROUP BY reason, rip"
        " ORDER BY samples DESC;"
        "CREATE VIEW injections_by_vector AS SELECT info & 255 AS vector, info >> 8 & 7 AS type,"
        "  count(*) AS samples FROM injections GROUP BY 1, 2 ORDER BY samples DESC;");
}

/* Handlers of interrupts in order, where they are known. */
static bool make_handler_view(struct export *x)
{
    return !export_has_class(x, CLASS_GUEST + GUEST_IRQ_ENTRY) ||
           execute(
               x,
               "CREATE VIEW interrupt_handlers AS"
               " SELECT exit, guest_ns, 'irq_handler_entry' AS event, irq, NULL AS vector, name"
               "  FROM irq_handler_entry UNION ALL"
               " SELECT exit, guest_ns, 'irq_handler_exit', irq, NULL, NULL FROM irq_handler_exit"
               " UNION ALL SELECT exit, guest_ns, 'local_timer_entry', NULL, vector, 'local timer'"
               "  FROM local_timer_entry UNION ALL"
               " SELECT exit, guest_ns, 'local_timer_exit', NULL, vector, NULL"
               "  FROM local_timer_exit ORDER BY guest_ns, exit");
}

/* --- the format -------------------------------------------------------------------------- */

/* Asked while statements run: indexes of a long trace take minutes. */
static int stops(void *x)
{
    return export_stopped(x);
}

/* A file that nobody reads before it is whole needs no journal. */
static bool begin(struct export *x)
{
    struct database *d = x->state;
    enum { OPERATIONS = 10000 }; /* of SQLite's virtual machine, between two questions */
    if (sqlite3_open_v2(x->place.path, &d->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return failed(x);
    sqlite3_progress_handler(d->db, OPERATIONS, stops, x);
    return execute(x, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN") &&
           put_manifest(x) && put_words(x) && make_tables(x);
}

static void bind(sqlite3_stmt *insert, int at, const struct export_field *field,
                 const struct export_item *item)
{
    if (field->width)
        sqlite3_bind_int64(insert, at, (sqlite3_int64)export_number(field, item));
    else
        sqlite3_bind_text(insert, at, export_text(field, item), -1, SQLITE_STATIC);
}

static bool put(struct export *x, const struct export_item *item)
{
    struct database *d = x->state;
    const struct export_class *class = export_class_of(item);
    if (class->id == CLASS_ENTRY) /* in the exit's own tsc_entry */
        return true;
    sqlite3_stmt *insert = d->inserts[class->id == CLASS_EXCEPTION ? REC_INJECTION : class->id];
    int at = 0;
    sqlite3_bind_int64(insert, ++at, (sqlite3_int64)item->exit);
    sqlite3_bind_int64(insert, ++at, (sqlite3_int64)item->ns);
    sqlite3_bind_int(insert, ++at, item->exact);
    for (u32 i = 0; i < class->field_count; i++) {
        if (class->fields[i].name)
            bind(insert, ++at, &class->fields[i], item);
    }
    return step(x, insert);
}

static bool end(struct export *x)
{
    return make_indexes(x) && make_views(x) && make_handler_view(x) &&
           execute(x, "COMMIT; ANALYZE");
}

static void drop(struct export *x)
{
    struct database *d = x->state;
    for (u32 id = 0; id < CLASS_LIMIT; id++)
        sqlite3_finalize(d->inserts[id]);
    if (sqlite3_close(d->db) != SQLITE_OK)
        failed(x);
}

const struct export_format format_sqlite = {
    .name = "sqlite",
    .what = "an SQLite database with indexed tables and views",
    .shape = SHAPE_FILE,
    .state_size = sizeof(struct database),
    .begin = begin,
    .put = put,
    .end = end,
    .drop = drop,
};
