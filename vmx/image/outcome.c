/*
 * How a run ended, in words on the console: for machines that are booted by hand,
 * whose screen is all that the user sees before the disk is copied back. The whole
 * report is on the trace disk.
 */
#include "vmx/image/outcome.h"
#include "core/machine.h"
#include "vmx/exits.h"

static const char *end_text(u32 reason)
{
    static const char *const texts[] = {
#define X(number, name, text) [number] = text,
        END_REASONS(X)
#undef X
    };
    return reason < ARRAY_SIZE(texts) ? texts[reason] : "it ended for a reason unknown here";
}

static const char *divergence_text(u32 kind)
{
    static const char *const texts[] = {
#define X(name, text) [DIVERGENCE_##name] = text,
        DIVERGENCES(X)
#undef X
    };
    return kind < ARRAY_SIZE(texts) ? texts[kind] : "something differs that has no name here";
}

static void say_position(const struct report *report)
{
    console_message("  at exit %lu, guest count %lu, RIP 0x%lx, guest time %lu.%09lu s",
                    report->exits ? report->exits - 1 : 0, report->count, report->registers.rip,
                    (u64)(report->now / NANOSECONDS), (u64)(report->now % NANOSECONDS));
}

static void say_difference(const struct report *report)
{
    console_message("replay: different: %s", divergence_text(report->divergence));
    say_position(report);
    if (report->divergence == DIVERGENCE_REASON)
        console_message("  expected %s, got %s", exit_reason_name((u32)report->expected),
                        exit_reason_name((u32)report->got));
    else
        console_message("  expected 0x%lx (%lu), got 0x%lx (%lu)", report->expected,
                        report->expected, report->got, report->got);
    console_message("  more of it: hindvisor replay TRACE --verdict DISK");
}

static void say_same(const struct report *report)
{
    console_message("replay: same: %lu exits, %lu state hashes%s", report->exits, report->states,
                    report->end_reason == END_LOG_ENDED ? ", up to where the recording was cut"
                                                        : "");
}

static void say_end(const struct mission *mission, const struct report *report)
{
    const char *done = mission->mode == MODE_RECORD ? "recorded" : "run";

    if (report->end_reason == END_UNEMULATED)
        console_message("%s: %s: at guest-physical 0x%lx", done, end_text(report->end_reason),
                        report->end_detail);
    else if (report->end_reason == END_TASK_SWITCH)
        console_message("%s: %s: at 0x%lx", done, end_text(report->end_reason), report->end_detail);
    else if (report->end_reason == END_DEBUG_EXIT || report->end_reason == END_UNKNOWN_EXIT ||
             report->end_reason == END_ENTRY_FAILED)
        console_message("%s: %s: %lu", done, end_text(report->end_reason), report->end_detail);
    else
        console_message("%s: %s", done, end_text(report->end_reason));
    say_position(report);
    if (mission->mode == MODE_RECORD)
        console_message("  from the trace disk into the trace: hindvisor repair TRACE");
}

void outcome_say(const struct mission *mission, const struct report *report)
{
    if (report->verdict == VERDICT_DIVERGED)
        say_difference(report);
    else if (report->verdict == VERDICT_SAME)
        say_same(report);
    else
        say_end(mission, report);
    if (report->message[0])
        console_message("  %s", report->message);
}
