/*
 * Machines that are booted by hand: the image with its mission and the guest's
 * files as a bootable ISO, GRUB being the multiboot loader on it. Nothing is
 * started here but grub-mkrescue. BIOS only: GRUB's EFI part would enter the image
 * behind firmware that keeps the memory map and the screen to itself.
 * Multiboot 0.6.96; the modules' roles are vmx/image/multiboot.c's.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmx/carriers/child.h"
#include "vmx/carriers/job.h"

#define GRUB_BIOS "/usr/lib/grub/i386-pc"

static const struct {
    const char *program, *package;
} tools[] = {{"grub-mkrescue", "grub-common"}, {"xorriso", "xorriso"}, {"mformat", "mtools"}};

static struct failure iso_check(void)
{
    char path[CARRIER_PATH], missing[128] = "";
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
        if (!find_program(tools[i].program, path))
            strcat(strcat(missing, " "), tools[i].package);
    if (access(GRUB_BIOS "/multiboot.mod", R_OK))
        strcat(missing, " grub-pc-bin");
    if (*missing)
        return fail(UNSUPPORTED,
                    "an ISO cannot be made; install what is missing with `apt-get install%s`",
                    missing);
    return NO_FAILURE;
}

/* The loader says where the modules are; nobody reads frames; firmware has used the RAM. */
static struct mission hand_mission(const struct carrier_job *job)
{
    struct mission mission = job->mission;
    mission.flags &= ~(u32)(MISSION_FRAMED | MISSION_RAM_ZERO | MISSION_MODULE_DISK);
    mission.carrier_memory = 0;
    memset(mission.modules, 0, sizeof(mission.modules));
    return mission;
}

static struct failure write_parts(const struct carrier_job *job)
{
    const struct mission mission = hand_mission(job);
    char image[CARRIER_PATH], menu[512];
    snprintf(menu, sizeof(menu),
             "set timeout=0\nmenuentry \"Hindvisor\" {\n    multiboot /boot/hindvisor\n"
             "    module /boot/mission mission\n    module /boot/kernel kernel\n%s}\n",
             job->initrd ? "    module /boot/initrd initrd\n" : "");
    ATTEMPT(find_image("hindvisor.bin", image));
    ATTEMPT(job_copy(job, "hindvisor", image));
    ATTEMPT(job_copy(job, "kernel", job->kernel));
    if (job->initrd)
        ATTEMPT(job_copy(job, "initrd", job->initrd));
    ATTEMPT(job_save(job, "mission", &mission, sizeof(mission)));
    return job_save(job, "grub.cfg", menu, strlen(menu));
}

/* Its stdout ends when it does. */
static int wait_for(struct child *child)
{
    struct pollfd waiter = {.fd = child->output, .events = POLLIN};
    char ignored[512];
    for (ssize_t n = 1; n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));) {
        poll(&waiter, 1, -1);
        n = read(child->output, ignored, sizeof(ignored));
    }
    while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
    return child->status;
}

/* The last line that is no summary of another line. */
static void last_complaint(const struct carrier_job *job, char *text, size_t size)
{
    char path[CARRIER_PATH], line[512];
    snprintf(text, size, "it left no message");
    FILE *log = job_path(path, job, "stderr").code ? NULL : fopen(path, "re");
    while (log && fgets(line, sizeof(line), log)) {
        line[strcspn(line, "\n")] = 0;
        if (strstr(line, "FAILURE : ") ||
            (strstr(line, "error") && !strstr(line, "invocation failed")))
            snprintf(text, size, "%.300s", line);
    }
    if (log)
        fclose(log);
}

static struct failure run_grub(const struct carrier_job *job, const char *iso)
{
    struct child child = {.output = -1, .line = -1, .line_end = -1};
    char why[320];
    struct carrier_command command = {{
        "grub-mkrescue",
        "-d",
        GRUB_BIOS,
        "--locales=",
        "--fonts=",
        "--themes=",
        "-o",
        iso,
        "/boot/grub/grub.cfg=grub.cfg",
        "/boot/hindvisor=hindvisor",
        "/boot/mission=mission",
        "/boot/kernel=kernel",
        job->initrd ? "/boot/initrd=initrd" : NULL,
        NULL,
    }};
    ATTEMPT(child_start(&child, &command, job->directory));
    int status = wait_for(&child);
    child_close(&child);
    if (!status)
        return NO_FAILURE;
    last_complaint(job, why, sizeof(why));
    return fail(HOST_IO, "grub-mkrescue could not make %s: %s", iso, why);
}

struct failure iso_make(const struct carrier_job *job, const char *directory)
{
    char full[PATH_MAX], iso[PATH_MAX + sizeof(ISO_NAME) + 1];
    if (!realpath(directory, full))
        return fail_errno("cannot find %s", directory);
    snprintf(iso, sizeof(iso), "%s/%s", full, ISO_NAME);
    ATTEMPT(write_parts(job));
    return run_grub(job, iso);
}

const struct carrier carrier_image = {
    .name = "image",
    .program = "a machine booted by hand",
    .tsc_hz = 0,
    .memory_max = 3072ull << 20,
    .by_hand = true,
    .check = iso_check,
};
