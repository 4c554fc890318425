/*
 * Carrier QEMU/KVM with nested VT-x: the image by multiboot, trace disk and module
 * disk on the primary IDE channel, the debug console and COM1 as under Bochs. The
 * host's KVM must offer VT-x to its guests (kvm_intel nested=1). Never run on a
 * machine with VT-x so far; HINDVISOR_QEMU_ACCEL=tcg runs it without, as far as the
 * image's check of what the processor lacks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmx/carriers/job.h"

static const char *accelerator(void)
{
    const char *choice = getenv("HINDVISOR_QEMU_ACCEL");
    return choice && !strcmp(choice, "tcg") ? "tcg" : "kvm";
}

static struct failure kvm_check(void)
{
    char path[CARRIER_PATH];
    if (!find_program("qemu-system-x86_64", path))
        return fail(UNSUPPORTED,
                    "qemu-system-x86_64 is not in PATH; install it with `apt-get install qemu-system-x86`");
    if (!strcmp(accelerator(), "kvm") && access("/dev/kvm", R_OK | W_OK))
        return fail_errno("cannot use /dev/kvm: --processor kvm needs KVM with nested VT-x; "
                          "--processor bochs runs anywhere");
    return NO_FAILURE;
}

static struct failure kvm_prepare(const struct carrier_job *job, const char *line,
                                  struct carrier_command *command)
{
    static char memory[32], serial[128];
    char image[CARRIER_PATH];
    bool kvm = !strcmp(accelerator(), "kvm");
    snprintf(memory, sizeof(memory), "%lu", job->mission.carrier_memory >> 20);
    snprintf(serial, sizeof(serial), "tty,id=line,path=%s", line);
    ATTEMPT(find_image("hindvisor.bin", image));
    ATTEMPT(job_link(job, "hindvisor.bin", image));
    ATTEMPT(job_link(job, "disk", job->disk));
    ATTEMPT(job_save(job, "mission", &job->mission, sizeof(job->mission)));
    ATTEMPT(job_write_modules(job));
    *command = (struct carrier_command){{
        "qemu-system-x86_64", "-machine", kvm ? "pc,accel=kvm" : "pc,accel=tcg", "-cpu", kvm ? "host" : "max",
        "-m", memory, "-nodefaults", "-display", "none", "-no-reboot",
        "-chardev", "stdio,id=out,signal=off", "-device", "isa-debugcon,iobase=0xe9,chardev=out",
        "-chardev", serial, "-serial", "chardev:line",
        "-drive", "file=disk,format=raw,if=ide,index=0", "-drive", "file=modules,format=raw,if=ide,index=1",
        "-kernel", "hindvisor.bin", "-initrd", "mission mission", NULL,
    }};
    return NO_FAILURE;
}

static void kvm_explain(const char *directory, char *text, size_t size)
{
    char path[CARRIER_PATH];
    snprintf(path, sizeof(path), "%.4000s/stderr", directory);
    FILE *log = fopen(path, "re");
    if (!log || !fgets(text, (int)size, log))
        snprintf(text, size, "it left no message");
    text[strcspn(text, "\n")] = '\0';
    if (log)
        fclose(log);
}

const struct carrier carrier_kvm = {
    .name = "kvm",
    .program = "QEMU",
    .tsc_hz = 0,
    .memory_max = 3072ull << 20,
    .check = kvm_check,
    .prepare = kvm_prepare,
    .explain = kvm_explain,
};
