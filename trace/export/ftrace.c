/*
 * The text of ftrace's `trace` file, as trace-cmd report, trace viewers and
 * scripts read it: `TASK-PID [CPU] FLAGS SECONDS: EVENT: FIELDS`. VM exits, entries
 * and injections have the words of the kernel's arch/x86/kvm/trace.h, task switches
 * those of include/trace/events/sched.h; every other event is NAME=VALUE pairs. Without guest
 * events nobody knows which task ran: the vCPU itself stands in its place.
 */
#include "trace/export/export.h"

#include <inttypes.h>
#include <string.h>

static bool begin(struct export *x)
{
    fputs("# tracer: nop\n#\n"
          "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"
          "#              | |         |   |||||     |         |\n",
          x->out);
    return true;
}

static void put_head(FILE *out, const struct export_item *item, const char *event)
{
    char task[32];
    if (item->what == ITEM_GUEST && *item->event->comm)
        snprintf(task, sizeof(task), "%s-%d", item->event->comm, item->event->pid);
    else
        snprintf(task, sizeof(task), "<vcpu%u>-0", item->cpu);
    fprintf(out, "%23s [%03u] ..... %5" PRIu64 ".%09" PRIu64 ": %s:", task, item->cpu,
            (u64)(item->ns / NANOSECONDS), (u64)(item->ns % NANOSECONDS), event);
}

static void put_exit(FILE *out, const struct export_item *item)
{
    const struct exit_record *exit = &item->record->exit;
    char buffer[NAME_MAX_LENGTH];
    fprintf(out, " vcpu %u reason %s rip 0x%" PRIx64 " info1 0x%016" PRIx64 " info2 0x%016x",
            item->cpu, name_reason(exit->reason, buffer), exit->rip, exit->qualification, 0);
}

static void put_entry(FILE *out, const struct export_item *item)
{
    fprintf(out, " vcpu %u", item->cpu);
}

static void put_interrupt(FILE *out, const struct export_item *item)
{
    fprintf(out, " IRQ 0x%x", item->record->injection.info & 0xff);
}

/* "#GP (0x0)": the last word of "hardware exception #GP". */
static void put_exception(FILE *out, const struct export_item *item)
{
    char buffer[NAME_MAX_LENGTH];
    const char *name = name_interruption(item->record->injection.info, buffer);
    const char *space = strrchr(name, ' ');
    fprintf(out, " %s (0x%" PRIx64 ")", space ? space + 1 : name, item->record->injection.error);
}

/* The letters of include/trace/events/sched.h; a + is for a task that was preempted. */
static void put_switch(FILE *out, const struct export_item *item)
{
    const struct guest_sched_switch *s = &item->event->sched_switch;
    static const char letters[] = "SDTtXZPI";
    u32 state = (u32)s->prev_state & 0xff;
    fprintf(out, " prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%c%s", s->prev_comm,
            s->prev_pid, s->prev_prio, state ? letters[__builtin_ctz(state)] : 'R',
            s->prev_state & 0x100 ? "+" : "");
    fprintf(out, " ==> next_comm=%s next_pid=%d next_prio=%d", s->next_comm, s->next_pid,
            s->next_prio);
}

/* include/trace/events/irq.h */
static void put_irq_exit(FILE *out, const struct export_item *item)
{
    const struct guest_irq_handler_exit *e = &item->event->irq_handler_exit;
    fprintf(out, " irq=%d ret=%s", e->irq, e->ret ? "handled" : "unhandled");
}

static void put_field(FILE *out, const struct export_field *field, const struct export_item *item)
{
    char buffer[NAME_MAX_LENGTH];
    if (!field->width) {
        fprintf(out, " %s=%s", field->kernel, export_text(field, item));
        return;
    }
    u64 value = export_number(field, item);
    const char *words = export_words(field, value, buffer);
    if (words)
        fprintf(out, " %s=%s", field->kernel, words);
    else if (field->is_signed)
        fprintf(out, " %s=%" PRId64, field->kernel, (i64)value);
    else
        fprintf(out, field->render == RENDER_HEX ? " %s=0x%" PRIx64 : " %s=%" PRIu64, field->kernel,
                value);
}

static bool put(struct export *x, const struct export_item *item)
{
    static void (*const kernel_words[CLASS_LIMIT])(FILE *, const struct export_item *) = {
        [REC_EXIT] = put_exit,
        [CLASS_ENTRY] = put_entry,
        [REC_INJECTION] = put_interrupt,
        [CLASS_EXCEPTION] = put_exception,
        [CLASS_GUEST + GUEST_SCHED_SWITCH] = put_switch,
        [CLASS_GUEST + GUEST_IRQ_EXIT] = put_irq_exit,
    };
    const struct export_class *class = export_class_of(item);
    put_head(x->out, item, class->ftrace);
    if (kernel_words[class->id])
        kernel_words[class->id](x->out, item);
    else
        for (u32 i = 0; i < class->field_count; i++)
            put_field(x->out, &class->fields[i], item);
    fputc('\n', x->out);
    return true;
}

static bool end(struct export *x)
{
    (void)x;
    return true;
}

const struct export_format format_ftrace = {
    .name = "ftrace",
    .what = "ftrace's text, with the kernel's kvm_exit and kvm_entry events",
    .shape = SHAPE_TEXT,
    .begin = begin,
    .put = put,
    .end = end,
};
