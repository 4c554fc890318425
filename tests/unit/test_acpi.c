/*
 * The ACPI tables, found and read as an operating system does: from the RSDP by
 * pointers, lengths and checksums. Offsets are the ACPI specification's.
 */
#include "core/boot/loader.h"
#include "core/devices/ports.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { RAM = 2 << 20 };

static struct memory memory;

static void set_up(void)
{
    memory_init(&memory, aligned_alloc(PAGE_SIZE, RAM), RAM, malloc(memory_overhead(RAM)));
    memset(memory.base, 0, RAM);
    boot_acpi(&memory);
}

static void tear_down(void)
{
    free(memory.base);
    free(memory.dirty);
}

TestSuite(acpi, .init = set_up, .fini = tear_down);

static u64 field(const u8 *table, u32 offset, u32 size)
{
    u64 value = 0;

    memcpy(&value, table + offset, size);
    return value;
}

static u8 sum(const u8 *at, u64 length)
{
    u8 total = 0;

    while (length--)
        total = (u8)(total + *at++);
    return total;
}

/* A table by its address: signature and checksum hold, and all of it lies in the reserved area. */
static const u8 *table_at(u64 gpa, const char *signature)
{
    const u8 *table = memory_at(&memory, gpa, 36);

    cr_assert(table);
    cr_assert(!memcmp(table, signature, 4), "%s", signature);
    cr_assert_eq(sum(table, field(table, 4, 4)), 0, "%s", signature);
    cr_assert(gpa >= BOOT_ACPI && gpa + field(table, 4, 4) <= 0x100000);
    return table;
}

static const u8 *xsdt(void)
{
    return table_at(field(memory.base + BOOT_ACPI, 24, 8), "XSDT");
}

static const u8 *fadt(void)
{
    return table_at(field(xsdt(), 36, 8), "FACP");
}

static const u8 *madt(void)
{
    return table_at(field(xsdt(), 44, 8), "APIC");
}

static const u8 *dsdt(void)
{
    return table_at(field(fadt(), 40, 4), "DSDT");
}

Test(acpi, rsdp_is_valid_in_both_revisions)
{
    const u8 *rsdp = memory.base + BOOT_ACPI;

    cr_assert(!memcmp(rsdp, "RSD PTR ", 8));
    cr_assert_eq(BOOT_ACPI % 16, 0);
    cr_assert_eq(rsdp[15], 2);
    cr_assert_eq(field(rsdp, 20, 4), 36u);
    cr_assert_eq(sum(rsdp, 20), 0);
    cr_assert_eq(sum(rsdp, 36), 0);
}

Test(acpi, xsdt_names_two_tables)
{
    cr_assert_eq(field(xsdt(), 4, 4), 36u + 2 * 8);
    (void)fadt();
    (void)madt();
}

Test(acpi, tables_do_not_overlap)
{
    u64 starts[] = {
        BOOT_ACPI,           0, field(xsdt(), 36, 8), field(xsdt(), 44, 8), field(fadt(), 40, 4),
        field(fadt(), 36, 4)};
    u64 lengths[] = {36, 0, 0, 0, 0, 0};

    starts[1] = field(memory.base + BOOT_ACPI, 24, 8);
    for (u32 i = 1; i < ARRAY_SIZE(starts); i++)
        lengths[i] = field(memory.base + starts[i], 4, 4);
    for (u32 i = 0; i < ARRAY_SIZE(starts); i++)
        for (u32 j = 0; j < i; j++)
            cr_assert(starts[i] + lengths[i] <= starts[j] || starts[j] + lengths[j] <= starts[i],
                      "%u, %u", i, j);
}

/* The 32-bit fields and their 64-bit twins must agree where both are given. */
Test(acpi, fadt_places_the_pm_registers)
{
    static const struct {
        u32 short_at, length_at, long_at, port, length;
    } blocks[] = {
        {56, 88, 148, PORT_ACPI_PM, 4},
        {64, 89, 172, PORT_ACPI_PM + 4, 2},
        {76, 91, 208, PORT_ACPI_PM + 8, 4},
    };

    for (u32 i = 0; i < ARRAY_SIZE(blocks); i++) {
        cr_assert_eq(field(fadt(), blocks[i].short_at, 4), blocks[i].port);
        cr_assert_eq(field(fadt(), blocks[i].length_at, 1), blocks[i].length);
        cr_assert_eq(field(fadt(), blocks[i].long_at, 1), 1u, "an I/O port");
        cr_assert_eq(field(fadt(), blocks[i].long_at + 1, 1), 8 * blocks[i].length);
        cr_assert_eq(field(fadt(), blocks[i].long_at + 4, 8), blocks[i].port);
    }
    cr_assert_eq(field(fadt(), 4, 4), 244u);
    cr_assert_eq(field(fadt(), 46, 2), (u64)IRQ_ACPI);
    cr_assert_eq(field(fadt(), 48, 4), 0u, "no SMI command: ACPI mode from the start");
    cr_assert_eq(field(fadt(), 140, 8), field(fadt(), 40, 4), "both DSDT pointers");
}

Test(acpi, fadt_tells_how_to_reset)
{
    cr_assert(field(fadt(), 112, 4) & BIT(10));
    cr_assert_eq(field(fadt(), 116, 4), 0x01000801u, "one byte in I/O space");
    cr_assert_eq(field(fadt(), 120, 8), (u64)PORT_RESET);
    cr_assert_eq(field(fadt(), 128, 1), 6u);
}

Test(acpi, fadt_flags_tell_what_there_is)
{
    u64 flags = field(fadt(), 112, 4), arch = field(fadt(), 109, 2);

    cr_assert(flags & BIT(0), "WBINVD works");
    cr_assert(flags & BIT(4) && flags & BIT(5), "no fixed buttons");
    cr_assert(flags & BIT(8), "32-bit timer");
    cr_assert_not(flags & BIT(20), "not hardware-reduced");
    cr_assert(arch & BIT(0), "legacy devices");
    cr_assert_not(arch & BIT(1), "no 8042");
    cr_assert(arch & BIT(2), "no VGA");
    cr_assert_not(arch & BIT(5), "there is a CMOS clock");
}

Test(acpi, facs_is_aligned)
{
    u64 at = field(fadt(), 36, 4);
    const u8 *facs = memory.base + at;

    cr_assert_eq(at % 64, 0u);
    cr_assert(!memcmp(facs, "FACS", 4));
    cr_assert_eq(field(facs, 4, 4), 64u);
    cr_assert_eq(field(facs, 20, 4), 0u, "the global lock is free");
}

/* The entry of a type, the n-th of them; NULL: there are fewer. Checks that lengths end exactly. */
static const u8 *madt_entry(u8 type, u32 n)
{
    const u8 *end = madt() + field(madt(), 4, 4), *at = madt() + 44, *found = NULL;

    for (; at < end; at += at[1]) {
        cr_assert_geq(at[1], 2);
        if (at[0] == type && n-- == 0)
            found = at;
    }
    cr_assert_eq(at, end);
    return found;
}

Test(acpi, madt_shows_one_cpu_and_one_io_apic)
{
    cr_assert_eq(field(madt(), 36, 4), LAPIC_BASE);
    cr_assert_eq(field(madt(), 40, 4), 1u, "and a pair of 8259");
    cr_assert_eq(madt_entry(0, 0)[3], 0, "APIC ID");
    cr_assert_eq(field(madt_entry(0, 0), 4, 4), 1u, "enabled");
    cr_assert_eq(madt_entry(0, 1), NULL);
    cr_assert_eq(madt_entry(1, 0)[2], IOAPIC_ID);
    cr_assert_eq(field(madt_entry(1, 0), 4, 4), IOAPIC_BASE);
    cr_assert_eq(field(madt_entry(1, 0), 8, 4), 0u, "first GSI");
    cr_assert_eq(madt_entry(1, 1), NULL);
}

Test(acpi, madt_overrides_timer_and_sci)
{
    const u8 *timer = madt_entry(2, 0), *sci = madt_entry(2, 1), *nmi = madt_entry(4, 0);

    cr_assert_eq(timer[3], 0);
    cr_assert_eq(field(timer, 4, 4), 2u);
    cr_assert_eq(field(timer, 8, 2), 0u, "as the bus has it");
    cr_assert_eq(sci[3], IRQ_ACPI);
    cr_assert_eq(field(sci, 4, 4), (u64)IRQ_ACPI);
    cr_assert_eq(field(sci, 8, 2), 0xdu, "active high, level");
    cr_assert_eq(nmi[2], 0xff);
    cr_assert_eq(nmi[5], 1, "LINT1");
}

/* Every package length in our AML is one byte; objects nest and end exactly. */
static const u8 *find(const u8 *at, const u8 *end, const char *bytes, u32 length)
{
    for (; at + length <= end; at++)
        if (!memcmp(at, bytes, length))
            return at;
    return NULL;
}

Test(acpi, dsdt_names_the_sleep_type_of_s5)
{
    const u8 *at = dsdt() + 36;

    cr_assert(!memcmp(at, "\x08_S5_\x12", 6));
    cr_assert_eq(at[6], 8, "the package ends where the scope begins");
    cr_assert_eq(at[6 + 8], 0x10);
    cr_assert(at[8] == 0x0a && at[9] == ACPI_S5_TYPE && at[11] == ACPI_S5_TYPE);
}

Test(acpi, dsdt_describes_com1)
{
    const u8 *end = dsdt() + field(dsdt(), 4, 4);
    const u8 *scope = find(dsdt() + 36, end, "\\_SB_", 5) - 1;
    const u8 *device = find(scope, end, "COM1", 4) - 1;
    const u8 *resources = find(device, end, "_CRS", 4) + 4;

    cr_assert_eq(scope + *scope, end);
    cr_assert_eq(device + *device, end);
    cr_assert(find(device, end, "\x0c\x41\xd0\x05\x01", 5), "PNP0501");
    cr_assert_eq(resources[0], 0x11);
    cr_assert_eq(resources + 1 + resources[1], end);
    cr_assert_eq(resources[3], end - resources - 4, "bytes in the buffer");
    cr_assert_eq(field(resources + 4, 0, 1), 0x47u);
    cr_assert_eq(field(resources + 4, 2, 2), (u64)PORT_UART);
    cr_assert_eq(field(resources + 4, 7, 1), 8u);
    cr_assert_eq(field(resources + 12, 1, 2), BIT(IRQ_UART));
    cr_assert_eq(end[-2], 0x79);
}
