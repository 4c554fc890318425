/*
 * The record schema, declared once. Structs, the block codec, the text and JSON
 * dump, the raw rows that the image writes and the round-trip tests all come
 * from these tables.
 *
 * RECORDS(R): R(number, name, NAME, stream, FIELDS)
 *   number   is part of the format and never reused. A reader skips numbers it
 *            does not know (docs/TRACE_FORMAT.md).
 *   stream   INPUT: needed for replay. OBSERVATION: may be dropped.
 * FIELDS(F): F(type, name, render, coding)
 *   render   how dumps show it: DEC, HEX, REASON, ARRIVAL, END, INTERRUPTION, SOURCE
 *   coding   how the block codec predicts it (trace/layout.h, trace/columns.c):
 *            PLAIN (not at all), DELTA (from the previous record of this kind),
 *            or from what was coded before in the same block
 *
 * In memory and on the wire a record is a struct whose first member is
 * `u16 kind`; sizes are multiples of 8. Fields are ordered so that the
 * struct has no surprises in its padding.
 */
#ifndef TRACE_SCHEMA_H
#define TRACE_SCHEMA_H

#include "core/types.h"

/* A VM exit. `address`: GPA, MSR index or CPUID leaf, else 0. `value`: what the
 * guest wrote or was given. `tsc_exit`, `tsc_entry`: host TSC first thing at the
 * exit and last thing at the entry that follows. `check`: the low byte of the
 * running register hash (struct position). `flags`: enum exit_flags. */
enum exit_flags { EXIT_FLAG_HALTED = 1 }; /* no entry came before it: a halted vCPU looks around */
#define EXIT_FIELDS(F)                \
    F(u16, reason, REASON, PLACE)     \
    F(u8, check, HEX, PLAIN)          \
    F(u8, flags, HEX, PLACE)          \
    F(u64, count, DEC, COUNT)         \
    F(u64, rip, HEX, PATH)            \
    F(u64, qualification, HEX, PLACE) \
    F(u64, address, HEX, PLACE)       \
    F(u64, value, HEX, VALUE)         \
    F(u64, tsc_exit, DEC, TSC)        \
    F(u64, tsc_entry, DEC, LATENCY)

/* An event delivered by the VM entry after exit number `exit` (SDM 25.8.3: `info`
 * is the VM-entry interruption-information field). */
#define INJECTION_FIELDS(F)           \
    F(u32, info, INTERRUPTION, DELTA) \
    F(u64, error, HEX, DELTA)         \
    F(u64, exit, DEC, DELTA)          \
    F(u64, count, DEC, AT_COUNT)      \
    F(u64, rip, HEX, AT_RIP)

/* A device timer was programmed: it goes off at guest time `deadline` (ns). */
#define TIMER_FIELDS(F)      \
    F(u64, exit, DEC, DELTA) \
    F(u64, deadline, DEC, AT_VALUE)

/* The halted vCPU had nothing to do before guest time `until` (ns), and time was skipped to
 * there: clock policy `count` only. What guest time is at any record follows from these,
 * trace/guest_time.h. */
#define IDLE_FIELDS(F)       \
    F(u64, exit, DEC, DELTA) \
    F(u64, until, DEC, AT_VALUE)

/* An interrupt was requested: by a timer that went off, which was due at guest time `due` (ns), or
 * by something else that happened then. It was requested at due + late. All of it is said at struct
 * raise in core/gate.h. */
#define RAISE_FIELDS(F)          \
    F(u8, source, SOURCE, DELTA) \
    F(u8, vector, HEX, DELTA)    \
    F(u8, flags, HEX, DELTA)     \
    F(u64, lost, DEC, DELTA)     \
    F(u64, late, DEC, DELTA)     \
    F(u64, exit, DEC, DELTA)     \
    F(u64, due, DEC, AT_VALUE)

/* The host's clock was read while exit `exit` was handled: guest ns. */
#define CLOCK_FIELDS(F)      \
    F(u64, exit, DEC, DELTA) \
    F(u64, value, DEC, DELTA)

/* The world stopped the vCPU at this position. */
#define STOP_FIELDS(F)        \
    F(u64, exit, DEC, DELTA)  \
    F(u64, count, DEC, DELTA) \
    F(u64, rip, HEX, DELTA)   \
    F(u64, rcx, HEX, DELTA)   \
    F(u64, check, HEX, PLAIN)

/* Something arrived at this position (enum arrival_kind in core/gate.h). */
#define ARRIVAL_FIELDS(F)        \
    F(u16, what, ARRIVAL, DELTA) \
    F(u64, value, HEX, DELTA)    \
    F(u64, exit, DEC, DELTA)     \
    F(u64, count, DEC, DELTA)    \
    F(u64, rip, HEX, DELTA)      \
    F(u64, rcx, HEX, DELTA)      \
    F(u64, check, HEX, PLAIN)

/* Hashes of the whole state at the end of a block, at exit `exit` after its
 * handler has run. `inputs`: over every input consumed so far. */
#define STATE_FIELDS(F)         \
    F(u64, exit, DEC, DELTA)    \
    F(u64, count, DEC, DELTA)   \
    F(u64, cpu, HEX, PLAIN)     \
    F(u64, memory, HEX, PLAIN)  \
    F(u64, devices, HEX, PLAIN) \
    F(u64, inputs, HEX, PLAIN)

/* The run is over (enum end_reason in core/machine.h). Always the last record; hashes
 * as in a state record. */
#define END_FIELDS(F)           \
    F(u16, reason, END, PLAIN)  \
    F(u64, detail, DEC, PLAIN)  \
    F(u64, exit, DEC, DELTA)    \
    F(u64, count, DEC, DELTA)   \
    F(u64, cpu, HEX, PLAIN)     \
    F(u64, memory, HEX, PLAIN)  \
    F(u64, devices, HEX, PLAIN) \
    F(u64, inputs, HEX, PLAIN)

#define RECORDS(R)                                            \
    R(1, exit, EXIT, OBSERVATION, EXIT_FIELDS)                \
    R(2, injection, INJECTION, OBSERVATION, INJECTION_FIELDS) \
    R(3, timer, TIMER, OBSERVATION, TIMER_FIELDS)             \
    R(4, idle, IDLE, OBSERVATION, IDLE_FIELDS)                \
    R(5, raise, RAISE, OBSERVATION, RAISE_FIELDS)             \
    R(16, clock, CLOCK, INPUT, CLOCK_FIELDS)                  \
    R(17, stop, STOP, INPUT, STOP_FIELDS)                     \
    R(18, arrival, ARRIVAL, INPUT, ARRIVAL_FIELDS)            \
    R(19, state, STATE, INPUT, STATE_FIELDS)                  \
    R(20, end, END, INPUT, END_FIELDS)

enum stream { STREAM_INPUT, STREAM_OBSERVATION, STREAM_COUNT };

#define R(number, name, NAME, stream, FIELDS) REC_##NAME = number,
enum record_kind { RECORDS(R) REC_KIND_LIMIT = 32 };
#undef R

#define F(type, name, render, coding) type name;
#define R(number, name, NAME, stream, FIELDS) \
    struct name##_record {                    \
        u16 kind;                             \
        FIELDS(F)                             \
    } __attribute__((aligned(8)));
RECORDS(R)
#undef R
#undef F

/* Any record; sized for the largest. */
union record {
    u16 kind;
#define R(number, name, NAME, stream, FIELDS) struct name##_record name;
    RECORDS(R)
#undef R
};

/* Bytes of a record of this kind in memory and on the wire; 0 for a kind that does not exist. */
static inline u32 record_size(u32 kind)
{
    switch (kind) {
#define R(number, name, NAME, stream, FIELDS) \
    case number:                              \
        return sizeof(struct name##_record);
        RECORDS(R)
#undef R
    default:
        return 0;
    }
}

#endif
