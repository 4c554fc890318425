/* Runs of the image; see run.h. */
#include "bench/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu_model.h"
#include "core/machine.h"
#include "replay/commands/session.h"

enum { EPOCH = 1767225600, TROUBLE = 2 };
void bench_check(struct failure failure)
{
    if (!failure.code)
        return;
    fprintf(stderr, "bench: %s\n", failure.text);
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
    struct carrier_job job = {
        .processor = carrier_bochs.name,
        .mission = session_mission(&manifest, mode),
        .kernel = guest->kernel,
        .initrd = guest->initrd,
        .wall_timeout = NEVER,
        .quiet = true,
        .sink = mode == MODE_RECORD ? sink : (struct carrier_sink){0},
    };
    bench_check(session_run(&job, outcome));
}
