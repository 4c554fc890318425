/* Runs of the image; see run.h. */
#include "bench/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cpu_model.h"
#include "core/machine.h"
#include "replay/commands/session.h"

enum { EPOCH = 1767225600, TROUBLE = 2 };
#define DISK_BYTES (8ull << 30) /* sparse */

static char directory[CARRIER_PATH], disk[CARRIER_PATH];

static void clean_up(void)
{
    if (*directory)
        session_remove(directory);
    *directory = 0;
}

void bench_check(struct failure failure)
{
    if (!failure.code)
        return;
    fprintf(stderr, "bench: %s\n", failure.text);
    clean_up();
    exit(TROUBLE);
}

void bench_manifest(const struct bench_guest *guest, struct manifest *manifest)
{
    enum kernel_format format;
    memset(manifest, 0, sizeof(*manifest));
    bench_check(check_kernel(guest->kernel, &format));
    manifest->cpu_model = CPU_MODEL_VERSION;
    manifest->clock = CLOCK_COUNT;
    manifest->memory_size = guest->memory;
    manifest->timeout_ns = NEVER;
    manifest->epoch = EPOCH;
    manifest->tsc_hz = carrier_bochs.tsc_hz;
    snprintf(manifest->processor, sizeof(manifest->processor), "%s", carrier_bochs.name);
    snprintf(manifest->kernel_format, sizeof(manifest->kernel_format), "%s",
             format == KERNEL_ELF ? "elf" : "linux");
    snprintf(manifest->command_line, sizeof(manifest->command_line), "%s", guest->command_line);
}

void bench_run(const struct bench_guest *guest, enum mission_mode mode, struct carrier_sink sink,
               struct carrier_outcome *outcome)
{
    struct manifest manifest;
    bench_manifest(guest, &manifest);
    bench_check(session_directory(directory));
    session_join(disk, directory, "trace.disk");
    bench_check(disk_create(disk, DISK_BYTES, NULL, NULL));
    struct carrier_job job = {
        .processor = carrier_bochs.name,
        .mission = session_mission(&manifest, mode),
        .kernel = guest->kernel,
        .initrd = guest->initrd,
        .disk = disk,
        .directory = directory,
        .wall_timeout = NEVER,
        .quiet = true,
        .sink = mode == MODE_RECORD ? sink : (struct carrier_sink){0},
    };
    memset(outcome, 0, sizeof(*outcome));
    bench_check(carrier_place(&job));
    bench_check(carrier_run(&job, outcome));
    clean_up();
    if (!outcome->have_report)
        bench_check(fail(INTERNAL, "the image left no report"));
}
