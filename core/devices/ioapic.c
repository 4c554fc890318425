/*
 * The I/O APIC: index and data registers, redirection entries, level-triggered
 * pins held by Remote IRR until the end of interrupt. Never raises anything
 * itself: it marks pins ready and the machine takes their messages.
 * Source: Intel 82093AA datasheet, section 3; the EOI register: ICH I/O APIC, version 0x20.
 */
#include "core/devices/ioapic.h"

#include "core/mem.h"

enum { INDEX = 0x00, DATA = 0x10, EOI = 0x40 };                                /* MMIO offsets */
enum { REG_ID = 0, REG_VERSION = 1, REG_ARBITRATION = 2, REG_ENTRIES = 0x10 }; /* by index */

/* A redirection entry. */
#define ENTRY_VECTOR 0xffull
#define ENTRY_MODE_SHIFT 8
#define ENTRY_LOGICAL BIT(11)
#define ENTRY_REMOTE_IRR BIT(14)
#define ENTRY_LEVEL BIT(15)
#define ENTRY_MASKED BIT(16)
#define ENTRY_DESTINATION_SHIFT 56
#define ENTRY_WRITABLE 0xff0000000001afffull /* delivery status and Remote IRR are not */

#define ID_MASK 0x0f000000u

void ioapic_reset(struct ioapic *ioapic)
{
    memset(ioapic, 0, sizeof(*ioapic));
    ioapic->id = IOAPIC_ID << 24; /* as the firmware would leave it, and the MADT says */
    for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->redirect[pin] = ENTRY_MASKED;
}

/* A level-triggered pin is due while it is high, unmasked and not in service. */
static void evaluate_level(struct ioapic *ioapic, u32 pin)
{
    u64 entry = ioapic->redirect[pin];

    if (ioapic->lines >> pin & 1 &&
        (entry & (ENTRY_LEVEL | ENTRY_MASKED | ENTRY_REMOTE_IRR)) == ENTRY_LEVEL)
        ioapic->ready |= 1u << pin;
}

void ioapic_set_line(struct ioapic *ioapic, u32 pin, bool level)
{
    u32 bit = 1u << pin;
    bool was = ioapic->lines & bit;

    ioapic->lines = level ? ioapic->lines | bit : ioapic->lines & ~bit;
    if (ioapic->redirect[pin] & ENTRY_LEVEL)
        evaluate_level(ioapic, pin);
    else if (level && !was && !(ioapic->redirect[pin] & ENTRY_MASKED))
        ioapic->ready |= bit; /* an edge on a masked pin is lost, as in the datasheet */
}

bool ioapic_waits(const struct ioapic *ioapic, u32 pin)
{
    return (ioapic->redirect[pin] & (ENTRY_LEVEL | ENTRY_MASKED)) == ENTRY_LEVEL;
}

void ioapic_eoi(struct ioapic *ioapic, u8 vector)
{
    for (u32 pin = 0; pin < IOAPIC_PINS; pin++) {
        u64 *entry = &ioapic->redirect[pin];

        if ((*entry & (ENTRY_VECTOR | ENTRY_REMOTE_IRR)) != (vector | ENTRY_REMOTE_IRR))
            continue;
        *entry &= ~ENTRY_REMOTE_IRR;
        evaluate_level(ioapic, pin);
    }
}

bool ioapic_take(struct ioapic *ioapic, struct ioapic_message *message)
{
    if (!ioapic->ready)
        return false;
    u32 pin = (u32)__builtin_ctz(ioapic->ready);
    u64 entry = ioapic->redirect[pin];

    ioapic->ready &= ioapic->ready - 1;
    if (entry & ENTRY_LEVEL)
        ioapic->redirect[pin] |= ENTRY_REMOTE_IRR;
    *message = (struct ioapic_message){
        .pin = (u8)pin,
        .vector = (u8)(entry & ENTRY_VECTOR),
        .destination = (u8)(entry >> ENTRY_DESTINATION_SHIFT),
        .mode = entry >> ENTRY_MODE_SHIFT & 7,
        .logical = entry & ENTRY_LOGICAL,
        .level = entry & ENTRY_LEVEL,
    };
    return true;
}

void ioapic_refused(struct ioapic *ioapic, u32 pin)
{
    ioapic->redirect[pin] &= ~ENTRY_REMOTE_IRR;
}

/* --- registers ---------------------------------------------------------------- */

static u32 read_register(const struct ioapic *ioapic)
{
    u32 entry = ioapic->index - REG_ENTRIES;

    if (ioapic->index >= REG_ENTRIES && entry < 2 * IOAPIC_PINS)
        return (u32)(ioapic->redirect[entry / 2] >> (entry % 2 * 32));
    switch (ioapic->index) {
    case REG_ID:
    case REG_ARBITRATION:
        return ioapic->id;
    case REG_VERSION:
        return IOAPIC_VERSION | (IOAPIC_PINS - 1) << 16;
    default:
        return UINT32_MAX;
    }
}

static void write_entry(struct ioapic *ioapic, u32 pin, u64 value, u64 half)
{
    u64 writable = ENTRY_WRITABLE & half, *entry = &ioapic->redirect[pin];

    *entry = (*entry & ~writable) | (value & writable);
    if (!(*entry & ENTRY_LEVEL)) /* an edge has nothing to end; Linux ends a level this way too */
        *entry &= ~ENTRY_REMOTE_IRR;
    evaluate_level(ioapic, pin);
}

static void write_register(struct ioapic *ioapic, u32 value)
{
    u32 entry = ioapic->index - REG_ENTRIES;

    if (ioapic->index == REG_ID)
        ioapic->id = value & ID_MASK;
    else if (ioapic->index < REG_ENTRIES || entry >= 2 * IOAPIC_PINS)
        return;
    else if (entry % 2)
        write_entry(ioapic, entry / 2, (u64)value << 32, ~0ull << 32);
    else
        write_entry(ioapic, entry / 2, value, UINT32_MAX);
}

static u64 read_mmio(const struct ioapic *ioapic, u32 offset)
{
    switch (offset) {
    case INDEX:
        return ioapic->index;
    case DATA:
        return read_register(ioapic);
    default:
        return UINT32_MAX;
    }
}

void ioapic_access(void *state, u32 offset, struct access *access)
{
    struct ioapic *ioapic = state;

    if (!access->write) {
        u64 ones = access->size == 8 ? UINT64_MAX : BIT(access->size * 8) - 1;
        /* The registers are 32 bits wide; a narrow read sees the low bytes. */
        access->value = access->size == 8 ? ones : read_mmio(ioapic, offset) & ones;
    } else if (offset == INDEX) {
        ioapic->index = access->value & 0xff;
    } else if (offset == DATA && access->size == 4) {
        write_register(ioapic, (u32)access->value);
    } else if (offset == EOI) {
        ioapic_eoi(ioapic, (u8)access->value);
    }
}
