/*
 * ACPI tables: RSDP, XSDT, FADT, MADT, DSDT and FACS, in this order from
 * BOOT_ACPI on. They tell an operating system what it cannot probe: the power
 * management ports, the interrupt controllers and their wiring, how to power
 * off and reset, and COM1. Built once at load, never changed by us later.
 *
 * Source: ACPI specification 6.4, chapter 5 (tables), 4.8 (PM registers), 20 (AML).
 */
#include "core/boot/loader.h"
#include "core/devices/ports.h"

/* --- where each table lies -------------------------------------------------------- */

enum {
    RSDP_LENGTH = 36,
    RSDP_V1_LENGTH = 20,
    HEADER_LENGTH = 36,
    XSDT_LENGTH = HEADER_LENGTH + 2 * 8,
    FADT_LENGTH = 244, /* revision 3 to 4 */
    FACS_LENGTH = 64,
};

enum {
    RSDP_AT = BOOT_ACPI,
    XSDT_AT = BOOT_ACPI + 0x040,
    FADT_AT = BOOT_ACPI + 0x080,
    MADT_AT = BOOT_ACPI + 0x180,
    DSDT_AT = BOOT_ACPI + 0x200,
    FACS_AT = BOOT_ACPI + 0x300, /* must be 64-byte aligned */
};

static void put_text(u8 *at, const char *text, u32 length)
{
    memcpy(at, text, length);
}

/* Makes the sum of all bytes 0. */
static void put_checksum(u8 *at, u32 length, u32 checksum_offset)
{
    u8 sum = 0;

    at[checksum_offset] = 0;
    for (u32 i = 0; i < length; i++)
        sum = (u8)(sum + at[i]);
    at[checksum_offset] = (u8)-sum;
}

/* The header that all tables but RSDP and FACS begin with. */
static void put_header(u8 *at, const char *signature, u32 length, u8 revision)
{
    put_text(at, signature, 4);
    put_le(at + 4, 4, length);
    at[8] = revision;
    put_text(at + 10, "HINDVR", 6);
    put_text(at + 16, "HINDVISR", 8);
    put_le(at + 24, 4, 1);
    put_text(at + 28, "HNDV", 4);
    put_le(at + 32, 4, 1);
    put_checksum(at, length, 9);
}

/* --- FADT ---------------------------------------------------------------------------- */

enum { FADT_REVISION = 4 };

/* Fixed features, table 5.10: */
#define FADT_WBINVD BIT(0)
#define FADT_PROC_C1 BIT(2)
#define FADT_NO_POWER_BUTTON BIT(4) /* no fixed-hardware button */
#define FADT_NO_SLEEP_BUTTON BIT(5)
#define FADT_NO_FIXED_RTC BIT(6) /* the RTC alarm sets no bit in PM1 status */
#define FADT_TIMER_32_BITS BIT(8)
#define FADT_RESET_REGISTER BIT(10)
#define FADT_HEADLESS BIT(12)

/* IA-PC boot architecture flags, table 5.11; bit 1, the 8042, is not set: */
#define BOOT_ARCH_LEGACY_DEVICES BIT(0)
#define BOOT_ARCH_NO_VGA BIT(2)
#define BOOT_ARCH_NO_MSI BIT(3)

/* A generic address: space 1 is I/O ports, access size 1, 2, 3 is byte, word, dword. */
#define PORT_ADDRESS(offset, port, bits, access)                        \
    {offset, 1, 1}, {(offset) + 1, 1, bits}, {(offset) + 3, 1, access}, \
    {                                                                   \
        (offset) + 4, 8, port                                           \
    }

static const struct field fadt[] = {
    {36, 4, FACS_AT},
    {40, 4, DSDT_AT},
    {46, 2, IRQ_ACPI},
    /* No SMI command port: the machine is in ACPI mode from the start. */
    {56, 4, PORT_ACPI_PM},     /* PM1a event block */
    {64, 4, PORT_ACPI_PM + 4}, /* PM1a control block */
    {76, 4, PORT_ACPI_PM + 8}, /* PM timer */
    {88, 1, 4},                /* their lengths in bytes */
    {89, 1, 2},
    {91, 1, 4},
    {96, 2, 101}, /* C2 and C3 latencies that mean: there is none */
    {98, 2, 1001},
    {108, 1, 0x32}, /* CMOS byte of the century */
    {109, 2, BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_MSI},
    {112, 4,
     FADT_WBINVD | FADT_PROC_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC |
         FADT_TIMER_32_BITS | FADT_RESET_REGISTER | FADT_HEADLESS},
    PORT_ADDRESS(116, PORT_RESET, 8, 1),
    {128, 1, 6},       /* the value that resets */
    {140, 8, DSDT_AT}, /* 132, X_FIRMWARE_CTRL, stays 0: only one of the two may be set */
    PORT_ADDRESS(148, PORT_ACPI_PM, 32, 2),
    PORT_ADDRESS(172, PORT_ACPI_PM + 4, 16, 2),
    PORT_ADDRESS(208, PORT_ACPI_PM + 8, 32, 3),
};

/* --- MADT ---------------------------------------------------------------------------- */

#define LE16(v) (u8)(v), (u8)((v) >> 8)
#define LE32(v) LE16((v)&0xffff), LE16((v) >> 16)

/* Everything behind the header; each entry begins with its type and length. */
static const u8 madt[] = {
    LE32(LAPIC_BASE),
    LE32(1u), /* PCAT_COMPAT: there is a pair of 8259 too */
    /* local APIC: ACPI processor 0, APIC ID 0, enabled */
    0,
    8,
    0,
    0,
    LE32(1u),
    /* I/O APIC: its ID, reserved, address, first GSI */
    1,
    12,
    IOAPIC_ID,
    0,
    LE32(IOAPIC_BASE),
    LE32(0u),
    /* override: ISA IRQ 0 -> GSI 2, as the bus has it */
    2,
    10,
    0,
    IRQ_PIT,
    LE32(2u),
    LE16(0),
    /* override: ISA IRQ 9 -> GSI 9, active high, level */
    2,
    10,
    0,
    IRQ_ACPI,
    LE32((u32)IRQ_ACPI),
    LE16(0xd),
    /* NMI of all processors at LINT1, as the bus has it */
    4,
    6,
    0xff,
    LE16(0),
    1,
};

_Static_assert(MADT_AT + HEADER_LENGTH + sizeof(madt) <= DSDT_AT, "the MADT has room");

/* --- DSDT ---------------------------------------------------------------------------- */

/*
 * Name (\_S5, Package () {5, 5, 0, 0})
 * Scope (\_SB) { Device (COM1) {
 *     Name (_HID, EisaId ("PNP0501"))
 *     Name (_UID, 1)
 *     Name (_STA, 0x0f)
 *     Name (_CRS, ResourceTemplate () { IO (Decode16, 0x3f8, 0x3f8, 1, 8)  IRQNoFlags () {4} })
 * }}
 * A package length counts from its own byte to the end of its object.
 */
enum { S5_PACKAGE = 8, COM1_DEVICE = 50, SB_SCOPE = COM1_DEVICE + 8, CRS_BYTES = 13 };
/* clang-format off */
static const u8 dsdt[] = {
    0x08, '_', 'S', '5', '_',
        0x12, S5_PACKAGE, 4, 0x0a, ACPI_S5_TYPE, 0x0a, ACPI_S5_TYPE, 0, 0,
    0x10, SB_SCOPE, '\\', '_', 'S', 'B', '_',
        0x5b, 0x82, COM1_DEVICE, 'C', 'O', 'M', '1',
            0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01,
            0x08, '_', 'U', 'I', 'D', 1,
            0x08, '_', 'S', 'T', 'A', 0x0a, 0x0f,
            0x08, '_', 'C', 'R', 'S', 0x11, CRS_BYTES + 3, 0x0a, CRS_BYTES,
                0x47, 1, LE16(PORT_UART), LE16(PORT_UART), 1, 8,
                0x22, LE16(1 << IRQ_UART),
                0x79, 0,
};
/* clang-format on */

_Static_assert(sizeof(dsdt) == 14 + 1 + SB_SCOPE, "the package lengths add up");
_Static_assert(DSDT_AT + HEADER_LENGTH + sizeof(dsdt) <= FACS_AT, "the DSDT has room");

/* --- the whole ------------------------------------------------------------------------- */

static void write_rsdp(u8 *at)
{
    put_text(at, "RSD PTR ", 8);
    put_text(at + 9, "HINDVR", 6);
    at[15] = 2; /* revision; the 32-bit RSDT is left out */
    put_le(at + 20, 4, RSDP_LENGTH);
    put_le(at + 24, 8, XSDT_AT);
    put_checksum(at, RSDP_V1_LENGTH, 8);
    put_checksum(at, RSDP_LENGTH, 32);
}

static void write_xsdt(u8 *at)
{
    put_le(at + HEADER_LENGTH, 8, FADT_AT);
    put_le(at + HEADER_LENGTH + 8, 8, MADT_AT);
    put_header(at, "XSDT", XSDT_LENGTH, 1);
}

static void write_facs(u8 *at)
{
    put_text(at, "FACS", 4);
    put_le(at + 4, 4, FACS_LENGTH);
    at[32] = 2; /* version */
}

void boot_acpi(struct memory *memory)
{
    u8 *base = claim(memory, BOOT_ACPI, FACS_AT + FACS_LENGTH - BOOT_ACPI);

    write_rsdp(base);
    write_xsdt(base + (XSDT_AT - BOOT_ACPI));
    put_fields(base + (FADT_AT - BOOT_ACPI), fadt, ARRAY_SIZE(fadt));
    put_header(base + (FADT_AT - BOOT_ACPI), "FACP", FADT_LENGTH, FADT_REVISION);
    memcpy(base + (MADT_AT - BOOT_ACPI) + HEADER_LENGTH, madt, sizeof(madt));
    put_header(base + (MADT_AT - BOOT_ACPI), "APIC", HEADER_LENGTH + sizeof(madt), 3);
    memcpy(base + (DSDT_AT - BOOT_ACPI) + HEADER_LENGTH, dsdt, sizeof(dsdt));
    put_header(base + (DSDT_AT - BOOT_ACPI), "DSDT", HEADER_LENGTH + sizeof(dsdt), 2);
    write_facs(base + (FACS_AT - BOOT_ACPI));
}
