/* Builds the classes from the schema's tables, once. See classes.h. */
#include "trace/export/classes.h"

#include <stdio.h>
#include <string.h>

/* SDM table 25-18: vector, type, whether an error code is delivered. */
enum { TYPE_EXTERNAL = 0, INFO_ERROR = 1 << 11, VECTOR = 0xff };

static struct export_class classes[CLASS_LIMIT];

/* --- what kernel tools know by other names ------------------------------------------------ */

static u64 cpu_of(const struct export_item *item)
{
    return item->cpu;
}

static u64 isa_vmx(const struct export_item *item)
{
    (void)item;
    return 1; /* KVM_ISA_VMX of the kernel's arch/x86/kvm/trace.h */
}

static u64 zero(const struct export_item *item)
{
    (void)item;
    return 0;
}

static u64 vector_of(const struct export_item *item)
{
    return item->record->injection.info & VECTOR;
}

static u64 has_error(const struct export_item *item)
{
    return (item->record->injection.info & INFO_ERROR) != 0;
}

static u64 tsc_of(const struct export_item *item)
{
    return item->tsc;
}

/* Events: class, LTTng's name, ftrace's name (kernel: arch/x86/kvm/trace.h; lttng-modules:
 * x86_irq_vectors). */
static const struct {
    u16 id;
    const char *lttng, *ftrace;
} kernel_events[] = {
    {REC_EXIT, "kvm_x86_exit", "kvm_exit"},
    {CLASS_ENTRY, "kvm_x86_entry", "kvm_entry"},
    {REC_INJECTION, "kvm_x86_inj_virq", "kvm_inj_virq"},
    {CLASS_EXCEPTION, "kvm_x86_inj_exception", "kvm_inj_exception"},
    {CLASS_GUEST + GUEST_TIMER_ENTRY, "x86_irq_vectors_local_timer_entry", "local_timer_entry"},
    {CLASS_GUEST + GUEST_TIMER_EXIT, "x86_irq_vectors_local_timer_exit", "local_timer_exit"},
};

/* Fields of the schema that have another name there. */
static const struct {
    u16 id;
    const char *name, *kernel;
} renamed[] = {
    {REC_EXIT, "reason", "exit_reason"},
    {REC_EXIT, "rip", "guest_rip"},
    {REC_EXIT, "qualification", "info1"},
    {CLASS_EXCEPTION, "error", "error_code"},
};

/* Fields that are not in the schema. */
static const struct {
    u16 id;
    struct export_field field;
} added[] = {
    {REC_EXIT, {.kernel = "vcpu_id", .width = 4, .compute = cpu_of}},
    {REC_EXIT, {.kernel = "isa", .width = 4, .compute = isa_vmx}},
    {REC_EXIT, {.kernel = "info2", .width = 8, .render = RENDER_HEX, .compute = zero}},
    {CLASS_ENTRY, {.kernel = "vcpu_id", .width = 4, .compute = cpu_of}},
    {CLASS_ENTRY, {.kernel = "tsc", .width = 8, .compute = tsc_of}},
    {REC_INJECTION, {.kernel = "irq", .width = 4, .compute = vector_of}},
    {CLASS_EXCEPTION, {.kernel = "exception", .width = 1, .compute = vector_of}},
    {CLASS_EXCEPTION, {.kernel = "has_error", .width = 1, .compute = has_error}},
};

/* --- the tables ------------------------------------------------------------------------------ */

static void add_field(struct export_class *class, struct export_field field)
{
    field.kernel = field.kernel ? field.kernel : field.name;
    for (size_t i = 0; field.name && i < ARRAY_SIZE(renamed); i++) {
        if (renamed[i].id == class->id && !strcmp(renamed[i].name, field.name))
            field.kernel = renamed[i].kernel;
    }
    class->fields[class->field_count++] = field;
}

static void add_record_fields(struct export_class *class, const struct kind_layout *layout)
{
    for (u32 i = 0; i < layout->field_count; i++) {
        const struct field_layout *field = &layout->fields[i];
        if (!strcmp(field->name, "exit")) /* every item has it */
            continue;
        add_field(class, (struct export_field){.name = field->name,
                                               .width = field->width,
                                               .render = field->render,
                                               .offset = field->offset});
    }
}

static void add_kernel_facts(struct export_class *class)
{
    for (size_t i = 0; i < ARRAY_SIZE(added); i++) {
        if (added[i].id == class->id)
            add_field(class, added[i].field);
    }
    for (size_t i = 0; i < ARRAY_SIZE(kernel_events); i++) {
        if (kernel_events[i].id == class->id) {
            class->lttng = kernel_events[i].lttng;
            class->ftrace = kernel_events[i].ftrace;
        }
    }
}

/* Not a record: what two records say between them. */
static void make_class(u16 id, const char *name, const char *own_name,
                       const struct kind_layout *layout)
{
    struct export_class *class = &classes[id];
    *class = (struct export_class){.id = id, .name = name, .lttng = own_name, .ftrace = own_name};
    if (layout)
        add_record_fields(class, layout);
    add_kernel_facts(class);
}

static void make_record_classes(void)
{
    static const char *const own[REC_KIND_LIMIT] = {
#define R(number, name, NAME, stream, FIELDS) [number] = "hindvisor_" #name,
        RECORDS(R)
#undef R
    };
    for (u16 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        if (layout)
            make_class(kind, layout->name, own[kind], layout);
    }
    make_class(CLASS_ENTRY, "entry", NULL, NULL);
    make_class(CLASS_EXCEPTION, "injection", NULL, kind_layout(REC_INJECTION));
}

static void make_guest_class(u16 id, const char *name, u16 proto, const struct export_field *fields,
                             size_t count)
{
    struct export_class *class = &classes[id];
    *class = (struct export_class){
        .id = id, .name = name, .lttng = name, .ftrace = name, .proto = proto};
    for (size_t i = 0; i < count; i++)
        add_field(class, fields[i]);
    add_kernel_facts(class);
}

#define IS_TEXT(type) _Generic((type *)0, guest_text * : 1, default : 0)

static void make_guest_classes(void)
{
#define F(type, member, number)                 \
    {.name = #member,                           \
     .width = IS_TEXT(type) ? 0 : sizeof(type), \
     .is_signed = true,                         \
     .proto = number,                           \
     .offset = AT + offsetof(self, member)},
#define E(event, NAME, number, FIELDS)                                                            \
    {                                                                                             \
        typedef struct guest_##event self;                                                        \
        enum { AT = offsetof(struct guest_event, event) };                                        \
        const struct export_field fields[] = {FIELDS(F)};                                         \
        make_guest_class(CLASS_GUEST + GUEST_##NAME, #event, number, fields, ARRAY_SIZE(fields)); \
    }
    GUEST_EVENTS(E)
#undef E
#undef F
}

const struct export_class *export_class(u32 id)
{
    if (!classes[CLASS_ENTRY].name) {
        make_record_classes();
        make_guest_classes();
    }
    return id < CLASS_LIMIT && classes[id].name ? &classes[id] : NULL;
}

/* --- of an item ------------------------------------------------------------------------------ */

const struct export_class *export_class_of(const struct export_item *item)
{
    if (item->what == ITEM_ENTRY)
        return export_class(CLASS_ENTRY);
    if (item->what == ITEM_GUEST)
        return export_class(CLASS_GUEST + item->event->kind);
    if (item->record->kind == REC_INJECTION &&
        (item->record->injection.info >> 8 & 7) != TYPE_EXTERNAL)
        return export_class(CLASS_EXCEPTION);
    return export_class(item->record->kind);
}

static const void *body(const struct export_item *item)
{
    return item->what == ITEM_GUEST ? (const void *)item->event : (const void *)item->record;
}

u64 export_number(const struct export_field *field, const struct export_item *item)
{
    if (field->compute)
        return field->compute(item);
    struct field_layout layout = {.offset = field->offset, .width = field->width};
    u64 value = field_get(&layout, body(item));
    u32 unused = 64 - 8 * field->width;
    return field->is_signed ? (u64)((i64)(value << unused) >> unused) : value;
}

const char *export_text(const struct export_field *field, const struct export_item *item)
{
    return (const char *)body(item) + field->offset;
}
