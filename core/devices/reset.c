/*
 * Reset by port 0xcf9 (Intel chipset data sheets, RST_CNT: a write with bit 2 set
 * resets, bits 1 and 3 say how hard, which makes no difference here) and by the
 * keyboard controller (IBM AT technical reference: commands 0xf0-0xff pulse output
 * lines for each clear bit, and line 0 is the reset).
 *
 * There is no keyboard. The status port says "a byte waits, ready for commands"
 * at all times: Linux then finds after 16 bytes that no controller is there, and
 * loops that wait until a command may be sent end at once. All ones, the answer
 * of an empty port, would hang the latter; zero would keep Linux waiting half a
 * second for an answer to its first command.
 */
#include "core/devices/reset.h"
#include "core/devices/byte_ports.h"

enum { CONTROL_BITS = 0x0e, CONTROL_RESET = 0x04 };
enum { STATUS_INPUT_FULL = 0x02, COMMAND_PULSE = 0xf0, PULSE_NOT_RESET = 0x01 };

void reset_reset(struct reset *reset)
{
    reset->control = 0;
}

static u8 read_control(void *state, u32 port, struct access *access)
{
    const struct reset *reset = state;

    (void)port, (void)access;
    return reset->control;
}

static void write_control(void *state, u32 port, u8 byte, struct access *access)
{
    struct reset *reset = state;

    (void)port;
    reset->control = byte & CONTROL_BITS;
    if (byte & CONTROL_RESET)
        access->effect = EFFECT_RESET;
}

static u8 read_keyboard(void *state, u32 port, struct access *access)
{
    (void)state, (void)port, (void)access;
    return 0xff & ~STATUS_INPUT_FULL;
}

static void write_keyboard(void *state, u32 port, u8 byte, struct access *access)
{
    (void)state, (void)port;
    if ((byte & COMMAND_PULSE) == COMMAND_PULSE && !(byte & PULSE_NOT_RESET))
        access->effect = EFFECT_RESET;
}

static const struct byte_ports control_ports = {RESET_PORTS, read_control, write_control};
static const struct byte_ports keyboard_ports = {KEYBOARD_PORTS, read_keyboard, write_keyboard};

static void control_access(void *state, u32 offset, struct access *access)
{
    access_byte_ports(&control_ports, state, offset, access);
}

static void keyboard_access(void *state, u32 offset, struct access *access)
{
    access_byte_ports(&keyboard_ports, state, offset, access);
}

const struct device_ops reset_ops = {
    .name = "reset",
    .state_size = sizeof(struct reset),
    .access = control_access,
};

const struct device_ops keyboard_ops = {
    .name = "keyboard",
    .state_size = sizeof(struct reset),
    .access = keyboard_access,
};
