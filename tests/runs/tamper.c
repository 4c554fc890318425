/*
 * Writes a copy of a trace in which one thing differs and all sums are right, as
 * somebody would who wants a replay to believe it. What was changed, and at which
 * exit, is printed: "KIND NUMBER exit EXIT FIELD OLD -> NEW".
 *
 * usage: tamper TRACE COPY KIND NUMBER|PERCENT% FIELD CHANGE
 *        tamper TRACE COPY --kernel FILE | --initrd FILE | --version NUMBER
 *        tamper TRACE --count KIND
 *   CHANGE: +N, -N, ^N (exclusive or) or =N
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/layout.h"
#include "trace/trace.h"
#include "trace/wire.h"

struct change {
    u32 kind;
    int field;
    u64 number;
    char operation;
    u64 operand;
    const char *images[2]; /* kernel, initrd; NULL: as they are */
    u32 version;           /* of the format; 0: as it is */
};

/* One stream, with the record that comes next. */
struct source {
    struct trace_cursor *cursor;
    enum stream stream;
    bool more;
    union record next;
};

struct copy {
    struct trace *trace;
    struct source sources[STREAM_COUNT];
    struct trace_writer *writer;
    u8 chunk[CHUNK_MAX];
    size_t length;
    u64 seen; /* records of the kind that changes */
};

static _Noreturn void give_up(const char *text)
{
    fprintf(stderr, "tamper: %s\n", text);
    exit(2);
}

static void require(struct failure failure)
{
    if (failure.code)
        give_up(failure.text);
}

static void advance(struct source *source)
{
    enum trace_step step = trace_next(source->cursor, &source->next);
    if (step == TRACE_ERROR)
        give_up(trace_cursor_failure(source->cursor).text);
    source->more = step == TRACE_RECORD;
}

static u64 count_kind(struct trace *trace, u32 kind)
{
    u64 count = 0;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        struct source source = {.cursor = trace_cursor(trace, s)};
        for (advance(&source); source.more; advance(&source))
            count += source.next.kind == kind;
        trace_cursor_free(source.cursor);
    }
    return count;
}

static u64 changed(const struct change *change, u64 value)
{
    switch (change->operation) {
    case '+':
        return value + change->operand;
    case '-':
        return value - change->operand;
    case '^':
        return value ^ change->operand;
    default:
        return change->operand;
    }
}

static void alter(struct source *source, const struct change *change)
{
    const struct kind_layout *layout = kind_layout(change->kind);
    const struct field_layout *field = &layout->fields[change->field];
    u64 old = field_get(field, &source->next);
    u64 exit = record_exit(&source->next, trace_cursor_exit(source->cursor));
    field_set(field, &source->next, changed(change, old));
    printf("%s %lu exit %lu %s %#lx -> %#lx\n", layout->name, change->number, exit, field->name,
           old, field_get(field, &source->next));
}

static void take(struct copy *copy, struct source *source, const struct change *change)
{
    u32 size = record_size(source->next.kind);
    if (source->next.kind == change->kind && copy->seen++ == change->number)
        alter(source, change);
    if (copy->length + size > sizeof(copy->chunk))
        give_up("a chunk is larger than expected");
    memcpy(copy->chunk + copy->length, &source->next, size);
    copy->length += size;
    advance(source);
}

/* The chunk that the source's next record came from; ~0: there is none. */
static u32 chunk_of(const struct copy *copy, const struct source *source)
{
    size_t block = trace_cursor_block(source->cursor);
    return source->more ? trace_block_at(copy->trace, source->stream, block).chunk : ~0u;
}

static bool copy_chunk(struct copy *copy, u32 number, const struct change *change)
{
    copy->length = 0;
    for (u32 s = 0; s < STREAM_COUNT; s++)
        while (chunk_of(copy, &copy->sources[s]) == number)
            take(copy, &copy->sources[s], change);
    if (copy->length)
        require(trace_append_chunk(copy->writer, copy->chunk, copy->length));
    return copy->sources[0].more || copy->sources[1].more;
}

/* The writer counts these again. */
static struct manifest fresh_manifest(const struct trace *trace)
{
    struct manifest manifest = *trace_manifest(trace);
    manifest.exits = manifest.count = manifest.injections = manifest.chunks = 0;
    manifest.end_reason = 0;
    manifest.end_detail = 0;
    memset(manifest.records, 0, sizeof(manifest.records));
    memset(manifest.blocks, 0, sizeof(manifest.blocks));
    memset(manifest.bytes, 0, sizeof(manifest.bytes));
    return manifest;
}

static void open_copy(struct copy *copy, const char *path, const struct change *change)
{
    struct manifest manifest = fresh_manifest(copy->trace);
    const char *kernel =
        change->images[0] ? change->images[0] : trace_image_path(copy->trace, MODULE_KERNEL);
    const char *initrd =
        change->images[1] ? change->images[1] : trace_image_path(copy->trace, MODULE_INITRD);
    require(trace_create(path, &manifest, kernel, initrd, TRACE_SYNC_NEVER, &copy->writer));
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        copy->sources[s] = (struct source){.cursor = trace_cursor(copy->trace, s), .stream = s};
        advance(&copy->sources[s]);
    }
}

static void parse_change(struct trace *trace, char **arguments, struct change *change)
{
    char *end;
    change->kind = kind_by_name(arguments[0]);
    if (!change->kind)
        give_up("there is no record of that kind");
    change->field = field_by_name(kind_layout(change->kind), arguments[2]);
    if (change->field < 0)
        give_up("that kind has no field of that name");
    change->number = strtoull(arguments[1], &end, 0);
    u64 count = count_kind(trace, change->kind);
    if (*end == '%')
        change->number = count * change->number / 100;
    if (change->number >= count)
        give_up("the trace has fewer records of that kind");
    change->operation = arguments[3][0];
    change->operand = strtoull(arguments[3] + 1, NULL, 0);
}

static void make_copy(struct copy *copy, const char *path, const struct change *change)
{
    u32 number = 0;
    open_copy(copy, path, change);
    while (copy_chunk(copy, number, change))
        number++;
    if (change->version)
        trace_writer_manifest(copy->writer)->version = change->version;
    require(trace_finish(copy->writer));
    for (u32 s = 0; s < STREAM_COUNT; s++)
        trace_cursor_free(copy->sources[s].cursor);
}

int main(int argc, char **argv)
{
    static struct copy copy; /* large */
    struct change change = {.number = NEVER};
    if (argc < 4)
        give_up("see the top of tests/runs/tamper.c");
    require(trace_open(argv[1], &copy.trace));
    if (!strcmp(argv[2], "--count"))
        printf("%lu\n", count_kind(copy.trace, kind_by_name(argv[3])));
    else if (argc == 5 && (!strcmp(argv[3], "--kernel") || !strcmp(argv[3], "--initrd")))
        change.images[!strcmp(argv[3], "--initrd")] = argv[4];
    else if (argc == 5 && !strcmp(argv[3], "--version"))
        change.version = (u32)strtoul(argv[4], NULL, 0);
    else if (argc == 7)
        parse_change(copy.trace, argv + 3, &change);
    else
        give_up("see the top of tests/runs/tamper.c");
    if (argc > 4)
        make_copy(&copy, argv[2], &change);
    trace_close(copy.trace);
    return 0;
}
