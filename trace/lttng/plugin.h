/*
 * The LTTng-UST plug-in: a shared object of its own, so that neither building
 * nor running Hindvisor needs LTTng. replay/commands/lttng.c loads it.
 */
#ifndef TRACE_LTTNG_PLUGIN_H
#define TRACE_LTTNG_PLUGIN_H

#include "trace/manifest.h"

#define LTTNG_PLUGIN "hindvisor-lttng.so"

/* Sees a block of raw records (trace/schema.h), in the order in which the recorder made them. */
typedef void observe_function(const void *records, u32 length);

/* What the plug-in exports: the function, and the layout of records that it was built for. */
observe_function hindvisor_observe;
extern const u32 hindvisor_observe_layout;
#define OBSERVE_LAYOUT ((u32)sizeof(union record) << 16 | TRACE_FORMAT_VERSION)

#endif
