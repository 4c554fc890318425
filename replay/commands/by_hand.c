/*
 * Recording and replaying on machines that the user boots: real ones, or those of
 * another hypervisor. The commands only prepare an ISO and a disk, and say here
 * what is to be done with them.
 */
#include "replay/commands/by_hand.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "replay/commands/session.h"

/* What firmware and loader may keep to themselves, with some room. */
enum { FIRMWARE_RAM = 34 << 20 };

struct failure by_hand_directory(const char *path)
{
    if (!mkdir(path, 0755))
        return NO_FAILURE;
    if (errno == EEXIST)
        return fail(BAD_INPUT, "%.300s: it exists already; choose another name with -o", path);
    return fail_errno("%.300s: cannot make the directory", path);
}

static void explain_files(const char *directory, const char *size, u64 memory)
{
    printf("%s is prepared:\n"
           "  %s  boots on a PC with VT-x by its BIOS (or UEFI's CSM), from CD or stick\n"
           "  disk           the trace disk, %s: the primary IDE master, ports 0x1f0 to 0x1f7\n"
           "The machine needs %lu MiB of RAM. Nobody can end the run from outside: the guest ends "
           "it, or --timeout.\n\n",
           directory, ISO_NAME, size, memory >> 20);
}

static void explain_machine(const char *directory, u64 bytes)
{
    printf("On a real machine (its SATA controller in IDE mode; /dev/DISK and /dev/STICK are "
           "overwritten):\n"
           "  dd if=%s/disk of=/dev/DISK bs=4M conv=fsync\n"
           "  dd if=%s/%s of=/dev/STICK bs=4M conv=fsync\n"
           "  boot it; its screen and COM1 show the guest and then `done`; copy the disk back:\n"
           "  dd if=/dev/DISK of=%s/disk bs=4M iflag=count_bytes count=%lu conv=sparse\n\n",
           directory, directory, ISO_NAME, directory, bytes);
}

static void explain_hypervisor(const char *directory, u64 memory)
{
    printf("In a virtual machine with nested VT-x, for example:\n"
           "  qemu-system-x86_64 -accel kvm -cpu host -m %lu -boot d -cdrom %s/%s \\\n"
           "    -drive file=%s/disk,format=raw,if=ide,index=0 -serial stdio -display none\n\n",
           memory >> 20, directory, ISO_NAME, directory);
}

void by_hand_explain(const struct carrier_job *job, const char *directory, const char *then)
{
    struct stat status;
    char size[32];
    u64 bytes = stat(job->disk, &status) ? 0 : (u64)status.st_size;
    u64 memory = job->mission.carrier_memory + FIRMWARE_RAM;
    session_size(bytes, size);
    explain_files(directory, size, memory);
    explain_machine(directory, bytes);
    explain_hypervisor(directory, memory);
    printf("Then: %s\n", then);
}
