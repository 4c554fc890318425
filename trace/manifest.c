/*
 * Manifest text <-> struct, from one table of keys. The order of keys is fixed
 * and reading is the exact inverse of writing: after parsing, the manifest is
 * formatted again and must come out byte for byte the same.
 */
#define _GNU_SOURCE /* strptime */
#include "trace/manifest.h"
#include "core/machine.h"
#include "trace/files.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

static const char *const clock_names[] = {"count", "host", NULL};
static const char *const finished_names[] = {"no", "yes", "cut", NULL};
static const char *const bool_names[] = {"no", "yes", NULL};
static const char *const end_names[] = {
#define X(number, name, text) [number] = #name,
    END_REASONS(X)
#undef X
        [END_REASON_COUNT] = NULL,
};

enum key_type { TEXT, NUMBER, HEX, WHEN, CHOICE };

struct key {
    const char *name;
    u8 type;
    u8 width; /* of a number, a choice or a bool */
    u16 size; /* of a text */
    u32 offset;
    const char *const *choices;
};

#define AT(member) offsetof(struct manifest, member)
#define WIDTH(member) sizeof(((struct manifest *)0)->member)
#define KEY_TEXT(name, member)                         \
    {                                                  \
        name, TEXT, 0, WIDTH(member), AT(member), NULL \
    }
#define KEY_NUMBER(name, member)                         \
    {                                                    \
        name, NUMBER, WIDTH(member), 0, AT(member), NULL \
    }
#define KEY_HEX(name, member)                         \
    {                                                 \
        name, HEX, WIDTH(member), 0, AT(member), NULL \
    }
#define KEY_WHEN(name, member)                         \
    {                                                  \
        name, WHEN, WIDTH(member), 0, AT(member), NULL \
    }
#define KEY_CHOICE(name, member, list)                   \
    {                                                    \
        name, CHOICE, WIDTH(member), 0, AT(member), list \
    }
#define KEY_STREAM(name, s)                                                         \
    KEY_NUMBER(name "-records", records[s]), KEY_NUMBER(name "-blocks", blocks[s]), \
        KEY_NUMBER(name "-bytes", bytes[s])

static const struct key keys[] = {
    KEY_NUMBER("hindvisor-trace", version),
    KEY_WHEN("created", created),
    KEY_TEXT("processor", processor),
    KEY_TEXT("host-cpu", host_cpu),
    KEY_NUMBER("host-tsc-hz", tsc_hz),
    KEY_NUMBER("cpu-model", cpu_model),
    KEY_TEXT("undefined-flags", undefined_flags),
    KEY_CHOICE("clock", clock, clock_names),
    KEY_TEXT("count", count_kind),
    KEY_NUMBER("memory", memory_size),
    KEY_NUMBER("epoch", epoch),
    KEY_NUMBER("timeout-ns", timeout_ns),
    KEY_CHOICE("noise", noise, bool_names),
    KEY_NUMBER("noise-seed", noise_seed),
    KEY_HEX("exception-bitmap", exception_bitmap),
    KEY_HEX("page-fault-mask", page_fault_mask),
    KEY_HEX("page-fault-match", page_fault_match),
    KEY_NUMBER("sabotage", sabotage),
    KEY_TEXT("kernel-format", kernel_format),
    KEY_TEXT("kernel", kernel.name),
    KEY_NUMBER("kernel-size", kernel.size),
    KEY_TEXT("kernel-sha256", kernel.sha256),
    KEY_TEXT("initrd", initrd.name),
    KEY_NUMBER("initrd-size", initrd.size),
    KEY_TEXT("initrd-sha256", initrd.sha256),
    KEY_TEXT("command-line", command_line),
    KEY_CHOICE("finished", finished, finished_names),
    KEY_CHOICE("end-reason", end_reason, end_names),
    KEY_NUMBER("end-detail", end_detail),
    KEY_NUMBER("exits", exits),
    KEY_NUMBER("guest-count", count),
    KEY_NUMBER("guest-ns", guest_ns),
    KEY_NUMBER("injections", injections),
    KEY_NUMBER("chunks", chunks),
    KEY_STREAM("inputs", STREAM_INPUT),
    KEY_STREAM("observations", STREAM_OBSERVATION),
};

/* --- values to text ------------------------------------------------------------ */

struct text {
    char *to;
    size_t used, size;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->to + text->used, text->size - text->used, format, arguments);
    va_end(arguments);
    text->used = min_u64(text->used + (size_t)length, text->size - 1);
}

/* Control characters and the backslash as \xHH; everything else as it is. */
static void put_escaped(struct text *text, const char *from)
{
    for (; *from; from++) {
        u8 c = (u8)*from;
        if (c < 0x20 || c == 0x7f || c == '\\')
            put(text, "\\x%02x", c);
        else
            put(text, "%c", c);
    }
}

static u64 number_of(const struct manifest *manifest, const struct key *key)
{
    u64 value = 0;
    memcpy(&value, (const u8 *)manifest + key->offset, key->width);
    return value;
}

static void put_when(struct text *text, u64 seconds)
{
    time_t when = (time_t)seconds;
    struct tm utc;
    char buffer[40] = "1970-01-01T00:00:00Z";
    if (gmtime_r(&when, &utc))
        strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%SZ", &utc);
    put(text, "%s", buffer);
}

static size_t choices_in(const char *const *choices)
{
    size_t count = 0;
    while (choices[count])
        count++;
    return count;
}

static void put_value(struct text *text, const struct manifest *manifest, const struct key *key)
{
    u64 number = number_of(manifest, key);
    if (key->type == TEXT)
        put_escaped(text, (const char *)manifest + key->offset);
    else if (key->type == WHEN)
        put_when(text, number);
    else if (key->type == HEX)
        put(text, "0x%" PRIx64, number);
    else if (key->type == CHOICE && number < choices_in(key->choices))
        put(text, "%s", key->choices[number]);
    else if (number == NEVER)
        put(text, "none");
    else
        put(text, "%" PRIu64, number);
}

static u64 hash_of(const char *text, size_t length)
{
    return XXH64(text, length, 0);
}

size_t manifest_format(const struct manifest *manifest, char *to, size_t size)
{
    struct text text = {to, 0, size};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        put(&text, "%s: ", keys[i].name);
        put_value(&text, manifest, &keys[i]);
        put(&text, "\n");
    }
    put(&text, "checksum: xxh64:%016" PRIx64 "\n", hash_of(to, text.used));
    return text.used;
}

/* --- text to values ------------------------------------------------------------- */

static bool parse_number(const char *text, int base, u64 *value)
{
    char *end;
    if (!strcmp(text, "none")) {
        *value = NEVER;
        return true;
    }
    *value = strtoull(text, &end, base);
    return isxdigit((u8)*text) && !*end;
}

static bool parse_when(const char *text, u64 *value)
{
    struct tm utc = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    *value = (u64)timegm(&utc);
    return end && !*end;
}

static bool parse_choice(const char *text, const char *const *choices, u64 *value)
{
    for (*value = 0; choices[*value]; ++*value) {
        if (!strcmp(text, choices[*value]))
            return true;
    }
    return false;
}

static bool parse_text(const char *from, char *to, size_t size)
{
    size_t used = 0;
    while (*from && used + 1 < size) {
        unsigned c = (u8)*from++;
        if (c == '\\') {
            if (sscanf(from, "x%2x", &c) != 1 || strlen(from) < 3)
                return false;
            from += 3;
        }
        to[used++] = (char)c;
    }
    to[used] = 0;
    return !*from;
}

static bool parse_value(struct manifest *manifest, const struct key *key, const char *text)
{
    u64 value = 0;
    bool good = key->type == TEXT     ? parse_text(text, (char *)manifest + key->offset, key->size)
                : key->type == WHEN   ? parse_when(text, &value)
                : key->type == CHOICE ? parse_choice(text, key->choices, &value)
                                      : parse_number(text, 0, &value);
    if (key->type != TEXT)
        memcpy((u8 *)manifest + key->offset, &value, key->width);
    return good;
}

/* The line at *text for this key; moves *text past it. */
static bool parse_line(struct manifest *manifest, const struct key *key, char **text)
{
    size_t length = strlen(key->name);
    char *end = strchr(*text, '\n');
    if (!end || strncmp(*text, key->name, length) || strncmp(*text + length, ": ", 2))
        return false;
    *end = 0;
    bool good = parse_value(manifest, key, *text + length + 2);
    *end = '\n';
    *text = end + 1;
    return good;
}

/* Is the last line the right checksum of all lines before it? */
static bool checksum_is_right(const char *text, size_t length)
{
    char line[64];
    size_t size = strlen("checksum: xxh64:0123456789abcdef\n");
    if (length < size)
        return false;
    snprintf(line, sizeof(line), "checksum: xxh64:%016" PRIx64 "\n", hash_of(text, length - size));
    return !memcmp(text + length - size, line, size);
}

static struct failure parse_keys(struct manifest *manifest, char *copy, const char *where)
{
    char *at = copy, again[MANIFEST_MAX];
    if (!parse_line(manifest, &keys[0], &at))
        return fail(BAD_INPUT, "%.300s: this is not a hindvisor manifest", where);
    if (manifest->version < 1 || manifest->version > TRACE_FORMAT_VERSION)
        return fail(UNSUPPORTED,
                    "%.300s: the trace has format version %u, this hindvisor reads up to %d; use "
                    "one as new as that which recorded it",
                    where, manifest->version, TRACE_FORMAT_VERSION);
    for (size_t i = 1; i < ARRAY_SIZE(keys); i++) {
        if (!parse_line(manifest, &keys[i], &at))
            return fail(BAD_INPUT, "%.300s: the line \"%s: ...\" is missing or wrong", where,
                        keys[i].name);
    }
    size_t length = manifest_format(manifest, again, sizeof(again));
    if (length != strlen(copy) || memcmp(again, copy, length))
        return fail(BAD_INPUT, "%.300s: it is not written the way hindvisor writes it", where);
    return NO_FAILURE;
}

struct failure manifest_parse(struct manifest *manifest, const char *text, size_t length,
                              const char *where)
{
    char copy[MANIFEST_MAX + 1];
    *manifest = (struct manifest){0};
    if (length > MANIFEST_MAX || memchr(text, 0, length) || !checksum_is_right(text, length))
        return fail(BAD_INPUT,
                    "%.300s: its checksum is wrong: the file was changed or cut; restore it from "
                    "a copy of the trace",
                    where);
    memcpy(copy, text, length);
    copy[length] = 0;
    return parse_keys(manifest, copy, where);
}

/* --- files ------------------------------------------------------------------------ */

struct failure manifest_write(const struct manifest *manifest, const char *directory)
{
    char text[MANIFEST_MAX];
    size_t length = manifest_format(manifest, text, sizeof(text));
    return file_replace(directory, "manifest", text, length);
}

struct failure manifest_read(struct manifest *manifest, const char *directory)
{
    char path[FILE_PATH], text[MANIFEST_MAX + 1];
    size_t length;
    file_path(path, directory, "manifest");
    struct failure failure = file_read(path, text, sizeof(text), &length);
    if (failure.code == BAD_INPUT)
        return fail(BAD_INPUT, "%.300s: there is no trace here (no file `manifest`)", directory);
    ATTEMPT(failure);
    return manifest_parse(manifest, text, length, path);
}

bool manifest_has_dropped(const struct manifest *manifest)
{
    return manifest->finished != TRACE_UNFINISHED && manifest->exits &&
           !manifest->blocks[STREAM_OBSERVATION];
}

bool manifest_tells(const struct manifest *manifest, u32 kind)
{
    if (kind == REC_RAISE)
        return manifest->version >= TRACE_WITH_RAISES;
    return kind != REC_IDLE || manifest->version >= TRACE_WITH_IDLES;
}
