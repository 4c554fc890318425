/*
 * What a multiboot loader (GRUB, QEMU -kernel) hands over, made into a mission.
 * A module's role is the first word of its string that names one: "mission",
 * "kernel" or "initrd". Without a mission module: record with the host's clock,
 * and the guest's command line is what follows "kernel", or else the image's own.
 * Everything is copied out before any RAM is handed out. Multiboot 0.6.96, 3.3.
 */
#include "core/machine.h"
#include "core/mem.h"
#include "vmx/image/start.h"

enum info_flags {
    INFO_MEMORY = 1u << 0,
    INFO_COMMAND_LINE = 1u << 2,
    INFO_MODULES = 1u << 3,
    INFO_MAP = 1u << 6,
    INFO_LOADER = 1u << 9,
};

struct multiboot_info {
    u32 flags, memory_lower, memory_upper, boot_device;
    u32 command_line;
    u32 modules_count, modules;
    u32 symbols[4];
    u32 map_length, map;
    u32 drives_length, drives, config_table, loader_name;
};

struct multiboot_module {
    u32 start, end, string, reserved;
};

struct multiboot_range {
    u32 size; /* of what follows */
    u64 start, length;
    u32 type; /* 1: RAM */
} __attribute__((packed));

enum { RANGE_RAM = 1, MODULES_LIMIT = 8 };
enum role { ROLE_OTHER, ROLE_KERNEL = MODULE_KERNEL, ROLE_INITRD = MODULE_INITRD, ROLE_MISSION };

static const void *at(u32 address)
{
    return (const void *)(u64)address;
}

/* The text behind `word` at the start of `text`, or NULL. */
static const char *skip_word(const char *text, const char *word)
{
    while (*word && *text == *word)
        text++, word++;
    if (*word || (*text && *text != ' '))
        return NULL;
    while (*text == ' ')
        text++;
    return text;
}

static const char *next_word(const char *text)
{
    while (*text && *text != ' ')
        text++;
    while (*text == ' ')
        text++;
    return text;
}

/* QEMU puts the file's name before the string, GRUB does not: look at each word.
 * *rest is what follows the role's word. */
static enum role role_of(const char *text, const char **rest)
{
    static const struct {
        const char *word;
        enum role role;
    } roles[] = {{"mission", ROLE_MISSION}, {"kernel", ROLE_KERNEL}, {"initrd", ROLE_INITRD}};

    for (; *text; text = next_word(text)) {
        for (u32 i = 0; i < ARRAY_SIZE(roles); i++) {
            *rest = skip_word(text, roles[i].word);
            if (*rest)
                return roles[i].role;
        }
    }
    return ROLE_OTHER;
}

static void copy_text(char *to, u32 size, const char *from)
{
    u32 i;

    for (i = 0; i + 1 < size && from[i]; i++)
        to[i] = from[i];
    to[i] = '\0';
}

static bool loaded_by_qemu(const struct multiboot_info *info)
{
    return (info->flags & INFO_LOADER) && skip_word(at(info->loader_name), "qemu");
}

/* Read before the modules: a mission module overrules it. */
static void default_mission(struct mission *mission, const struct multiboot_info *info)
{
    const char *text = info->flags & INFO_COMMAND_LINE ? at(info->command_line) : "";

    if (loaded_by_qemu(info))
        text = next_word(text);
    *mission = (struct mission){
        .magic = MISSION_MAGIC,
        .version = WIRE_VERSION,
        .size = sizeof(*mission),
        .mode = MODE_RECORD,
        .clock = CLOCK_HOST,
        .kernel_format = KERNEL_LINUX,
        .memory_size = 256ull << 20,
        .epoch = host_seconds(),
        .timeout_ns = NEVER,
    };
    copy_text(mission->command_line, sizeof(mission->command_line), text);
}

static void read_mission_module(struct mission *mission, const struct multiboot_module *module)
{
    u32 length = module->end - module->start;

    memset(mission, 0, sizeof(*mission));
    memcpy(mission, at(module->start), min_u64(length, sizeof(*mission)));
    if (!(mission->flags & MISSION_MODULE_DISK))
        memset(mission->modules, 0, sizeof(mission->modules)); /* they are where the loader put them */
}

static void read_modules(struct mission *mission, const struct multiboot_module *modules, u32 count)
{
    const char *rest = "";

    for (u32 i = 0; i < count; i++) {
        if (role_of(at(modules[i].string), &rest) == ROLE_MISSION)
            read_mission_module(mission, &modules[i]);
    }
    for (u32 i = 0; i < count; i++) {
        enum role role = role_of(at(modules[i].string), &rest);

        if (role != ROLE_KERNEL && role != ROLE_INITRD)
            continue;
        mission->modules[role] =
            (struct module){modules[i].start, modules[i].end - modules[i].start};
        if (role == ROLE_KERNEL && *rest)
            copy_text(mission->command_line, sizeof(mission->command_line), rest);
    }
}

/* The largest piece of RAM between 1 MiB and 4 GiB. */
static struct ram_range largest_ram(const struct multiboot_info *info)
{
    struct ram_range best = {IMAGE_ADDRESS, IMAGE_ADDRESS + (u64)info->memory_upper * 1024};
    u32 offset = 0;

    if (!(info->flags & INFO_MAP))
        return info->flags & INFO_MEMORY ? best : (struct ram_range){0, 0};
    best = (struct ram_range){0, 0};
    while (offset + sizeof(struct multiboot_range) <= info->map_length) {
        const struct multiboot_range *range = at(info->map + offset);
        u64 start = max_u64(range->start, IMAGE_ADDRESS);
        u64 end = min_u64(range->start + range->length, BIT(32));

        if (range->type == RANGE_RAM && end > start && end - start > best.end - best.start)
            best = (struct ram_range){start, end};
        offset += range->size + 4;
    }
    return best;
}

u32 multiboot_read(struct image_context *context, u32 info_address, struct ram_range *taken)
{
    const struct multiboot_info *info = at(info_address);
    const struct multiboot_module *modules = at(info->modules);
    u32 count = info->flags & INFO_MODULES ? info->modules_count : 0;
    struct ram_range ram = largest_ram(info);

    if (count > MODULES_LIMIT)
        count = MODULES_LIMIT;
    default_mission(&context->mission, info);
    read_modules(&context->mission, modules, count);
    context->mission.flags &= ~(u32)MISSION_RAM_ZERO; /* firmware and loader have used it */
    context->ram_start = ram.start;
    context->ram_end = ram.end;
    taken[0] = (struct ram_range){(u64)image_start, (u64)image_end};
    if (context->mission.flags & MISSION_MODULE_DISK)
        return 1;
    for (u32 kind = 1; kind < MODULE_COUNT; kind++) {
        const struct module *module = &context->mission.modules[kind];

        taken[kind] = (struct ram_range){module->address, module->address + module->length};
    }
    return MODULE_COUNT;
}
