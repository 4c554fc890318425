/*
 * The tracepoints, made from the schema: one for each kind of record, and what
 * two records or one field say: VM entries and accesses to ports and device
 * memory. Read by LTTng's own headers several times, each time with other
 * definitions of their macros; lttng-ust(3).
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER hindvisor
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "trace/lttng/tracepoints.h"

#if !defined(TRACE_LTTNG_TRACEPOINTS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TRACE_LTTNG_TRACEPOINTS_H

#include <lttng/tracepoint.h>

#include "trace/schema.h"
#include "vmx/exits.h"

#define X(nr, name, handler) lttng_ust_field_enum_value(#name, nr)
LTTNG_UST_TRACEPOINT_ENUM(hindvisor, exit_reason, LTTNG_UST_TP_ENUM_VALUES(VMX_EXITS(X)))
#undef X

#define FIELD_DEC(type, name) lttng_ust_field_integer(type, name, record->name)
#define FIELD_HEX(type, name) lttng_ust_field_integer_hex(type, name, record->name)
#define FIELD_ARRIVAL(type, name) FIELD_DEC(type, name)
#define FIELD_SOURCE(type, name) FIELD_DEC(type, name)
#define FIELD_END(type, name) FIELD_DEC(type, name)
#define FIELD_INTERRUPTION(type, name) FIELD_HEX(type, name)
#define FIELD_REASON(type, name) \
    lttng_ust_field_enum(hindvisor, exit_reason, type, name, record->name)

/* `number`: of the exit that the record belongs to. */
#define F(type, name, render, coding) FIELD_##render(type, name)
#define R(nr, name, NAME, stream, FIELDS)                                         \
    LTTNG_UST_TRACEPOINT_EVENT(                                                   \
        hindvisor, name,                                                          \
        LTTNG_UST_TP_ARGS(const struct name##_record *, record, u64, exit_number), \
        LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(u64, number, exit_number) FIELDS(F)))
RECORDS(R)
#undef R
#undef F

LTTNG_UST_TRACEPOINT_EVENT(
    hindvisor, entry, LTTNG_UST_TP_ARGS(const struct exit_record *, record, u64, exit_number),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(u64, number, exit_number)
                            lttng_ust_field_integer(u64, tsc, record->tsc_entry)))

/* SDM table 28-5: the exit qualification of an I/O instruction. */
LTTNG_UST_TRACEPOINT_EVENT(
    hindvisor, pio, LTTNG_UST_TP_ARGS(const struct exit_record *, record, u64, exit_number),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(u64, number, exit_number)
            lttng_ust_field_integer_hex(u16, port, (u16)(record->qualification >> 16))
                lttng_ust_field_integer(u8, size, (u8)((record->qualification & 7) + 1))
                    lttng_ust_field_integer(u8, in, (u8)(record->qualification >> 3 & 1))
                        lttng_ust_field_integer_hex(u64, value, record->value)))

/* SDM table 28-7: bit 1 of an EPT violation's is a write. */
LTTNG_UST_TRACEPOINT_EVENT(
    hindvisor, mmio, LTTNG_UST_TP_ARGS(const struct exit_record *, record, u64, exit_number),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(u64, number, exit_number)
            lttng_ust_field_integer_hex(u64, gpa, record->address)
                lttng_ust_field_integer(u8, write, (u8)(record->qualification >> 1 & 1))
                    lttng_ust_field_integer_hex(u64, value, record->value)))

#endif

#include <lttng/tracepoint-event.h>
