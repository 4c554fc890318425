/* Keys of exits and their words; see keys.h. */
#include "analysis/exits/keys.h"
#include "analysis/io/devices.h"
#include "trace/names.h"
#include "vmx/exits.h"

#include <inttypes.h>
#include <stdio.h>

const char *const exit_key_names[] = {"reason", "port", "msr", "gpa", "rip", "qualification", NULL};

void exit_key_wish(u32 by, struct column_wishes *wishes)
{
    static const u32 columns[] = {
        [BY_REASON] = COLUMN(exit, flags),
        [BY_PORT] = COLUMN(exit, qualification),
        [BY_MSR] = COLUMN(exit, address),
        [BY_GPA] = COLUMN(exit, address) | COLUMN(exit, qualification),
        [BY_RIP] = COLUMN(exit, rip),
        [BY_QUALIFICATION] = COLUMN(exit, qualification),
    };
    wishes->fields[REC_EXIT] |= COLUMN(exit, reason) | columns[by];
}

bool exit_key(u32 by, const struct exit_columns *exits, size_t i, u64 *a, u64 *b)
{
    u64 reason = exits->reason[i];
    *a = reason;
    *b = 0;
    switch (by) {
    case BY_REASON:
        *b = exits->flags[i] & EXIT_FLAG_HALTED;
        return true;
    case BY_PORT:
        *a = exits->qualification[i] >> IO_PORT_SHIFT & 0xffff;
        *b = exits->qualification[i] & IO_IN ? WAY_IN : WAY_OUT;
        return reason == EXIT_IO_INSTRUCTION;
    case BY_MSR:
        *a = exits->address[i];
        *b = reason == EXIT_MSR_READ ? WAY_IN : WAY_OUT;
        return reason == EXIT_MSR_READ || reason == EXIT_MSR_WRITE;
    case BY_GPA:
        *a = exits->address[i];
        *b = way_of_ept(exits->qualification[i]);
        return reason == EXIT_EPT_VIOLATION || reason == EXIT_EPT_MISCONFIG;
    case BY_RIP: /* a HLT's time is of another kind: it has a row of its own */
        *a = exits->rip[i];
        *b = exit_is_halt(reason);
        return true;
    default:
        *b = exits->qualification[i];
        return true;
    }
}

/* --- words ------------------------------------------------------------------------------- */

static const char *way(u64 way, const char *in, const char *out)
{
    return way == WAY_FETCH ? "X" : way == WAY_IN ? in : out;
}

void exit_key_text(u32 by, u64 a, u64 b, char text[EXIT_KEY_TEXT])
{
    char buffer[NAME_MAX_LENGTH];
    const char *name = name_reason((u32)a, buffer);
    if (by == BY_REASON)
        snprintf(text, EXIT_KEY_TEXT, "%s%s", name, b ? " (waiting)" : "");
    else if (by == BY_QUALIFICATION)
        snprintf(text, EXIT_KEY_TEXT, "%s:0x%" PRIx64, name, b);
    else if (by == BY_RIP)
        snprintf(text, EXIT_KEY_TEXT, "0x%" PRIx64 "%s", a, b ? ":HLT" : "");
    else
        snprintf(text, EXIT_KEY_TEXT, "0x%" PRIx64 ":%s", a,
                 by == BY_PORT ? way(b, "PIN", "POUT") : way(b, "R", "W"));
}

void exit_key_note(u32 by, u64 a, u64 b, const struct symbolizer *symbols, char text[EXIT_KEY_TEXT])
{
    const char *name = NULL;
    (void)b;
    text[0] = 0;
    if (by == BY_RIP && symbols && symbols->name(symbols, a, text, EXIT_KEY_TEXT))
        return;
    if (by == BY_PORT)
        name = device_at(SPACE_PORT, a);
    else if (by == BY_GPA)
        name = device_at(SPACE_MMIO, a);
    else if (by == BY_MSR)
        name = name_of_msr(a);
    snprintf(text, EXIT_KEY_TEXT, "%s", name ? name : "");
}

void exit_tell_code(const struct symbolizer *symbols, u64 rip, struct output *out)
{
    char text[EXIT_KEY_TEXT];
    exit_key_note(BY_RIP, rip, 0, symbols, text);
    output_name(out, text);
    exit_tell_instruction(symbols, rip, out);
}

void exit_tell_instruction(const struct symbolizer *symbols, u64 rip, struct output *out)
{
    char text[EXIT_KEY_TEXT];
    bool known =
        symbols && symbols->instruction && symbols->instruction(symbols, rip, text, sizeof(text));
    output_name(out, known ? text : NULL);
}
