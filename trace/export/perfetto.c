/*
 * A Perfetto trace (perfetto.dev, protos/perfetto/trace): one protobuf message
 * Trace whose packets are written as they come. Tracks: VM exits of each vCPU as
 * slices from exit to entry, interrupts and everything else as instants, the
 * handling time as a counter. Guest events are ftrace packets, so that Perfetto's
 * own scheduler tables fill. Time is guest time, as the guest's CLOCK_BOOTTIME.
 *
 * Names are interned once, in the first packet: an exit takes about 100 bytes.
 */
#include "trace/export/export.h"
#include "trace/export/proto.h"

/* Field numbers of Perfetto's messages. */
enum { TRACE_PACKET = 1 };
enum {
    PACKET_FTRACE_EVENTS = 1,
    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE_ID = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_INTERNED_DATA = 12,
    PACKET_SEQUENCE_FLAGS = 13,
    PACKET_TRACK_DESCRIPTOR = 60,
};
enum { SEQUENCE_CLEARED = 1, SEQUENCE_NEEDS_STATE = 2 };
enum { INTERNED_EVENT_NAMES = 2, INTERNED_ANNOTATION_NAMES = 3, INTERNED_IID = 1, INTERNED_NAME };
enum { DESCRIPTOR_UUID = 1, DESCRIPTOR_NAME = 2, DESCRIPTOR_PARENT = 5, DESCRIPTOR_COUNTER = 8 };
enum {
    EVENT_ANNOTATION = 4,
    EVENT_TYPE = 9,
    EVENT_NAME_IID = 10,
    EVENT_TRACK = 11,
    EVENT_NAME = 23,
    EVENT_COUNTER_VALUE = 30,
};
enum { TYPE_SLICE_BEGIN = 1, TYPE_SLICE_END, TYPE_INSTANT, TYPE_COUNTER };
enum { ANNOTATION_IID = 1, ANNOTATION_UINT = 3, ANNOTATION_POINTER = 7 };
enum { BUNDLE_CPU = 1, BUNDLE_EVENT = 2 };
enum { FTRACE_TIMESTAMP = 1, FTRACE_PID = 2, FTRACE_GENERIC = 327 };
enum { GENERIC_NAME = 1, GENERIC_FIELD = 2 };
enum { GENERIC_FIELD_NAME = 1, GENERIC_FIELD_TEXT = 3, GENERIC_FIELD_INT = 4 };

/* Tracks, as `uuid`. */
enum track { TRACK_GUEST = 1, TRACK_EXITS, TRACK_INTERRUPTS, TRACK_RECORDS, TRACK_LATENCY };

enum { SEQUENCE = 1, ANNOTATION_EXIT = 1 };

struct perfetto {
    struct proto head, packet, event, ftrace, inner, field; /* being built */
    bool open;                                              /* a slice of an exit is */
    u64 ns;                                                 /* of the last item */
};

static u64 annotation_iid(const struct export_class *class, u32 field)
{
    return (u64)(class->id + 1) * CLASS_FIELDS + field;
}

/* --- packets ----------------------------------------------------------------------------- */

static void begin_packet(struct perfetto *p, u64 ns)
{
    proto_clear(&p->packet);
    proto_clear(&p->event);
    proto_number(&p->packet, PACKET_TIMESTAMP, ns);
    proto_number(&p->packet, PACKET_SEQUENCE_ID, SEQUENCE);
}

static bool end_packet(struct export *x)
{
    struct perfetto *p = x->state;
    if (p->packet.cut)
        return export_fail(x,
                           fail(INTERNAL, "a Perfetto packet has more than %d bytes", PROTO_MAX));
    proto_clear(&p->head);
    proto_varint(&p->head, TRACE_PACKET << 3 | 2);
    proto_varint(&p->head, p->packet.used);
    fwrite(p->head.bytes, 1, p->head.used, x->out);
    fwrite(p->packet.bytes, 1, p->packet.used, x->out);
    return true;
}

static bool end_event(struct export *x)
{
    struct perfetto *p = x->state;
    proto_number(&p->packet, PACKET_SEQUENCE_FLAGS, SEQUENCE_NEEDS_STATE);
    proto_message(&p->packet, PACKET_TRACK_EVENT, &p->event);
    return end_packet(x);
}

static void begin_event(struct perfetto *p, u64 ns, u32 type, enum track track)
{
    begin_packet(p, ns);
    proto_number(&p->event, EVENT_TYPE, type);
    proto_number(&p->event, EVENT_TRACK, track);
}

/* --- the first packets ------------------------------------------------------------------- */

static void intern(struct perfetto *p, struct proto *data, u32 field, u64 iid, const char *name)
{
    proto_clear(&p->inner);
    proto_number(&p->inner, INTERNED_IID, iid);
    proto_text(&p->inner, INTERNED_NAME, name);
    proto_message(data, field, &p->inner);
}

static bool put_names(struct export *x)
{
    struct perfetto *p = x->state;
    begin_packet(p, 0);
    proto_number(&p->packet, PACKET_SEQUENCE_FLAGS, SEQUENCE_CLEARED);
    for (u32 reason = 0; reason < EXPORT_WORDS; reason++) {
        char buffer[NAME_MAX_LENGTH];
        intern(p, &p->event, INTERNED_EVENT_NAMES, reason + 1, name_reason(reason, buffer));
    }
    intern(p, &p->event, INTERNED_ANNOTATION_NAMES, ANNOTATION_EXIT, "exit");
    for (u32 id = 0; id < CLASS_GUEST; id++) {
        const struct export_class *class = export_class(id);
        for (u32 i = 0; class && i < class->field_count; i++)
            intern(p, &p->event, INTERNED_ANNOTATION_NAMES, annotation_iid(class, i),
                   class->fields[i].kernel);
    }
    proto_message(&p->packet, PACKET_INTERNED_DATA, &p->event);
    return end_packet(x);
}

static bool put_track(struct export *x, enum track track, const char *name)
{
    struct perfetto *p = x->state;
    begin_packet(p, 0);
    proto_number(&p->event, DESCRIPTOR_UUID, track);
    proto_text(&p->event, DESCRIPTOR_NAME, name);
    if (track != TRACK_GUEST)
        proto_number(&p->event, DESCRIPTOR_PARENT, TRACK_GUEST);
    if (track == TRACK_LATENCY)
        proto_text(&p->event, DESCRIPTOR_COUNTER, "");
    proto_message(&p->packet, PACKET_TRACK_DESCRIPTOR, &p->event);
    return end_packet(x);
}

static bool begin(struct export *x)
{
    return put_names(x) && put_track(x, TRACK_GUEST, "guest") &&
           put_track(x, TRACK_EXITS, "vCPU 0: VM exits") &&
           put_track(x, TRACK_INTERRUPTS, "vCPU 0: injected") &&
           put_track(x, TRACK_RECORDS, "timers, inputs, states") &&
           put_track(x, TRACK_LATENCY,
                     x->manifest->tsc_hz ? "exit to entry (host ns)" : "exit to entry (host TSC)");
}

/* --- records ----------------------------------------------------------------------------- */

static void annotate(struct perfetto *p, const struct export_class *class,
                     const struct export_item *item)
{
    proto_clear(&p->inner);
    proto_number(&p->inner, ANNOTATION_IID, ANNOTATION_EXIT);
    proto_number(&p->inner, ANNOTATION_UINT, item->exit);
    proto_message(&p->event, EVENT_ANNOTATION, &p->inner);
    for (u32 i = 0; i < class->field_count; i++) {
        const struct export_field *field = &class->fields[i];
        proto_clear(&p->inner);
        proto_number(&p->inner, ANNOTATION_IID, annotation_iid(class, i));
        proto_number(&p->inner, field->render == RENDER_HEX ? ANNOTATION_POINTER : ANNOTATION_UINT,
                     export_number(field, item));
        proto_message(&p->event, EVENT_ANNOTATION, &p->inner);
    }
}

static bool put_slice_end(struct export *x, u64 ns)
{
    struct perfetto *p = x->state;
    if (!p->open)
        return true;
    p->open = false;
    begin_event(p, ns, TYPE_SLICE_END, TRACK_EXITS);
    return end_event(x);
}

static bool put_latency(struct export *x, const struct export_item *item)
{
    struct perfetto *p = x->state;
    const struct exit_record *exit = &item->record->exit;
    u64 latency = exit->tsc_entry > exit->tsc_exit ? exit->tsc_entry - exit->tsc_exit : 0;
    begin_event(p, item->ns, TYPE_COUNTER, TRACK_LATENCY);
    proto_number(&p->event, EVENT_COUNTER_VALUE,
                 x->manifest->tsc_hz ? tsc_to_ns(latency, x->manifest->tsc_hz) : latency);
    return end_event(x);
}

static void put_reason(struct perfetto *p, u32 reason)
{
    char buffer[NAME_MAX_LENGTH];
    if (reason < EXPORT_WORDS)
        proto_number(&p->event, EVENT_NAME_IID, reason + 1);
    else
        proto_text(&p->event, EVENT_NAME, name_reason(reason, buffer));
}

/* A halted vCPU that looks around is still in the slice of its HLT. */
static bool put_exit(struct export *x, const struct export_class *class,
                     const struct export_item *item)
{
    struct perfetto *p = x->state;
    bool looks_around = item->record->exit.flags & EXIT_FLAG_HALTED && p->open;
    if (!looks_around && !put_slice_end(x, item->ns))
        return false;
    begin_event(p, item->ns, looks_around ? TYPE_INSTANT : TYPE_SLICE_BEGIN, TRACK_EXITS);
    put_reason(p, item->record->exit.reason);
    annotate(p, class, item);
    p->open = true;
    return end_event(x) && put_latency(x, item);
}

static bool put_instant(struct export *x, const struct export_class *class,
                        const struct export_item *item)
{
    struct perfetto *p = x->state;
    char buffer[NAME_MAX_LENGTH];
    bool injection = item->record->kind == REC_INJECTION;
    begin_event(p, item->ns, TYPE_INSTANT, injection ? TRACK_INTERRUPTS : TRACK_RECORDS);
    proto_text(&p->event, EVENT_NAME,
               injection ? name_interruption(item->record->injection.info, buffer) : class->name);
    annotate(p, class, item);
    return end_event(x);
}

/* --- guest events ------------------------------------------------------------------------ */

static void put_guest_fields(struct proto *to, const struct export_class *class,
                             const struct export_item *item)
{
    for (u32 i = 0; i < class->field_count; i++) {
        const struct export_field *field = &class->fields[i];
        if (field->width)
            proto_number(to, field->proto, export_number(field, item));
        else
            proto_text(to, field->proto, export_text(field, item));
    }
}

/* An event without a message of its own: names go along. */
static void put_generic_fields(struct perfetto *p, const struct export_class *class,
                               const struct export_item *item)
{
    proto_text(&p->inner, GENERIC_NAME, class->ftrace);
    for (u32 i = 0; i < class->field_count; i++) {
        const struct export_field *field = &class->fields[i];
        proto_clear(&p->field);
        proto_text(&p->field, GENERIC_FIELD_NAME, field->kernel);
        if (field->width)
            proto_number(&p->field, GENERIC_FIELD_INT, export_number(field, item));
        else
            proto_text(&p->field, GENERIC_FIELD_TEXT, export_text(field, item));
        proto_message(&p->inner, GENERIC_FIELD, &p->field);
    }
}

static bool put_guest(struct export *x, const struct export_class *class,
                      const struct export_item *item)
{
    struct perfetto *p = x->state;
    begin_packet(p, item->ns);
    proto_clear(&p->ftrace);
    proto_clear(&p->inner);
    if (class->proto)
        put_guest_fields(&p->inner, class, item);
    else
        put_generic_fields(p, class, item);
    proto_number(&p->ftrace, FTRACE_TIMESTAMP, item->ns);
    proto_number(&p->ftrace, FTRACE_PID, (u32)item->event->pid);
    proto_message(&p->ftrace, class->proto ? class->proto : FTRACE_GENERIC, &p->inner);
    proto_number(&p->event, BUNDLE_CPU, item->cpu);
    proto_message(&p->event, BUNDLE_EVENT, &p->ftrace);
    proto_message(&p->packet, PACKET_FTRACE_EVENTS, &p->event);
    return end_packet(x);
}

/* --- the format -------------------------------------------------------------------------- */

static bool put(struct export *x, const struct export_item *item)
{
    struct perfetto *p = x->state;
    const struct export_class *class = export_class_of(item);
    p->ns = item->ns;
    if (item->what == ITEM_GUEST)
        return put_guest(x, class, item);
    if (item->what == ITEM_ENTRY)
        return put_slice_end(x, item->ns);
    return item->record->kind == REC_EXIT ? put_exit(x, class, item) : put_instant(x, class, item);
}

static bool end(struct export *x)
{
    struct perfetto *p = x->state;
    return put_slice_end(x, p->ns);
}

const struct export_format format_perfetto = {
    .name = "perfetto",
    .what = "a Perfetto trace (protobuf), for ui.perfetto.dev and trace_processor",
    .shape = SHAPE_TEXT,
    .state_size = sizeof(struct perfetto),
    .begin = begin,
    .put = put,
    .end = end,
};
