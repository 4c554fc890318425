/*
 * The 8259A pair (Intel 8259A data sheet, order 231468; ELCR as in the Intel
 * 82371 data sheet). The 8080 mode, buffered mode and the level bit of ICW1,
 * which ELCR replaces on a PC, are accepted and have no effect. It knows no time.
 *
 * The master's request 2 follows the slave's output and is never latched: on
 * the chips the slave drops its output during each acknowledge cycle and raises
 * it again if it wants more, which comes to the same.
 */
#include "core/devices/pic.h"
#include "core/devices/byte_ports.h"

enum { MASTER, SLAVE, CASCADE = 2, INPUTS = 8, SPURIOUS = 7, NOBODY = -1 };
enum { PORT_COMMAND = 0, PORT_DATA = 1 };
enum { ICW1 = 0x10, ICW1_NEEDS_ICW4 = 0x01, ICW1_SINGLE = 0x02, ICW2_BITS = 0xf8 };
enum { ICW4_AUTO_EOI = 0x02, ICW4_FULLY_NESTED = 0x10 };
enum { OCW3 = 0x08, OCW3_POLL = 0x04 };
enum { POLL_REQUEST = 0x80 };

static const u8 base_at_reset[2] = {0x08, 0x70}; /* where firmware puts them */
static const u8 elcr_bits[2] = {0xf8,
                                0xde}; /* the timer, keyboard, cascade, RTC and FPU are edges */

void pic_reset(struct pic *pic)
{
    *pic = (struct pic){0};
    for (int i = MASTER; i <= SLAVE; i++) {
        pic->chip[i].vector_base = base_at_reset[i];
        pic->chip[i].mask = 0xff;
    }
}

/* The input of highest priority among `inputs`, which are not all zero. */
static int first(const struct pic_chip *chip, u8 inputs)
{
    int input = chip->highest;

    while (!(inputs >> input & 1))
        input = (input + 1) % INPUTS;
    return input;
}

/* 0: the highest. */
static int rank(const struct pic_chip *chip, int input)
{
    return (input - chip->highest) & (INPUTS - 1);
}

/* The in-service bits that hold back requests of the same and of lower priority. */
static u8 blocking(const struct pic_chip *chip, int input)
{
    u8 blocking = chip->in_service;

    if (chip->special_mask)
        blocking &= ~chip->mask;
    /* In special fully nested mode (meant for the master) the slave may interrupt itself. */
    if ((chip->icw4 & ICW4_FULLY_NESTED) && input == CASCADE)
        blocking &= ~BIT(CASCADE);
    return blocking;
}

/* The input that the chip asks an interrupt for, or NOBODY. */
static int pending(const struct pic_chip *chip)
{
    u8 requests = chip->requests & ~chip->mask, in_service;
    int input;

    if (!requests || chip->next_icw)
        return NOBODY;
    input = first(chip, requests);
    in_service = blocking(chip, input);
    if (in_service && rank(chip, first(chip, in_service)) <= rank(chip, input))
        return NOBODY;
    return input;
}

static void update_cascade(struct pic *pic)
{
    u8 *requests = &pic->chip[MASTER].requests;

    *requests &= ~BIT(CASCADE);
    if (pending(&pic->chip[SLAVE]) != NOBODY)
        *requests |= BIT(CASCADE);
}

static void acknowledge(struct pic_chip *chip, int input)
{
    u8 bit = BIT(input);

    if (!(chip->level & bit))
        chip->requests &= ~bit;
    if (!(chip->icw4 & ICW4_AUTO_EOI))
        chip->in_service |= bit;
    else if (chip->rotate_on_auto_eoi)
        chip->highest = (input + 1) % INPUTS;
}

static void set_input(struct pic_chip *chip, u32 input, bool level)
{
    u8 bit = BIT(input);
    bool rises = level && !(chip->lines & bit);

    chip->lines = level ? chip->lines | bit : chip->lines & ~bit;
    if (chip->level & bit)
        chip->requests = level ? chip->requests | bit : chip->requests & ~bit;
    else if (rises)
        chip->requests |= bit;
}

void pic_set_line(struct pic *pic, u32 irq, bool level)
{
    if (irq == CASCADE || irq >= 2 * INPUTS)
        return; /* not a wire of the PC */
    set_input(&pic->chip[irq / INPUTS], irq % INPUTS, level);
    update_cascade(pic);
}

static bool is_masked(const struct pic_chip *chip, u32 input)
{
    return chip->mask >> input & 1;
}

u8 pic_vector(const struct pic *pic, u32 irq)
{
    const struct pic_chip *chip = &pic->chip[irq / INPUTS];
    bool behind_mask = chip == &pic->chip[SLAVE] && is_masked(&pic->chip[MASTER], CASCADE);

    return behind_mask || is_masked(chip, irq % INPUTS) ? 0 : chip->vector_base | irq % INPUTS;
}

bool pic_requested(const struct pic *pic, u32 irq)
{
    return pic->chip[irq / INPUTS].requests >> irq % INPUTS & 1;
}

bool pic_output(const struct pic *pic)
{
    return pending(&pic->chip[MASTER]) != NOBODY;
}

static int acknowledge_slave(struct pic_chip *slave)
{
    int input = pending(slave);

    if (input == NOBODY)
        return slave->vector_base | SPURIOUS;
    acknowledge(slave, input);
    return slave->vector_base | input;
}

int pic_acknowledge(struct pic *pic)
{
    struct pic_chip *master = &pic->chip[MASTER];
    int input = pending(master), vector;

    if (input == NOBODY)
        return master->vector_base | SPURIOUS;
    acknowledge(master, input);
    vector = master->vector_base | input;
    if (input == CASCADE)
        vector = acknowledge_slave(&pic->chip[SLAVE]);
    update_cascade(pic);
    return vector;
}

/* Initialization begins: the edge detectors are cleared, so an input must rise anew. */
static void write_icw1(struct pic_chip *chip, u8 byte)
{
    chip->icw1 = byte;
    chip->icw4 = 0;
    chip->requests = chip->lines & chip->level;
    chip->in_service = chip->mask = 0;
    chip->highest = 0;
    chip->read_in_service = chip->poll = chip->special_mask = chip->rotate_on_auto_eoi = 0;
    chip->next_icw = 2;
}

/* ICW2 to ICW4. Where the slave sits (ICW3) is a matter of wires. */
static void write_icw(struct pic_chip *chip, u8 byte)
{
    bool icw4_follows = chip->icw1 & ICW1_NEEDS_ICW4;

    if (chip->next_icw == 2)
        chip->vector_base = byte & ICW2_BITS;
    else if (chip->next_icw == 4)
        chip->icw4 = byte;

    if (chip->next_icw == 2 && !(chip->icw1 & ICW1_SINGLE))
        chip->next_icw = 3;
    else
        chip->next_icw = chip->next_icw != 4 && icw4_follows ? 4 : 0;
}

/* Ends the service of an input and makes it the one of lowest priority if asked to. */
static void end_of_interrupt(struct pic_chip *chip, int input, bool rotate)
{
    chip->in_service &= ~BIT(input);
    if (rotate)
        chip->highest = (input + 1) % INPUTS;
}

static void write_ocw2(struct pic_chip *chip, u8 byte)
{
    int level = byte & (INPUTS - 1);
    bool rotate = byte & 0x80;
    u8 candidates = chip->special_mask ? chip->in_service & ~chip->mask : chip->in_service;

    switch (byte >> 5) {
    case 0: /* rotation in automatic EOI mode: off */
    case 4: /* on */
        chip->rotate_on_auto_eoi = rotate;
        break;
    case 1: /* non-specific EOI: the interrupt of highest priority */
    case 5: /* the same, with rotation */
        if (candidates)
            end_of_interrupt(chip, first(chip, candidates), rotate);
        break;
    case 3: /* specific EOI */
    case 7: /* the same, with rotation */
        end_of_interrupt(chip, level, rotate);
        break;
    case 6: /* set priority */
        chip->highest = (level + 1) % INPUTS;
        break;
    }
}

static void write_ocw3(struct pic_chip *chip, u8 byte)
{
    chip->poll = !!(byte & OCW3_POLL);
    if (byte & 0x02)
        chip->read_in_service = byte & 0x01;
    if (byte & 0x40)
        chip->special_mask = byte >> 5 & 1;
}

static void write_chip(struct pic_chip *chip, u32 port, u8 byte)
{
    if (port == PORT_DATA && chip->next_icw)
        write_icw(chip, byte);
    else if (port == PORT_DATA)
        chip->mask = byte;
    else if (byte & ICW1)
        write_icw1(chip, byte);
    else if (byte & OCW3)
        write_ocw3(chip, byte);
    else
        write_ocw2(chip, byte);
}

static u8 poll(struct pic_chip *chip)
{
    int input = pending(chip);

    chip->poll = 0;
    if (input == NOBODY)
        return 0;
    acknowledge(chip, input);
    return POLL_REQUEST | input;
}

static u8 read_chip(struct pic_chip *chip, u32 port)
{
    if (chip->poll)
        return poll(chip);
    if (port == PORT_DATA)
        return chip->mask;
    return chip->read_in_service ? chip->in_service : chip->requests;
}

static u8 read_master(void *state, u32 port, struct access *access)
{
    struct pic *pic = state;
    u8 byte = read_chip(&pic->chip[MASTER], port);

    (void)access;
    update_cascade(pic);
    return byte;
}

static u8 read_slave(void *state, u32 port, struct access *access)
{
    struct pic *pic = state;
    u8 byte = read_chip(&pic->chip[SLAVE], port);

    (void)access;
    update_cascade(pic);
    return byte;
}

static void write_master(void *state, u32 port, u8 byte, struct access *access)
{
    struct pic *pic = state;

    (void)access;
    write_chip(&pic->chip[MASTER], port, byte);
    update_cascade(pic);
}

static void write_slave(void *state, u32 port, u8 byte, struct access *access)
{
    struct pic *pic = state;

    (void)access;
    write_chip(&pic->chip[SLAVE], port, byte);
    update_cascade(pic);
}

static u8 read_elcr(void *state, u32 port, struct access *access)
{
    const struct pic *pic = state;

    (void)access;
    return pic->chip[port].level;
}

/* Requests of inputs that become level-triggered follow the line from now on. */
static void write_elcr(void *state, u32 port, u8 byte, struct access *access)
{
    struct pic *pic = state;
    struct pic_chip *chip = &pic->chip[port];

    (void)access;
    chip->level = byte & elcr_bits[port];
    chip->requests = (chip->requests & ~chip->level) | (chip->lines & chip->level);
    update_cascade(pic);
}

static const struct byte_ports master_ports = {PIC_PORTS, read_master, write_master};
static const struct byte_ports slave_ports = {PIC_PORTS, read_slave, write_slave};
static const struct byte_ports elcr_ports = {ELCR_PORTS, read_elcr, write_elcr};

static void access_master(void *state, u32 offset, struct access *access)
{
    access_byte_ports(&master_ports, state, offset, access);
}

static void access_slave(void *state, u32 offset, struct access *access)
{
    access_byte_ports(&slave_ports, state, offset, access);
}

static void access_elcr(void *state, u32 offset, struct access *access)
{
    access_byte_ports(&elcr_ports, state, offset, access);
}

const struct device_ops pic_master_ops = {
    .name = "pic_master",
    .state_size = sizeof(struct pic),
    .access = access_master,
};

const struct device_ops pic_slave_ops = {
    .name = "pic_slave",
    .state_size = sizeof(struct pic),
    .access = access_slave,
};

const struct device_ops pic_elcr_ops = {
    .name = "pic_elcr",
    .state_size = sizeof(struct pic),
    .access = access_elcr,
};
