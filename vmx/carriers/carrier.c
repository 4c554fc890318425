/* The carriers by name, and where a run's files go in the carrier's RAM. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/memory.h"
#include "vmx/carriers/carrier.h"
#include "vmx/image/layout.h"

static const struct carrier *const carriers[] = {&carrier_software, &carrier_bochs, &carrier_kvm, &carrier_image};

enum { MIB = 1 << 20, LARGE_PAGE = 2 * MIB, HYPERVISOR_RAM = 24 * MIB };

const struct carrier *carrier_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(carriers); i++)
        if (!strcmp(carriers[i]->name, name))
            return carriers[i];
    return NULL;
}

const char *const *carrier_names(void)
{
    static const char *names[ARRAY_SIZE(carriers) + 1];
    for (size_t i = 0; i < ARRAY_SIZE(carriers); i++)
        names[i] = carriers[i]->name;
    return names;
}

const char *carrier_choices(void)
{
    static char text[128];
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_SIZE(carriers); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s`%s`",
                                 !i ? "" : i + 1 < ARRAY_SIZE(carriers) ? ", " : " or ",
                                 carriers[i]->name);
    return text;
}

struct failure carrier_check(const struct carrier *carrier)
{
    return carrier->check ? carrier->check() : NO_FAILURE;
}

u64 carrier_tsc_hz(const struct carrier *carrier)
{
    return carrier->in_process ? in_process_tsc_hz() : carrier->tsc_hz;
}

static struct failure place(struct module *module, const char *role, const char *path, u64 *next)
{
    ATTEMPT(check_file(role, path, &module->length));
    module->address = *next;
    *next = align_up(*next + module->length, SECTOR);
    return NO_FAILURE;
}

/* The guest's files follow each other on the module disk and are read into carrier RAM above
 * the image; the rest is for guest RAM, its bookkeeping and its EPT. */
struct failure carrier_place(struct carrier_job *job)
{
    struct mission *mission = &job->mission;
    const struct carrier *carrier = carrier_find(job->processor);
    u64 next = 0;
    if (carrier->in_process)
        return NO_FAILURE;
    memset(mission->modules, 0, sizeof(mission->modules));
    ATTEMPT(place(&mission->modules[MODULE_KERNEL], "kernel", job->kernel, &next));
    if (job->initrd)
        ATTEMPT(place(&mission->modules[MODULE_INITRD], "initrd", job->initrd, &next));
    mission->flags |= MISSION_MODULE_DISK;
    next += MODULES_ADDRESS + align_up(mission->memory_size, LARGE_PAGE) +
            mission->memory_size / 64 + HYPERVISOR_RAM;
    mission->carrier_memory = align_up(next, LARGE_PAGE);
    if (mission->carrier_memory > carrier->memory_max)
        return fail(NO_SPACE,
                    "the guest needs %lu MiB of RAM in all, %s can have %lu MiB; use less --memory "
                    "or a smaller initrd",
                    mission->carrier_memory / MIB, carrier->program, carrier->memory_max / MIB);
    return NO_FAILURE;
}
