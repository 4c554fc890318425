/* Numbers of the trace in words. */
#ifndef TRACE_NAMES_H
#define TRACE_NAMES_H

#include "trace/layout.h"

enum { NAME_MAX_LENGTH = 80 };

/* A VM exit's basic reason: "IO_INSTRUCTION", or "reason 99" in `buffer`. */
const char *name_reason(u32 reason, char buffer[NAME_MAX_LENGTH]);
/* enum end_reason: "POWER_OFF"; and what it means: "the guest powered off". */
const char *name_end(u32 end, char buffer[NAME_MAX_LENGTH]);
const char *text_end(u32 end);
const char *name_source(u32 source, char buffer[NAME_MAX_LENGTH]); /* enum raise_source */
const char *name_arrival(u32 what, char buffer[NAME_MAX_LENGTH]);
/* SDM table 25-18: "external interrupt 0xec", "#PF with error code". */
const char *name_interruption(u32 info, char buffer[NAME_MAX_LENGTH]);
/* The word for a field's value; NULL: it is a plain number. */
const char *name_value(enum render, u64 value, char buffer[NAME_MAX_LENGTH]);

#endif
