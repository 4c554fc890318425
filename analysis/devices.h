/* Names for where accesses go: devices and registers by port, GPA and MSR. */
#ifndef ANALYSIS_DEVICES_H
#define ANALYSIS_DEVICES_H

#include "core/types.h"

/* NULL: nobody is there. */
const char *device_of_port(u64 port);
const char *device_of_gpa(u64 gpa);
const char *name_of_msr(u64 msr);

#endif
