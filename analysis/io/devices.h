/* Names for where accesses go: devices and their registers by port, GPA and MSR. */
#ifndef ANALYSIS_IO_DEVICES_H
#define ANALYSIS_IO_DEVICES_H

#include "core/types.h"

enum space { SPACE_PORT, SPACE_MMIO, SPACE_MSR };
extern const char *const space_names[]; /* "port", ... */

/* NULL: nobody is there, or it has no name. */
const char *device_at(enum space, u64 address);
const char *register_at(enum space, u64 address);
/* "TSC_DEADLINE" */
const char *name_of_msr(u64 msr);

#endif
