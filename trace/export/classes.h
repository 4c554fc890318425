/*
 * What is exported, as data: a class for each kind of record, for VM entries and
 * for each kind of guest event, with its fields. Made from the schema's tables
 * (trace/layout.h, guest_events.h); by hand are only the names by which kernel
 * tools know some of them. Exporters walk these and name no record.
 */
#ifndef TRACE_EXPORT_CLASSES_H
#define TRACE_EXPORT_CLASSES_H

#include "trace/export/guest_events.h"
#include "trace/layout.h"
#include "trace/moments.h"

/* One thing to export. */
struct export_item {
    enum { ITEM_RECORD, ITEM_ENTRY, ITEM_GUEST } what;
    u64 ns; /* guest time; never less than the item's before */
    bool exact;
    u16 cpu;
    u64 exit;                        /* number of the exit that it belongs to */
    u64 tsc;                         /* ITEM_ENTRY: host TSC at the VM entry */
    const union record *record;      /* ITEM_RECORD; ITEM_ENTRY: the exit before it */
    const struct guest_event *event; /* ITEM_GUEST */
};

struct export_field {
    const char *name;   /* of the schema; NULL: only kernel tools want it */
    const char *kernel; /* by which kernel tools know it; else as `name` */
    u8 width;           /* bytes of a number; 0: text */
    bool is_signed;
    u8 render;                                  /* enum render */
    u16 proto;                                  /* of guest events: number in Perfetto's message */
    u16 offset;                                 /* in the record or guest event, or: */
    u64 (*compute)(const struct export_item *); /* if not NULL */
};

enum { CLASS_FIELDS = FIELDS_MAX + 4 };

struct export_class {
    u16 id;
    const char *name;   /* "exit": table and file names; two classes may share one */
    const char *lttng;  /* "kvm_x86_exit": LTTng's kernel name of it, else "hindvisor_NAME" */
    const char *ftrace; /* "kvm_exit" */
    u16 proto;          /* of guest events: number in Perfetto's FtraceEvent */
    u8 field_count;
    struct export_field fields[CLASS_FIELDS];
};

enum {
    CLASS_ENTRY = REC_KIND_LIMIT, /* below: the record kinds' numbers */
    CLASS_EXCEPTION,              /* an injection that is no external interrupt */
    CLASS_GUEST,                  /* + enum guest_event_kind */
    CLASS_LIMIT = CLASS_GUEST + GUEST_EVENT_KINDS,
};

/* NULL for a number without a class. */
const struct export_class *export_class(u32 id);
/* The class of this item. */
const struct export_class *export_class_of(const struct export_item *);
/* A number as its bits say, sign-extended if it has a sign; and a text. */
u64 export_number(const struct export_field *, const struct export_item *);
const char *export_text(const struct export_field *, const struct export_item *);
/* Does a name in words belong to this field's numbers (`reason_name`)? */
static inline bool export_has_words(const struct export_field *field)
{
    return field->render > RENDER_HEX;
}

#endif
