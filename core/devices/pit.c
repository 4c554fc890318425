/*
 * The 8254 (Intel 8254 data sheet, order 231164) and port 0x61 of the PC. A
 * counter is a function of the ticks since its count was loaded, so nothing is
 * ever counted. A count goes into the counter with the tick after it is written.
 *
 * Only the output of channel 0 interrupts, on its rising edges; several edges
 * between two looks make one pulse. The change of its output that a control word
 * makes is not taken for an edge: machines in use do not rely on it.
 */
#include "core/devices/pit.h"
#include "core/devices/byte_ports.h"
#include "core/devices/ports.h"
#include "core/devices/ticks.h"

enum { PORT_CONTROL = 3, TIMER_CHANNEL = 0, SPEAKER_CHANNEL = 2 };
enum {
    ONE_SHOT = 0,
    TRIGGERED_ONE_SHOT = 1,
    RATE = 2,
    SQUARE = 3,
    STROBE = 4,
    TRIGGERED_STROBE = 5
};
enum { BYTES_LATCH = 0, BYTES_LOW = 1, BYTES_HIGH = 2, BYTES_BOTH = 3 };
enum { CONTROL_READ_BACK = 3, READ_BACK_NO_COUNT = 0x20, READ_BACK_NO_STATUS = 0x10 };
enum { STATUS_OUTPUT = 0x80, STATUS_NULL_COUNT = 0x40 };
enum {
    SPEAKER_GATE = 0x01,
    SPEAKER_WRITABLE = 0x0f,
    SPEAKER_REFRESH = 0x10,
    SPEAKER_OUTPUT = 0x20
};
enum { REFRESH_NS = 15085 }; /* 18 ticks of 1193182 Hz, as the refresh counter of the AT had */

void pit_reset(struct pit *pit)
{
    *pit = (struct pit){.edge = NEVER};
    for (int i = 0; i < PIT_CHANNELS; i++) {
        struct pit_channel *channel = &pit->channel[i];

        channel->switch_tick = NEVER;
        channel->mode = SQUARE;
        channel->bytes = BYTES_BOTH;
        channel->gate = i != SPEAKER_CHANNEL;
    }
}

/* --- one counter at a time --- */

static bool needs_trigger(const struct pit_channel *channel)
{
    return channel->mode == TRIGGERED_ONE_SHOT || channel->mode == TRIGGERED_STROBE;
}

static bool is_periodic(const struct pit_channel *channel)
{
    return channel->mode == RATE || channel->mode == SQUARE;
}

/* A low gate stops all modes but those that it triggers. */
static bool is_held(const struct pit_channel *channel)
{
    return !channel->gate && !needs_trigger(channel);
}

static u64 elapsed(const struct pit_channel *channel, u64 tick)
{
    if (is_held(channel))
        return channel->held;
    return tick > channel->start ? tick - channel->start : 0;
}

/* Ticks of a square wave's high half, which is the longer one of an odd count. */
static u32 high_half(const struct pit_channel *channel)
{
    return (channel->reload + 1) / 2;
}

static void load(struct pit_channel *channel, u64 tick)
{
    channel->reload = channel->written;
    channel->start = tick;
    channel->held = 0;
    channel->switch_tick = NEVER;
    channel->running = 1;
}

/* A new count of a periodic mode takes over when the old period is over. (The chip
 * takes it after half a square wave already.) */
static void settle(struct pit_channel *channel, u64 tick)
{
    if (tick >= channel->switch_tick && !is_held(channel))
        load(channel, channel->switch_tick);
}

/* The tick, after `tick`, at which the present period ends. */
static u64 end_of_period(const struct pit_channel *channel, u64 tick)
{
    u64 periods = elapsed(channel, tick) / channel->reload + 1;

    return channel->start + periods * channel->reload;
}

static bool output(const struct pit_channel *channel, u64 tick)
{
    u64 since = elapsed(channel, tick);

    if (!channel->running)
        return channel->mode != ONE_SHOT;
    switch (channel->mode) {
    case ONE_SHOT:
    case TRIGGERED_ONE_SHOT:
        return since >= channel->reload;
    case RATE:
        return is_held(channel) || since % channel->reload != channel->reload - 1;
    case SQUARE:
        return is_held(channel) || since % channel->reload < high_half(channel);
    default: /* the strobes: low for one tick */
        return since != channel->reload;
    }
}

/* The tick after `tick` at which the output rises next, or NEVER. */
static u64 next_rise(const struct pit_channel *channel, u64 tick)
{
    u64 since = elapsed(channel, tick), rise = channel->reload;

    if (!channel->running || is_held(channel))
        return NEVER;
    if (is_periodic(channel))
        return end_of_period(channel, tick);
    if (channel->mode >= STROBE)
        rise++;
    return since < rise ? channel->start + rise : NEVER;
}

/* The counting element of a square wave: it goes by twos, and odd counts lose one. */
static u32 square_count(const struct pit_channel *channel, u64 since)
{
    u32 part = since % channel->reload;

    if (part >= high_half(channel))
        part -= high_half(channel);
    return (channel->reload & ~1u) - 2 * part;
}

static u16 to_bcd(u32 value)
{
    return value / 1000 % 10 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10;
}

static u32 from_bcd(u16 bcd)
{
    return (bcd >> 12) * 1000u + (bcd >> 8 & 15) * 100u + (bcd >> 4 & 15) * 10u + (bcd & 15);
}

/* What a read of the counter shows at `tick`. Counters that have run out wrap. */
static u16 count(const struct pit_channel *channel, u64 tick)
{
    u64 since = elapsed(channel, tick);
    u32 modulus = channel->bcd ? 10000 : 0x10000, value;

    if (channel->mode == SQUARE && channel->reload)
        value = square_count(channel, since);
    else if (channel->mode == RATE && channel->reload)
        value = channel->reload - since % channel->reload;
    else if (channel->running)
        value = channel->reload + modulus - since % modulus;
    else
        value = channel->reload;
    return channel->bcd ? to_bcd(value % modulus) : value % modulus;
}

/* --- what the guest writes --- */

static void write_count(struct pit_channel *channel, u16 raw, u64 tick)
{
    u32 value = channel->bcd ? from_bcd(raw) : raw;

    channel->written = value ? value : channel->bcd ? 10000 : 0x10000;
    if (needs_trigger(channel))
        return; /* it waits for the gate */
    if (is_periodic(channel) && channel->running) {
        channel->switch_tick = end_of_period(channel, tick);
        return;
    }
    load(channel, tick + 1);
}

static void write_counter(struct pit_channel *channel, u8 byte, u64 tick)
{
    if (channel->bytes == BYTES_LOW) {
        write_count(channel, byte, tick);
    } else if (channel->bytes == BYTES_HIGH) {
        write_count(channel, byte << 8, tick);
    } else if (!channel->write_high) {
        channel->low = byte;
        channel->write_high = 1;
        if (channel->mode == ONE_SHOT)
            channel->running = 0; /* the first byte stops it, the output goes low */
    } else {
        channel->write_high = 0;
        write_count(channel, channel->low | byte << 8, tick);
    }
}

static void latch_count(struct pit_channel *channel, u64 tick)
{
    if (channel->latched)
        return; /* until it has been read */
    channel->latch = count(channel, tick);
    channel->latched = channel->bytes == BYTES_BOTH ? 2 : 1;
    /* A read that had come half-way goes on with the latched high byte. */
    if (channel->read_high)
        channel->latched = 1;
}

static void latch_status(struct pit_channel *channel, u64 tick)
{
    bool not_loaded = !channel->running || tick < channel->start || channel->switch_tick != NEVER;

    if (channel->status_latched)
        return;
    channel->status_latched = 1;
    channel->status = (output(channel, tick) ? STATUS_OUTPUT : 0) |
                      (not_loaded ? STATUS_NULL_COUNT : 0) | channel->bytes << 4 |
                      channel->mode << 1 | channel->bcd;
}

static void read_back(struct pit *pit, u8 byte, u64 tick)
{
    for (int i = 0; i < PIT_CHANNELS; i++) {
        if (!(byte >> (i + 1) & 1))
            continue;
        if (!(byte & READ_BACK_NO_COUNT))
            latch_count(&pit->channel[i], tick);
        if (!(byte & READ_BACK_NO_STATUS))
            latch_status(&pit->channel[i], tick);
    }
}

/* A control word programs the counter anew; it then waits for a count. */
static void program(struct pit_channel *channel, u8 byte)
{
    channel->bytes = byte >> 4 & 3;
    channel->mode = byte >> 1 & 7;
    if (channel->mode > TRIGGERED_STROBE)
        channel->mode &= 3; /* 6 and 7 are other names of 2 and 3 */
    channel->bcd = byte & 1;
    channel->running = 0;
    channel->written = 0;
    channel->held = 0;
    channel->switch_tick = NEVER;
    channel->latched = channel->status_latched = 0;
    channel->read_high = channel->write_high = 0;
}

static void write_control(struct pit *pit, u8 byte, u64 tick)
{
    u32 select = byte >> 6;

    if (select == CONTROL_READ_BACK)
        read_back(pit, byte, tick);
    else if ((byte >> 4 & 3) == BYTES_LATCH)
        latch_count(&pit->channel[select], tick);
    else
        program(&pit->channel[select], byte);
}

static void set_gate(struct pit_channel *channel, bool level, u64 tick)
{
    u64 since = elapsed(channel, tick);
    bool rises = level && !channel->gate;

    channel->gate = level;
    if (!rises) {
        channel->held = since;
        return;
    }
    if (needs_trigger(channel) || is_periodic(channel)) {
        if (channel->written)
            load(channel, tick + 1);
    } else {
        channel->start = tick - channel->held; /* modes 0 and 4 go on */
    }
}

/* --- what the guest reads --- */

static u8 read_latch(struct pit_channel *channel)
{
    bool high = channel->bytes == BYTES_HIGH || channel->read_high;

    channel->latched--;
    channel->read_high = channel->latched == 1;
    return high ? channel->latch >> 8 : channel->latch;
}

static u8 read_counter(struct pit_channel *channel, u64 tick)
{
    u16 value = count(channel, tick);
    bool high = channel->bytes == BYTES_HIGH || channel->read_high;

    if (channel->status_latched) {
        channel->status_latched = 0;
        return channel->status;
    }
    if (channel->latched)
        return read_latch(channel);
    if (channel->bytes == BYTES_BOTH)
        channel->read_high = !channel->read_high;
    return high ? value >> 8 : value;
}

/* --- the device --- */

/* Time has come to `tick`: takes the edges that have passed. */
static void come_to(struct pit *pit, u64 tick)
{
    if (tick >= pit->edge)
        pit->pulse = 1;
    for (int i = 0; i < PIT_CHANNELS; i++)
        settle(&pit->channel[i], tick);
    if (tick >= pit->edge)
        pit->edge = next_rise(&pit->channel[TIMER_CHANNEL], tick);
}

static u64 deadline(const void *state)
{
    const struct pit *pit = state;

    return time_of_tick(pit->edge, PIT_HZ);
}

/* Rises of channel 0 after `edge` and up to `tick`, as far as the count in use tells. */
static u64 further_rises(const struct pit *pit, u64 tick)
{
    const struct pit_channel *channel = &pit->channel[TIMER_CHANNEL];

    return is_periodic(channel) && channel->reload ? (tick - pit->edge) / channel->reload : 0;
}

static u64 advance(void *state, u64 now)
{
    u64 tick = ticks_at(now, PIT_HZ), missed;

    if (now < deadline(state))
        return 0;
    missed = further_rises(state, tick);
    come_to(state, tick);
    return missed;
}

static enum line line(void *state)
{
    struct pit *pit = state;
    bool pulse = pit->pulse;

    pit->pulse = 0;
    return pulse ? LINE_PULSE : LINE_LOW;
}

static u8 read_port(void *state, u32 port, struct access *access)
{
    struct pit *pit = state;

    if (port == PORT_CONTROL)
        return 0xff; /* write-only */
    return read_counter(&pit->channel[port], ticks_at(access->now, PIT_HZ));
}

static void write_port(void *state, u32 port, u8 byte, struct access *access)
{
    struct pit *pit = state;
    u64 before = deadline(pit), tick = ticks_at(access->now, PIT_HZ);

    if (port == PORT_CONTROL)
        write_control(pit, byte, tick);
    else
        write_counter(&pit->channel[port], byte, tick);

    pit->edge = next_rise(&pit->channel[TIMER_CHANNEL], tick);
    if (deadline(pit) != before) {
        access->effect = EFFECT_TIMER_SET;
        access->effect_value = deadline(pit);
    }
}

static u8 read_speaker(void *state, u32 port, struct access *access)
{
    const struct pit *pit = state;
    u64 tick = ticks_at(access->now, PIT_HZ);

    (void)port;
    return pit->speaker | (access->now / REFRESH_NS & 1 ? SPEAKER_REFRESH : 0) |
           (output(&pit->channel[SPEAKER_CHANNEL], tick) ? SPEAKER_OUTPUT : 0);
}

static void write_speaker(void *state, u32 port, u8 byte, struct access *access)
{
    struct pit *pit = state;

    (void)port;
    pit->speaker = byte & SPEAKER_WRITABLE;
    set_gate(&pit->channel[SPEAKER_CHANNEL], byte & SPEAKER_GATE, ticks_at(access->now, PIT_HZ));
}

static const struct byte_ports pit_ports = {PIT_PORTS, read_port, write_port};
static const struct byte_ports speaker_ports = {SPEAKER_PORTS, read_speaker, write_speaker};

static void access_pit(void *state, u32 offset, struct access *access)
{
    come_to(state, ticks_at(access->now, PIT_HZ));
    access_byte_ports(&pit_ports, state, offset, access);
}

/* Leaves channel 0 alone: its pulse would wait until somebody looks at pit_ops. */
static void access_speaker(void *state, u32 offset, struct access *access)
{
    struct pit *pit = state;

    settle(&pit->channel[SPEAKER_CHANNEL], ticks_at(access->now, PIT_HZ));
    access_byte_ports(&speaker_ports, state, offset, access);
}

const struct device_ops pit_ops = {
    .name = "pit",
    .state_size = sizeof(struct pit),
    .access = access_pit,
    .line = line,
    .deadline = deadline,
    .advance = advance,
};

const struct device_ops speaker_ops = {
    .name = "speaker",
    .state_size = sizeof(struct pit),
    .access = access_speaker,
};
