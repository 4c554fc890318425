/*
 * The image's start-up in C and its end. Finds the mission, RAM, the disk and the
 * clock, and hands over to hypervisor_main(). One way out: image_exit() for what
 * the user should hear of, image_stop() when nothing can be trusted any more.
 */
#include "core/mem.h"
#include "vmx/image/ports.h"
#include "vmx/image/start.h"

enum { BOCHS_SHUTDOWN_PORT = 0x8900 };
enum { CMOS_INDEX = 0x70, CMOS_DATA = 0x71, CMOS_RAM_LOW = 0x34, CMOS_RAM_HIGH = 0x35 };

void image_stop(enum status status)
{
    static const char word[] = "Shutdown"; /* Bochs, iodev/unmapped.cc */

    if (!console_on_debug_port())
        console_message("done (status %u): you may turn the machine off", status);
    console_frame(FRAME_BYE, "%u", status);
    console_drain();
    for (u32 i = 0; word[i] && console_on_debug_port(); i++)
        port_write(BOCHS_SHUTDOWN_PORT, (u8)word[i]);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void image_exit(enum status status)
{
    disk_flush();
    image_stop(status);
}

void image_fail(struct err error)
{
    console_error(&error);
    image_exit(error.code);
}

/* Stands in until the hypervisor is linked. */
__attribute__((weak)) void hypervisor_main(struct image_context *context)
{
    console_message("there is no hypervisor in this image; %lu MiB of RAM are free",
                    carrier_free() >> 20);
    image_exit(context->disk ? OK : UNSUPPORTED);
}

/* RAM above 16 MiB in units of 64 KiB: what a BIOS would have read (and Bochs sets). */
static u64 cmos_memory(void)
{
    u64 units;

    port_write(CMOS_INDEX, CMOS_RAM_LOW);
    units = port_read(CMOS_DATA);
    port_write(CMOS_INDEX, CMOS_RAM_HIGH);
    units |= (u64)port_read(CMOS_DATA) << 8;
    return (16ull << 20) + (units << 16);
}

static u32 rom_read(struct image_context *context, u32 address, struct ram_range *taken)
{
    struct mission *mission = &context->mission;

    memcpy(mission, (const void *)(u64)address, sizeof(*mission));
    context->ram_start = (u64)image_end;
    context->ram_end = mission->carrier_memory ? mission->carrier_memory : cmos_memory();
    context->ram_end = min_u64(context->ram_end, BIT(32));
    if (mission->flags & MISSION_MODULE_DISK)
        return 0;
    for (u32 kind = 1; kind < MODULE_COUNT; kind++) {
        const struct module *module = &mission->modules[kind];

        taken[kind - 1] = (struct ram_range){module->address, module->address + module->length};
    }
    return MODULE_COUNT - 1;
}

static struct err check_mission(const struct mission *mission, u64 ram_end)
{
    if (mission->magic != MISSION_MAGIC)
        return ERR(BAD_INPUT, "no mission was handed to the image", 0, 0);
    if (mission->version != WIRE_VERSION || mission->size != sizeof(*mission))
        return ERR(BAD_INPUT,
                   "the image and the command are not of one build (mission version %a, %b bytes): "
                   "build both anew",
                   mission->version, mission->size);
    for (u32 kind = 1; kind < MODULE_COUNT && !(mission->flags & MISSION_MODULE_DISK); kind++) {
        const struct module *module = &mission->modules[kind];

        if (module->address > ram_end || module->length > ram_end - module->address)
            return ERR(BAD_INPUT, "module %a lies beyond the carrier's RAM, at 0x%B", kind,
                       module->address);
    }
    return NO_ERR;
}

/* The guest's files come on a disk of their own: into carrier RAM with them. */
static void read_modules(struct mission *mission)
{
    ata_select(ATA_SLAVE);
    for (u32 kind = 1; kind < MODULE_COUNT; kind++) {
        struct module *module = &mission->modules[kind];
        void *to = carrier_allocate(align_up(module->length, SECTOR));
        struct err error = NO_ERR;

        if (!to)
            image_fail(ERR(NO_SPACE, "the guest's files do not fit into the carrier's RAM", 0, 0));
        if (module->length)
            error = ata_read(module->address / SECTOR, to, (u32)(align_up(module->length, SECTOR) / SECTOR));
        if (error.code)
            image_fail(error);
        module->address = (u64)to;
    }
    ata_select(ATA_MASTER);
}

static void open_disk(struct image_context *context)
{
    struct err error = NO_ERR;
    bool wanted = context->mission.flags & MISSION_DISK;

    if (wanted || context->boot == BOOT_MULTIBOOT)
        error = disk_open();
    else
        return;
    context->disk = !error.code;
    if (error.code && wanted)
        image_fail(error);
    if (error.code)
        console_error(&error);
    else
        context->mission.flags |= MISSION_DISK;
}

void image_main(u32 loader, u32 info)
{
    static struct image_context context;
    struct ram_range taken[TAKEN_MAX];
    struct mission *mission = &context.mission;
    struct err error;
    u32 count;

    console_init(false);
    host_tables_init();
    context.boot = loader == ROM_MAGIC ? BOOT_ROM : BOOT_MULTIBOOT;
    if (loader == MULTIBOOT_MAGIC)
        console_use_screen();
    if (loader != ROM_MAGIC && loader != MULTIBOOT_MAGIC)
        image_fail(ERR(BAD_INPUT, "the image was started by an unknown loader (0x%A)", loader, 0));
    count = context.boot == BOOT_ROM ? rom_read(&context, info, taken)
                                     : multiboot_read(&context, info, taken);
    error = check_mission(mission, context.ram_end);
    console_init(mission->magic == MISSION_MAGIC && (mission->flags & MISSION_FRAMED));
    console_frame(FRAME_HELLO, "%u", WIRE_VERSION);
    if (error.code)
        image_fail(error);
    mission->command_line[sizeof(mission->command_line) - 1] = '\0';
    carrier_ram_init(&context, taken, count);
    context.tsc_hz = host_tsc_hz(mission->tsc_hz);
    if (!(mission->flags & MISSION_FRAMED))
        console_message("Hindvisor " HINDVISOR_VERSION ", %lu MiB of RAM, TSC %lu MHz",
                        (context.ram_end - context.ram_start) >> 20, context.tsc_hz / 1000000);
    if (mission->flags & MISSION_MODULE_DISK)
        read_modules(mission);
    open_disk(&context);
    hypervisor_main(&context);
    image_fail(ERR(INTERNAL, "the hypervisor returned", 0, 0));
}
