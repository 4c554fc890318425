/*
 * What the bootable image's start-up gives to the hypervisor: the mission, RAM
 * to carve up, a console, the trace disk, host time, and a way to end. One
 * processor, interrupts off throughout, physical memory mapped one to one up to
 * 4 GiB. Nothing here knows VT-x.
 */
#ifndef VMX_IMAGE_IMAGE_H
#define VMX_IMAGE_IMAGE_H

#include "core/err.h"
#include "core/types.h"
#include "trace/wire.h"
#include "vmx/image/layout.h"

enum boot_method {
    BOOT_ROM,       /* our own ROM under Bochs; the mission lies at MISSION_ADDRESS */
    BOOT_MULTIBOOT, /* GRUB or QEMU -kernel; the mission and the guest come as modules */
};

struct image_context {
    struct mission mission; /* a checked copy; modules[] point at what was loaded, in carrier RAM */
    enum boot_method boot;
    u64 ram_start, ram_end; /* the usable range that the allocator hands out, carrier-physical */
    u64 tsc_hz;
    bool disk; /* disk_open() found a trace disk */
};

/* The hand-over: implemented in vmx/image/run.c. It ends by image_exit(). */
void hypervisor_main(struct image_context *);

/* --- ending (main.c) --- */
/* Says bye with `status`, flushes the disk and stops the carrier. */
void image_exit(enum status status) __attribute__((noreturn));
/* Reports the error to the user, then image_exit(error.code). */
void image_fail(struct err error) __attribute__((noreturn));

/* --- carrier RAM (alloc.c) --- */
struct ram_range {
    u64 start, end;
};
void carrier_ram_init(struct image_context *, const struct ram_range *taken, u32 count);
/* Page-aligned, zeroed, never given back; NULL when it does not fit. */
void *carrier_allocate(u64 bytes);
/* The longest run that one carrier_allocate() could still get. */
u64 carrier_free(void);

/* --- text (print.c): %c %s %d %u %x %p, l, width, 0 and - ; always NUL-terminates --- */
u32 print_to(char *to, u32 size, const char *format, ...) __attribute__((format(printf, 3, 4)));
u32 print_list(char *to, u32 size, const char *format, __builtin_va_list);
/* An error in words, with its two numbers filled in. Returns the length. */
u32 print_error(char *to, u32 size, const struct err *);

/* --- console (console.c) --- */
void console_init(bool framed);
void console_guest(u8 byte); /* a byte that the guest's UART sent */
/* A line for the user, without '\n': a FRAME_MESSAGE, or "hindvisor: ..." when not framed. */
void console_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
void console_error(const struct err *);
/* A frame; silent when not framed. console_frame(FRAME_PROGRESS, "%lu %lu", exits, now) */
void console_frame(char letter, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next byte typed for the guest, or -1. Never waits. */
int console_poll(void);
/* Commands from the user's side that have arrived since the last call, as BIT(letter - 'A').
 * Looks at the line itself: a byte for the guest that comes first is kept for console_poll(). */
u32 console_commands(void);

/* --- trace disk (disk.c) --- */
struct err disk_open(void);
const struct disk_header *disk_layout(void);
/* Appends a chunk to the output area and sends FRAME_CHUNK. NO_SPACE when the disk is full:
 * nothing was written then, and one sector of room for nothing but the end mark always stays. */
struct err disk_append(enum chunk_kind kind, const void *payload, u32 length);
/* Bytes of payload that the next disk_append() can hold. */
u64 disk_room(void);
/* Makes the carrier put everything on its medium. */
void disk_flush(void);

/* Reads an area's chunks in order. */
struct chunk_cursor {
    u64 sector;   /* of the next chunk */
    u64 end;      /* first sector after the area */
    u32 sequence; /* of the next chunk */
};
struct chunk_cursor disk_input_area(void);
struct chunk_cursor disk_exit_area(void);
/* The next chunk's payload into `buffer`. *length = 0: the area ends here. BAD_INPUT: the
 * chunk is damaged (the cursor stays). */
struct err disk_read_chunk(struct chunk_cursor *, void *buffer, u32 size, u32 *length);

/* --- ATA (ata.c): primary channel, PIO, LBA --- */
enum ata_drive { ATA_MASTER /* the trace disk */, ATA_SLAVE /* the module disk */ };
void ata_select(enum ata_drive); /* the calls below are about this drive; first: the master */
bool ata_present(void);
u64 ata_sectors(void);
struct err ata_read(u64 sector, void *to, u32 count);
struct err ata_write(u64 sector, const void *from, u32 count);
struct err ata_flush(void);

/* --- host time (time.c) --- */
u64 host_tsc_hz(u64 told); /* `told` unless 0; else CPUID 0x15/0x16, else measured by the PIT */
static inline u64 host_tsc(void)
{
    u32 low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}
u64 host_seconds(void); /* the carrier's CMOS clock, seconds since 1970 UTC */

/* --- host tables (tables.c), for the VMCS host-state area (SDM 25.5) --- */
struct table_pointer {
    u16 limit;
    u64 base;
} __attribute__((packed));
void host_tables_init(void);
struct table_pointer host_gdt(void);
struct table_pointer host_idt(void);
u64 host_tss(void); /* base address of the TSS behind SELECTOR_TSS */
/* An external interrupt that a VM exit acknowledged: counts it and tells the PIC. */
void host_interrupt(u8 vector);
extern volatile u64 host_interrupt_count[16]; /* by IRQ */
/* Registers as saved at an exception in the hypervisor. */
struct host_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};
/* Called first thing at an exception in the hypervisor, when set: prints the VMCS and the
 * last exits. It must not fault; a second exception stops at once. */
extern void (*host_exception_hook)(const struct host_frame *);

/* --- multiboot (multiboot.c): fills the mission and the taken ranges; returns their number --- */
enum { TAKEN_MAX = 8 };
u32 multiboot_read(struct image_context *, u32 info_address, struct ram_range *taken);

#endif
