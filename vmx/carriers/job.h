/* What carriers put into a job's directory; used by each carrier's prepare(). */
#ifndef VMX_CARRIERS_JOB_H
#define VMX_CARRIERS_JOB_H

#include "vmx/carriers/carrier.h"

/* DIRECTORY/NAME. */
struct failure job_path(char path[CARRIER_PATH], const struct carrier_job *, const char *name);
/* A link NAME in the directory to `target`: carriers give odd characters in paths meanings of
 * their own, so they are shown only plain names in their working directory. */
struct failure job_link(const struct carrier_job *, const char *name, const char *target);
struct failure job_save(const struct carrier_job *, const char *name, const void *data, size_t length);
/* A copy NAME of a file, for programs that do not follow links. */
struct failure job_copy(const struct carrier_job *, const char *name, const char *from);
/* The guest's files as a flat disk `modules`, at the offsets that carrier_place() chose. */
struct failure job_write_modules(const struct carrier_job *);
u64 job_module_sectors(const struct carrier_job *); /* whole cylinders */

#endif
