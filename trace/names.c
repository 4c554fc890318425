/* Numbers to words. The facts come from the tables of core/ and vmx/. */
#include "trace/names.h"
#include "core/machine.h"
#include "vmx/exits.h"

#include <stdio.h>

static const char *pick(const char *const *names, size_t count, u64 number, const char *what,
                        char *buffer)
{
    if (number < count && names[number])
        return names[number];
    snprintf(buffer, NAME_MAX_LENGTH, "%s %llu", what, (unsigned long long)number);
    return buffer;
}

const char *name_reason(u32 reason, char buffer[NAME_MAX_LENGTH])
{
    static const char *const names[] = {
#define X(number, name, handler) [number] = #name,
        VMX_EXITS(X)
#undef X
    };
    return pick(names, ARRAY_SIZE(names), reason, "reason", buffer);
}

const char *name_end(u32 end, char buffer[NAME_MAX_LENGTH])
{
    static const char *const names[] = {
#define X(number, name, text) [number] = #name,
        END_REASONS(X)
#undef X
    };
    return pick(names, ARRAY_SIZE(names), end, "end", buffer);
}

const char *text_end(u32 end)
{
    static const char *const texts[] = {
#define X(number, name, text) [number] = text,
        END_REASONS(X)
#undef X
    };
    return end < ARRAY_SIZE(texts) ? texts[end] : "for a reason that this version does not know";
}

const char *name_arrival(u32 what, char buffer[NAME_MAX_LENGTH])
{
    static const char *const names[] = {
        [ARRIVAL_NONE] = "none",
        [ARRIVAL_TIME] = "time",
        [ARRIVAL_CONSOLE] = "console",
        [ARRIVAL_END] = "end",
    };
    return pick(names, ARRAY_SIZE(names), what, "arrival", buffer);
}

const char *name_source(u32 source, char buffer[NAME_MAX_LENGTH])
{
    static const char *const names[] = {
#define X(number, name, text) [number] = text,
        RAISE_SOURCES(X)
#undef X
    };
    return pick(names, ARRAY_SIZE(names), source, "source", buffer);
}

const char *name_interruption(u32 info, char buffer[NAME_MAX_LENGTH])
{
    static const char *const types[8] = {
        "external interrupt", "reserved type",      "NMI",
        "hardware exception", "software interrupt", "privileged software exception",
        "software exception", "other event",
    };
    static const char *const exceptions[32] = {
        "#DE", "#DB", NULL,  "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL,  "#TS",
        "#NP", "#SS", "#GP", "#PF", NULL,  "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
    };
    u32 vector = info & 0xff, type = info >> 8 & 7;
    if (!(info >> 31))
        snprintf(buffer, NAME_MAX_LENGTH, "not valid");
    else if (type == 3 && vector < 32 && exceptions[vector])
        snprintf(buffer, NAME_MAX_LENGTH, "%s %s", types[type], exceptions[vector]);
    else
        snprintf(buffer, NAME_MAX_LENGTH, "%s 0x%x", types[type], vector);
    return buffer;
}

const char *name_value(enum render render, u64 value, char buffer[NAME_MAX_LENGTH])
{
    switch (render) {
    case RENDER_REASON:
        return name_reason((u32)value, buffer);
    case RENDER_ARRIVAL:
        return name_arrival((u32)value, buffer);
    case RENDER_END:
        return name_end((u32)value, buffer);
    case RENDER_INTERRUPTION:
        return name_interruption((u32)value, buffer);
    case RENDER_SOURCE:
        return name_source((u32)value, buffer);
    default:
        return NULL;
    }
}
