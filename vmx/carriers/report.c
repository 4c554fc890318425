/*
 * A run's report in words: its end, its exits, and for a replay that differs
 * from its trace the first difference, with what a person needs to find why. The
 * report comes from the image: counts in it are checked before use as sizes.
 */
#include "vmx/carriers/report.h"

#include <stdlib.h>
#include <string.h>

#include "core/gate.h"
#include "core/machine.h"
#include "vmx/carriers/disassemble.h"
#include "vmx/exits.h"
#include "vmx/fields.h"

/* --- words ------------------------------------------------------------------ */

static const char *end_text(u32 reason)
{
    static const char *const texts[] = {
#define X(number, name, text) [number] = text,
        END_REASONS(X)
#undef X
    };
    return reason < ARRAY_SIZE(texts) && texts[reason] ? texts[reason]
                                                       : "it ended for a reason unknown here";
}

static const char *divergence_text(u32 kind)
{
    static const char *const texts[] = {
#define X(name, text) [DIVERGENCE_##name] = text,
        DIVERGENCES(X)
#undef X
    };
    return kind < ARRAY_SIZE(texts) && texts[kind] ? texts[kind]
                                                   : "something differs that has no name here";
}

/* "EPT_VIOLATION" or "reason 77". */
static const char *reason_text(u32 reason, char text[24])
{
    const char *name = exit_reason_name(reason);
    if (*name != '?')
        return name;
    snprintf(text, 24, "reason %u", reason);
    return text;
}

static const char *record_name(u32 kind)
{
    switch (kind) {
#define R(number, name, NAME, stream, FIELDS) \
    case number:                              \
        return #name;
        RECORDS(R)
#undef R
    default:
        return "nothing";
    }
}

void report_end(FILE *out, const struct report *report)
{
    fputs(end_text(report->end_reason), out);
    switch (report->end_reason) {
    case END_DEBUG_EXIT:
        fprintf(out, ": %lu", report->end_detail);
        break;
    case END_UNKNOWN_EXIT:
    case END_ENTRY_FAILED:
        fprintf(out, ": number %lu", report->end_detail);
        break;
    case END_UNEMULATED:
        fprintf(out, ": at guest-physical 0x%lx", report->end_detail);
        break;
    case END_TASK_SWITCH:
        fprintf(out, ": at 0x%lx", report->end_detail);
        break;
    }
}

bool report_is_trouble(const struct report *report)
{
    switch (report->end_reason) {
    case END_TRIPLE_FAULT:
    case END_ENTRY_FAILED:
    case END_UNKNOWN_EXIT:
    case END_UNEMULATED:
    case END_TASK_SWITCH:
        return true;
    default:
        return false;
    }
}

/* --- exits by reason ---------------------------------------------------------- */

struct row {
    u32 reason;
    u64 exits;
};

static int most_first(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->exits != b->exits)
        return a->exits < b->exits ? 1 : -1;
    return (a->reason > b->reason) - (a->reason < b->reason);
}

static u32 sorted_rows(const struct report *report, struct row rows[REASON_LIMIT])
{
    u32 count = 0;
    for (u32 reason = 0; reason < REASON_LIMIT; reason++)
        if (report->exits_by_reason[reason])
            rows[count++] = (struct row){reason, report->exits_by_reason[reason]};
    qsort(rows, count, sizeof(*rows), most_first);
    return count;
}

static double microseconds(u64 ticks, u64 tsc_hz)
{
    return tsc_hz ? (double)ticks * 1e6 / (double)tsc_hz : 0;
}

static void print_row(FILE *out, const struct report *report, const struct row *row, u64 tsc_hz)
{
    char text[24];
    double share = report->exits ? 100.0 * (double)row->exits / (double)report->exits : 0;
    fprintf(out, "  %-20s %10lu %6.2f %%", reason_text(row->reason, text), row->exits, share);
    if (tsc_hz &&
        report->latency_sum[row->reason]) /* the last exit of a run has no entry after it */
        fprintf(out, " %10.2f %10.2f", microseconds(report->latency_min[row->reason], tsc_hz),
                microseconds(report->latency_sum[row->reason] / row->exits, tsc_hz));
    fputc('\n', out);
}

void report_exits(FILE *out, const struct report *report, u64 tsc_hz, u32 limit)
{
    struct row rows[REASON_LIMIT];
    u32 count = sorted_rows(report, rows);
    u64 rest = 0;
    if (!count)
        return;
    fprintf(out, "  %-20s %10s %8s", "VM exit", "exits", "share");
    fputs(tsc_hz ? "    min us     avg us\n" : "\n", out);
    for (u32 i = 0; i < count && i < limit; i++)
        print_row(out, report, &rows[i], tsc_hz);
    for (u32 i = limit; i < count; i++)
        rest += rows[i].exits;
    if (rest)
        fprintf(out, "  %-20s %10lu\n", "others", rest);
}

/* --- the instruction ------------------------------------------------------------ */

u32 report_disassemble(const struct report *report, char *text, size_t size)
{
    struct disassembler *d = disassembler_new();
    u32 length =
        disassemble(d, report->instruction, min_u64(report->instruction_length, INSTRUCTION_MAX),
                    report->registers.rip, report->mode_bits, text, size);
    disassembler_free(d);
    return length;
}

static void print_instruction(FILE *out, const struct report *report)
{
    char text[256];
    u32 length = report_disassemble(report, text, sizeof(text));
    if (!length)
        length = (u32)min_u64(report->instruction_length, INSTRUCTION_MAX);
    if (!length) {
        fputs("  instruction   its bytes could not be read\n", out);
        return;
    }
    fprintf(out, "  instruction   %s   [", text);
    for (u32 i = 0; i < length; i++)
        fprintf(out, "%s%02x", i ? " " : "", report->instruction[i]);
    fprintf(out, "], %u-bit code\n", report->mode_bits);
}

/* --- registers, exits, VMCS --------------------------------------------------------- */

static void print_registers(FILE *out, const struct registers *r)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    fputs("\nRegisters\n", out);
    for (u32 i = 0; i < 16; i++)
        fprintf(out, "%s%3s %016lx%s", i % 4 ? "  " : "  ", names[i], r->gpr[i],
                i % 4 == 3 ? "\n" : "");
    fprintf(out, "  rip %016lx  rfl %016lx  cr0 %016lx  cr2 %016lx\n", r->rip, r->rflags, r->cr0,
            r->cr2);
    fprintf(out, "  cr3 %016lx  cr4 %016lx efer %016lx\n", r->cr3, r->cr4, r->efer);
    fprintf(out,
            "  cs %04x (base %lx, access %x)  ss %04x (base %lx)  ds %04x  es %04x  fs %04x (base "
            "%lx)  gs %04x (base %lx)\n",
            r->cs, r->cs_base, r->cs_access, r->ss, r->ss_base, r->ds, r->es, r->fs, r->fs_base,
            r->gs, r->gs_base);
}

static void print_last(FILE *out, const struct report *report)
{
    u32 count = (u32)min_u64(report->last_count, LAST_EXITS);
    char text[24];
    if (!count)
        return;
    fprintf(out, "\nLast exits, the newest at the bottom\n  %10s %-18s %12s %18s %14s %14s %18s\n",
            "number", "reason", "count", "rip", "qualification", "address", "value");
    for (u32 i = 0; i < count; i++) {
        const struct exit_record *e = &report->last[i];
        u64 number = report->exits >= count - i ? report->exits - (count - i) : 0;
        fprintf(out, "  %10lu %-18s %12lu %18lx %14lx %14lx %18lx\n", number,
                reason_text(e->reason, text), e->count, e->rip, e->qualification, e->address,
                e->value);
    }
}

static const char *field_name(u32 encoding)
{
    for (u32 i = 0; i < vmcs_field_count; i++)
        if (vmcs_fields[i].encoding == encoding)
            return vmcs_fields[i].name;
    return "?";
}

static void print_vmcs(FILE *out, const struct report *report)
{
    u32 count = (u32)min_u64(report->vmcs_count, VMCS_DUMP);
    if (count)
        fputs("\nVMCS\n", out);
    for (u32 i = 0; i < count; i++) {
        const struct vmcs_value *v = &report->vmcs[i];
        fprintf(out, "  %04x %-22s %16lx%s", v->encoding, field_name(v->encoding), v->value,
                i % 2 || i == count - 1 ? "\n" : "   ");
    }
}

static void heading(FILE *out, const char *text, bool color)
{
    fprintf(out, color ? "\033[1m%s\033[0m\n" : "%s\n", text);
}

void report_state(FILE *out, const struct report *report, bool color)
{
    heading(out, "\nState at the end", color);
    print_instruction(out, report);
    print_registers(out, &report->registers);
    print_last(out, report);
    print_vmcs(out, report);
}

/* --- the likely cause ---------------------------------------------------------------- */

/* Instructions whose result is not the guest's state alone and which the CPU model hides but
 * silicon may execute (docs/TRICKS.md); and some whose undefined flags differ between processors.
 */
static const char *const nondeterministic[] = {
    "rdrand", "rdseed", "rdpid", "rdpmc", "rdpru", "xgetbv", "xtest", "xbegin", "umonitor",
    "umwait", "tpause", "sgdt",  "sidt",  "sldt",  "str",    "rdtsc", "rdtscp"};
static const char *const undefined_flags[] = {
    "imul", "mul", "div", "idiv", "shl", "shr", "sar",  "rol", "ror", "rcl", "rcr", "shld",
    "shrd", "bsf", "bsr", "and",  "or",  "xor", "test", "aaa", "aas", "aam", "aad", "bt"};

static bool in_list(const char *text, const char *const *list, size_t count)
{
    size_t length = strcspn(text, " ");
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == length && !strncmp(text, list[i], length))
            return true;
    return false;
}

static bool same_exit(const struct report *report)
{
    const struct exit_record *e = &report->expected_record.exit;
    return e->kind == REC_EXIT && e->reason == report->actual.reason &&
           e->rip == report->actual.rip;
}

/* The class by what differs alone. */
static const char *class_of(const struct report *report)
{
    switch (report->divergence) {
    case DIVERGENCE_INPUT_KIND:
    case DIVERGENCE_INPUT_STATE:
        return "an input was changed, lost or added in the trace, or the devices ask for other "
               "inputs "
               "than when it was recorded";
    case DIVERGENCE_POSITION:
    case DIVERGENCE_INJECTION:
        return "timing: an event was delivered at another instruction than recorded, or its "
               "position in "
               "the trace was changed";
    case DIVERGENCE_COUNT:
        return same_exit(report)
                   ? "timing: the same exit after another number of instructions, so an "
                     "earlier event came elsewhere, or a fault or a REP counted otherwise"
                   : "an exit is missing or extra: the run took another path since the exit "
                     "before";
    case DIVERGENCE_REASON:
    case DIVERGENCE_RIP:
        return "an exit is missing or extra: the run took another path since the exit before";
    case DIVERGENCE_QUALIFICATION:
    case DIVERGENCE_ADDRESS:
    case DIVERGENCE_VALUE:
    case DIVERGENCE_REGISTERS:
    case DIVERGENCE_CPU_STATE:
        return "the guest computed other data on the same path: its memory or an image differs, an "
               "input "
               "was changed, or an instruction gave another result";
    case DIVERGENCE_MEMORY_STATE:
        return "guest RAM differs though all exits agree: an image differs, or an instruction "
               "stored "
               "another result";
    case DIVERGENCE_DEVICE_STATE:
        return "a device is in another state though the guest did the same: the device model "
               "differs from "
               "the one that recorded";
    case DIVERGENCE_END:
    case DIVERGENCE_EXTRA_EXIT:
        return "the end was recorded elsewhere: the trace was cut or changed after its recording";
    default:
        return "no rule names a cause";
    }
}

void report_cause(const struct report *report, char text[CAUSE_MAX])
{
    char insn[256];
    const char *more = "";
    report_disassemble(report, insn, sizeof(insn));
    if (in_list(insn, nondeterministic, ARRAY_SIZE(nondeterministic)))
        more = "; the instruction at RIP is one whose result may differ between runs or processors";
    else if (in_list(insn, undefined_flags, ARRAY_SIZE(undefined_flags)) &&
             (report->divergence == DIVERGENCE_REGISTERS ||
              report->divergence == DIVERGENCE_CPU_STATE))
        more = "; the instruction at RIP leaves flags undefined, which processors fill differently";
    snprintf(text, CAUSE_MAX, "%s%s", class_of(report), more);
}

/* --- the divergence --------------------------------------------------------------------- */

/* A record of the log, field by field, as the schema says. */
static void print_record(FILE *out, const char *label, const union record *record)
{
    char text[24];
    fprintf(out, "  %-13s %s", label, record_name(record->kind));
    switch (record->kind) {
#define DEC "%s %lu"
#define HEX "%s 0x%lx"
#define ARRIVAL DEC
#define END DEC
#define INTERRUPTION HEX
#define REASON DEC
#define SOURCE DEC
#define F(type, field, render, coding) fprintf(out, ", " render, #field, (u64)r_->field);
#define R(number, name, NAME, stream, FIELDS)           \
    case number: {                                      \
        const struct name##_record *r_ = &record->name; \
        FIELDS(F)                                       \
        break;                                          \
    }
        RECORDS(R)
#undef R
#undef F
#undef DEC
#undef HEX
#undef ARRIVAL
#undef END
#undef INTERRUPTION
#undef REASON
#undef SOURCE
    }
    if (record->kind == REC_EXIT)
        fprintf(out, " (%s)", reason_text(record->exit.reason, text));
    fputc('\n', out);
}

/* The number of the exit at which the run ended; exits before it agreed. */
u64 report_place(const struct report *report)
{
    return report->exits ? report->exits - 1 : 0;
}

static void print_position(FILE *out, const struct report *report)
{
    fprintf(out, "  where         exit %lu, guest count %lu, RIP 0x%lx, guest time %lu.%09lu s\n",
            report_place(report), report->count, report->registers.rip,
            (u64)(report->now / NANOSECONDS), (u64)(report->now % NANOSECONDS));
}

static void print_side(FILE *out, const struct report *report, const char *label, u64 value)
{
    char text[24];
    if (report->divergence == DIVERGENCE_REASON)
        fprintf(out, "  %-13s %s\n", label, reason_text((u32)value, text));
    else
        fprintf(out, "  %-13s 0x%lx (%lu)\n", label, value, value);
}

void report_divergence(FILE *out, const struct report *report, bool color)
{
    char cause[CAUSE_MAX];
    union record actual = {.exit = report->actual};
    actual.kind = REC_EXIT;
    report_cause(report, cause);
    heading(out, "First difference", color);
    fprintf(out, "  what          %s\n", divergence_text(report->divergence));
    print_position(out, report);
    print_side(out, report, "expected", report->expected);
    print_side(out, report, "got", report->got);
    if (report->expected_record.kind)
        print_record(out, "in the trace", &report->expected_record);
    if (report->actual.kind)
        print_record(out, "in the replay", &actual);
    fprintf(out, "  likely cause  %s\n", cause);
    print_instruction(out, report);
    print_registers(out, &report->registers);
    print_last(out, report);
}
