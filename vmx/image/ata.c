/*
 * Sectors of the primary channel's two disks, by programmed I/O with 28- or 48-bit block
 * addresses; no interrupts, no DMA. ATA/ATAPI-6, sections 6, 8 and 9. Every wait
 * is bounded: a disk that does not answer is an error and not a hang.
 */
#include "vmx/image/image.h"
#include "vmx/image/ports.h"

enum {
    ATA_DATA = 0x1f0,
    ATA_ERROR = 0x1f1,
    ATA_COUNT = 0x1f2,
    ATA_LOW = 0x1f3,
    ATA_MIDDLE = 0x1f4,
    ATA_HIGH = 0x1f5,
    ATA_DEVICE = 0x1f6,
    ATA_COMMAND = 0x1f7,
    ATA_STATUS = 0x1f7,
    ATA_CONTROL = 0x3f6,
    NO_INTERRUPTS = 1u << 1,
    DEVICE_LBA = 0xe0,
    DEVICE_SLAVE = 0x10,
};
enum { BUSY = 0x80, DEVICE_FAULT = 0x20, DATA_REQUEST = 0x08, FAILED = 0x01 };
enum {
    COMMAND_READ = 0x20,
    COMMAND_READ_48 = 0x24,
    COMMAND_WRITE = 0x30,
    COMMAND_WRITE_48 = 0x34,
    COMMAND_FLUSH = 0xe7,
    COMMAND_IDENTIFY = 0xec,
};
enum {
    PATIENCE = 10000000, /* looks at the status register: about ten seconds */
    RUN_MAX = 256,       /* sectors in one command, whichever addressing */
    IDENTITY_WORDS = 256,
};

static struct {
    u8 device; /* DEVICE_LBA, and which of the two drives */
    bool known, addresses_48;
    u64 sectors;
} disk = {.device = DEVICE_LBA};

void ata_select(enum ata_drive drive)
{
    disk.device = drive == ATA_SLAVE ? DEVICE_LBA | DEVICE_SLAVE : DEVICE_LBA;
    disk.known = false;
    disk.sectors = 0;
}

/* The status once the disk is not busy any more; BUSY still set: it never came. */
static u8 settled_status(void)
{
    u8 status = BUSY;

    for (u32 i = 0; i < 4; i++) /* 400 ns until the status is valid */
        port_read(ATA_CONTROL);
    for (u32 i = 0; i < PATIENCE && (status & BUSY); i++)
        status = port_read(ATA_STATUS);
    return status;
}

static bool ready_for_data(u8 status)
{
    return (status & (BUSY | DEVICE_FAULT | DATA_REQUEST | FAILED)) == DATA_REQUEST;
}

static void learn_size(const u16 *identity)
{
    disk.sectors = identity[60] | (u64)identity[61] << 16;
    disk.addresses_48 = identity[83] & BIT(10);
    if (disk.addresses_48)
        disk.sectors = identity[100] | (u64)identity[101] << 16 | (u64)identity[102] << 32;
}

static void identify(void)
{
    u16 identity[IDENTITY_WORDS];

    port_write(ATA_CONTROL, NO_INTERRUPTS);
    port_write(ATA_DEVICE, disk.device);
    if (port_read(ATA_STATUS) == 0xff || (settled_status() & BUSY)) /* a floating bus */
        return;
    port_write(ATA_COMMAND, COMMAND_IDENTIFY);
    if (port_read(ATA_STATUS) == 0 || !ready_for_data(settled_status()))
        return; /* nothing there, or a CD-ROM, which refuses this command */
    port_read_words(ATA_DATA, identity, IDENTITY_WORDS);
    learn_size(identity);
}

bool ata_present(void)
{
    if (!disk.known)
        identify();
    disk.known = true;
    return disk.sectors != 0;
}

u64 ata_sectors(void)
{
    return ata_present() ? disk.sectors : 0;
}

static void write_address(u64 sector, u32 count)
{
    port_write(ATA_COUNT, (u8)count);
    port_write(ATA_LOW, (u8)sector);
    port_write(ATA_MIDDLE, (u8)(sector >> 8));
    port_write(ATA_HIGH, (u8)(sector >> 16));
}

/* Writes the address and the command; `count` 1..RUN_MAX. */
static void begin(u64 sector, u32 count, u8 command_28, u8 command_48)
{
    if (sector + count <= BIT(28)) {
        port_write(ATA_DEVICE, (u8)(disk.device | (sector >> 24 & 0xf)));
        write_address(sector, count);
        port_write(ATA_COMMAND, command_28);
    } else {
        port_write(ATA_DEVICE, disk.device);
        write_address(sector >> 24, count >> 8);
        write_address(sector, count);
        port_write(ATA_COMMAND, command_48);
    }
}

static struct err disk_error(const char *what, u64 sector, u8 status)
{
    return ERR(HOST_IO, what, sector, status << 8 | port_read(ATA_ERROR));
}

static struct err check_range(u64 sector, u32 count)
{
    if (!ata_present())
        return ERR(HOST_IO, "there is no disk on the primary ATA channel", 0, 0);
    if (sector > disk.sectors || count > disk.sectors - sector)
        return ERR(INTERNAL, "sector %a (%b of them) is beyond the end of the disk", sector, count);
    return NO_ERR;
}

static struct err read_run(u64 sector, u8 *to, u32 count)
{
    begin(sector, count, COMMAND_READ, COMMAND_READ_48);
    for (u32 i = 0; i < count; i++) {
        u8 status = settled_status();

        if (!ready_for_data(status))
            return disk_error("reading sector %a of the trace disk failed (ATA status and error "
                              "0x%B): check the carrier's disk",
                              sector + i, status);
        port_read_longs(ATA_DATA, to + i * SECTOR, SECTOR / 4);
    }
    return NO_ERR;
}

static struct err write_run(u64 sector, const u8 *from, u32 count)
{
    static const char failed[] = "writing sector %a of the trace disk failed (ATA status and "
                                 "error 0x%B): check the carrier's disk and the room behind it";
    u8 status;

    begin(sector, count, COMMAND_WRITE, COMMAND_WRITE_48);
    for (u32 i = 0; i < count; i++) {
        status = settled_status();
        if (!ready_for_data(status))
            return disk_error(failed, sector + i, status);
        port_write_longs(ATA_DATA, from + i * SECTOR, SECTOR / 4);
    }
    status = settled_status();
    if (status & (BUSY | DEVICE_FAULT | FAILED))
        return disk_error(failed, sector, status);
    return NO_ERR;
}

struct err ata_read(u64 sector, void *to, u32 count)
{
    TRY(check_range(sector, count));
    for (u32 done = 0, run; done < count; done += run) {
        run = (u32)min_u64(count - done, RUN_MAX);
        TRY(read_run(sector + done, (u8 *)to + (u64)done * SECTOR, run));
    }
    return NO_ERR;
}

struct err ata_write(u64 sector, const void *from, u32 count)
{
    TRY(check_range(sector, count));
    for (u32 done = 0, run; done < count; done += run) {
        run = (u32)min_u64(count - done, RUN_MAX);
        TRY(write_run(sector + done, (const u8 *)from + (u64)done * SECTOR, run));
    }
    return NO_ERR;
}

struct err ata_flush(void)
{
    u8 status;

    TRY(check_range(0, 0));
    port_write(ATA_DEVICE, disk.device);
    port_write(ATA_COMMAND, COMMAND_FLUSH);
    status = settled_status();
    if (status & (BUSY | DEVICE_FAULT))
        return disk_error("flushing the trace disk failed (ATA status and error 0x%B)", 0, status);
    return NO_ERR;
}
