/*
 * Common Trace Format 1.8 (diamon.org/ctf): a directory with a text that
 * describes the layout (ctf_metadata.c) and a stream for each CPU, in packets of
 * at most PACKET bytes. Everything is little-endian and byte-aligned. The clock is
 * guest time; the host's TSC is in fields.
 */
#include "trace/export/ctf.h"

#include <stdlib.h>
#include <string.h>

enum { PACKET = 64 << 10, CPUS_MAX = 256, EVENT_MAX = 1024 };

struct stream_out {
    FILE *file;
    u8 *packet; /* its header is filled in when it is full */
    u32 used;
    u64 first_ns, last_ns, number;
};

struct ctf {
    u8 uuid[16];
    struct stream_out streams[CPUS_MAX];
};

static bool begin(struct export *x)
{
    struct ctf *ctf = x->state;
    ctf_uuid(x->manifest, ctf->uuid);
    return ctf_write_metadata(x);
}

static bool flush(struct export *x, struct stream_out *out, u16 cpu)
{
    struct ctf *ctf = x->state;
    struct ctf_packet header = {
        .magic = CTF_MAGIC,
        .timestamp_begin = out->first_ns,
        .timestamp_end = out->last_ns,
        .content_size = out->used * 8ull,
        .packet_size = out->used * 8ull,
        .packet_seq_num = out->number++,
        .cpu_id = cpu,
    };
    memcpy(header.uuid, ctf->uuid, sizeof(header.uuid));
    memcpy(out->packet, &header, sizeof(header));
    bool good = fwrite(out->packet, 1, out->used, out->file) == out->used;
    out->used = sizeof(struct ctf_packet);
    return good || export_fail(x, fail_errno("%.300s: cannot write it", x->place.path));
}

static struct stream_out *stream_of(struct export *x, u16 cpu)
{
    struct ctf *ctf = x->state;
    char name[32];
    if (cpu >= CPUS_MAX) {
        export_fail(x, fail(BAD_INPUT, "an event is on CPU %u, of at most %d", cpu, CPUS_MAX));
        return NULL;
    }
    struct stream_out *out = &ctf->streams[cpu];
    if (out->packet)
        return out;
    snprintf(name, sizeof(name), "cpu%u", cpu);
    out->file = export_open(x, name);
    if (!out->file)
        return NULL;
    out->packet = malloc(PACKET);
    if (!out->packet)
        export_fail(x, fail(NO_SPACE, "no memory for a packet"));
    out->used = sizeof(struct ctf_packet);
    return out->packet ? out : NULL;
}

static u32 encode(u8 *to, const struct export_class *class, const struct export_item *item)
{
    struct ctf_event event = {class->id, item->ns, item->exit};
    u32 used = sizeof(event);
    memcpy(to, &event, sizeof(event));
    for (u32 i = 0; i < class->field_count; i++) {
        const struct export_field *field = &class->fields[i];
        u64 value = field->width ? export_number(field, item) : 0;
        u32 size = field->width ? field->width : sizeof(guest_text);
        memcpy(to + used, field->width ? (const void *)&value : export_text(field, item), size);
        used += size;
    }
    return used;
}

_Static_assert(sizeof(struct ctf_event) + CLASS_FIELDS * sizeof(guest_text) <= EVENT_MAX,
               "the largest event");

static bool put(struct export *x, const struct export_item *item)
{
    struct stream_out *out = stream_of(x, item->cpu);
    if (!out)
        return false;
    if (out->used + EVENT_MAX > PACKET && !flush(x, out, item->cpu))
        return false;
    if (out->used == sizeof(struct ctf_packet))
        out->first_ns = item->ns;
    out->last_ns = item->ns;
    out->used += encode(out->packet + out->used, export_class_of(item), item);
    return true;
}

static bool end(struct export *x)
{
    struct ctf *ctf = x->state;
    bool good = true;
    for (u16 cpu = 0; cpu < CPUS_MAX; cpu++) {
        struct stream_out *out = &ctf->streams[cpu];
        if (!out->file)
            continue;
        if (out->used > sizeof(struct ctf_packet))
            good = flush(x, out, cpu) && good;
        good = export_close(x, out->file, "cpu") && good;
        out->file = NULL;
    }
    return good;
}

static void drop(struct export *x)
{
    struct ctf *ctf = x->state;
    for (u32 cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (ctf->streams[cpu].file)
            fclose(ctf->streams[cpu].file);
        free(ctf->streams[cpu].packet);
    }
}

const struct export_format format_ctf = {
    .name = "ctf",
    .what = "Common Trace Format 1.8, for babeltrace2 and Trace Compass",
    .shape = SHAPE_DIRECTORY,
    .state_size = sizeof(struct ctf),
    .begin = begin,
    .put = put,
    .end = end,
    .drop = drop,
};
