/*
 * Drives each device by a random sequence of register accesses, time steps and
 * events from outside, and checks what the machine relies on:
 *  - a read's value fits the access;
 *  - coming to the deadline moves the deadline on, and coming to any time before
 *    it changes nothing;
 *  - a level asked for twice is the same;
 *  - an acknowledge gives a vector.
 */
#include "core/devices/acpi_pm.h"
#include "core/devices/debug_exit.h"
#include "core/devices/ioapic.h"
#include "core/devices/lapic.h"
#include "core/devices/pic.h"
#include "core/devices/pit.h"
#include "core/devices/reset.h"
#include "core/devices/rtc.h"
#include "core/devices/uart.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct {
    struct uart uart;
    struct pic pic;
    struct pit pit;
    struct rtc rtc;
    struct acpi_pm acpi_pm;
    struct reset reset;
    struct debug_exit debug_exit;
    struct lapic lapic;
    struct ioapic ioapic;
} devices;

static void lapic_io(void *state, u32 offset, struct access *access)
{
    lapic_mmio(state, offset, access);
}

static u64 lapic_deadline(const void *state)
{
    return ((const struct lapic *)state)->deadline;
}

static u64 lapic_come_to(void *state, u64 now)
{
    return lapic_advance(state, now);
}

static const struct device_ops lapic_ops = {
    .name = "lapic",
    .state_size = sizeof(struct lapic),
    .access = lapic_io,
    .deadline = lapic_deadline,
    .advance = lapic_come_to,
};

static const struct device_ops ioapic_ops = {
    .name = "ioapic",
    .state_size = sizeof(struct ioapic),
    .access = ioapic_access,
};

static const struct {
    const struct device_ops *ops;
    void *state;
    u32 length;
    u8 largest; /* bytes of an access */
} table[] = {
    {&uart_ops, &devices.uart, UART_PORTS, 4},
    {&pic_master_ops, &devices.pic, PIC_PORTS, 4},
    {&pic_slave_ops, &devices.pic, PIC_PORTS, 4},
    {&pic_elcr_ops, &devices.pic, ELCR_PORTS, 4},
    {&pit_ops, &devices.pit, PIT_PORTS, 4},
    {&speaker_ops, &devices.pit, SPEAKER_PORTS, 4},
    {&rtc_ops, &devices.rtc, RTC_PORTS, 4},
    {&acpi_pm_ops, &devices.acpi_pm, ACPI_PM_PORTS, 4},
    {&reset_ops, &devices.reset, RESET_PORTS, 4},
    {&keyboard_ops, &devices.reset, KEYBOARD_PORTS, 4},
    {&debug_exit_ops, &devices.debug_exit, DEBUG_EXIT_PORTS, 4},
    {&lapic_ops, &devices.lapic, LAPIC_SPAN, 8},
    {&ioapic_ops, &devices.ioapic, IOAPIC_SPAN, 8},
};

/* The input, read as a stream that ends in zeros. */
static const u8 *input, *input_end;
static u64 now;

static u64 take(u32 bytes)
{
    u64 value = 0;

    for (u32 i = 0; i < bytes && input < input_end; i++)
        value |= (u64)*input++ << 8 * i;
    return value;
}

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void come_to(u32 device)
{
    static u8 before[1024];
    const struct device_ops *ops = table[device].ops;
    void *state = table[device].state;
    u64 deadline;

    if (!ops->advance)
        return;
    deadline = ops->deadline(state);
    require(ops->state_size <= sizeof(before));
    memcpy(before, state, ops->state_size);
    ops->advance(state, now);
    if (now < deadline)
        require(!memcmp(before, state, ops->state_size));
    else
        require(ops->deadline(state) > now);
}

static void sample_line(u32 device)
{
    const struct device_ops *ops = table[device].ops;
    void *state = table[device].state;
    enum line line;

    if (!ops->line)
        return;
    line = ops->line(state);
    require(ops->line(state) == (line == LINE_PULSE ? LINE_LOW : line));
}

static void access_device(void)
{
    u32 device = take(1) % ARRAY_SIZE(table), offset = take(2) % table[device].length;
    u8 shape = take(1);
    struct access access = {.now = now, .write = shape & 0x80, .size = 1 << (shape & 3)};

    if (access.size > table[device].largest)
        access.size = table[device].largest;
    if (access.write)
        access.value = take(access.size);
    come_to(device);
    table[device].ops->access(table[device].state, offset, &access);
    if (!access.write && access.size < 8)
        require(access.value >> 8 * access.size == 0);
    sample_line(device);
}

/* Steps of any scale: the top six bits say how many of the lower ones to drop. */
static void step_time(void)
{
    u64 step = take(8);

    step = (step & (BIT(58) - 1)) >> (step >> 58);
    if (now + step < 1ull << 62)
        now += step;
    for (u32 i = 0; i < ARRAY_SIZE(table); i++) {
        come_to(i);
        sample_line(i);
    }
}

static void step_to_deadline(void)
{
    u32 device = take(1) % ARRAY_SIZE(table);
    const struct device_ops *ops = table[device].ops;
    u64 deadline = ops->deadline ? ops->deadline(table[device].state) : NEVER;

    if (deadline >= 1ull << 62)
        return;
    if (deadline > now)
        now = deadline;
    come_to(device);
    sample_line(device);
}

static void receive(void)
{
    u8 byte = take(1);

    if (byte & 1 || uart_may_receive(&devices.uart))
        uart_receive(&devices.uart, byte);
}

static void acknowledge_pic(void)
{
    bool output = pic_output(&devices.pic);
    int vector = pic_acknowledge(&devices.pic);

    require(vector >= 0 && vector <= 255);
    require(output || (vector & 7) == 7);
}

static void drain_ioapic(void)
{
    struct ioapic_message message;

    for (int i = 0; i < 2 * IOAPIC_PINS && ioapic_take(&devices.ioapic, &message); i++) {
        require(message.pin < IOAPIC_PINS);
        if (!lapic_raise(&devices.lapic, message.vector, message.level))
            ioapic_refused(&devices.ioapic, message.pin);
    }
}

static void drive_ioapic(void)
{
    u8 pin = take(1);

    if (pin & 0x40)
        ioapic_eoi(&devices.ioapic, take(1));
    else
        ioapic_set_line(&devices.ioapic, pin % IOAPIC_PINS, pin & 0x80);
    drain_ioapic();
}

static void access_x2apic(void)
{
    u8 reg = take(1), shape = take(1);
    struct access access = {.now = now, .size = 8, .write = shape & 1};

    if (!lapic_enabled(&devices.lapic) || !lapic_x2apic(&devices.lapic))
        return;
    if (access.write)
        access.value = take(8);
    come_to(11);
    lapic_access(&devices.lapic, reg, &access);
}

static void event(u8 kind)
{
    u64 argument;

    switch (kind % 10) {
    case 0:
        step_time();
        break;
    case 1:
        step_to_deadline();
        break;
    case 2:
        receive();
        break;
    case 3:
        argument = take(1);
        pic_set_line(&devices.pic, argument & 31, argument & 0x80);
        break;
    case 4:
        acknowledge_pic();
        break;
    case 5:
        drive_ioapic();
        break;
    case 6:
        access_x2apic();
        break;
    case 7:
        argument = take(2);
        lapic_raise(&devices.lapic, argument & 255, argument >> 8 & 1);
        break;
    case 8:
        require(lapic_acknowledge(&devices.lapic) <= 255);
        break;
    case 9:
        argument = take(1);
        if (argument & 1)
            lapic_set_base(&devices.lapic, LAPIC_BASE | (argument & 0x0e) << 8);
        else
            lapic_set_tsc_deadline(&devices.lapic, now + take(4));
        break;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    memset(&devices, 0, sizeof(devices));
    uart_reset(&devices.uart);
    pic_reset(&devices.pic);
    pit_reset(&devices.pit);
    rtc_reset(&devices.rtc, 1700000000);
    acpi_pm_reset(&devices.acpi_pm);
    reset_reset(&devices.reset);
    debug_exit_reset(&devices.debug_exit);
    lapic_reset(&devices.lapic, 0);
    ioapic_reset(&devices.ioapic);
    input = data;
    input_end = data + size;
    now = 0;
    while (input < input_end) {
        u8 kind = take(1);

        if (kind & 1)
            access_device();
        else
            event(kind >> 1);
    }
    return 0;
}
