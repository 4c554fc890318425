/* The image's world: the carrier's clock, its console, the user's commands. */
#include "vmx/image/carrier_world.h"

static struct carrier_world *from_world(struct world *world)
{
    return (struct carrier_world *)world;
}

/* ticks * 10^9 / hz without overflow or 128-bit division. */
static u64 scale(u64 value, u64 numerator, u64 denominator)
{
    return value / denominator * numerator + value % denominator * numerator / denominator;
}

static u64 carrier_clock(struct world *world)
{
    struct carrier_world *w = from_world(world);
    return scale(host_tsc() - w->start, NANOSECONDS, w->tsc_hz);
}

static u64 carrier_ticks(struct world *world, u64 ns)
{
    return scale(ns, from_world(world)->tsc_hz, NANOSECONDS);
}

static int carrier_console(struct world *world)
{
    (void)world;
    return console_poll();
}

/* There is no one to leave the CPU to. */
static void carrier_idle(struct world *world, u64 ns)
{
    (void)world, (void)ns;
}

static u32 carrier_stop(struct world *world)
{
    u32 commands = console_commands();
    (void)world;
    if (commands & BIT(COMMAND_QUIT - 'A'))
        return END_STOPPED;
    return commands & BIT(COMMAND_TIMEOUT - 'A') ? END_WALL_TIMEOUT : END_NONE;
}

static void carrier_output(struct world *world, u8 byte)
{
    (void)world;
    console_guest(byte);
}

static u32 carrier_progress(struct world *world, u64 exits, u64 guest_ns)
{
    enum { EVERY = 32 }; /* heartbeats */
    if (from_world(world)->heartbeats++ % EVERY == 0)
        console_frame(FRAME_PROGRESS, "%lu %lu", exits, guest_ns);
    return carrier_stop(world);
}

static u64 no_interruption(struct world *world, u64 count)
{
    (void)world, (void)count;
    return NEVER;
}

static u64 nothing_stolen(struct world *world)
{
    (void)world;
    return 0;
}

static const struct world_ops carrier_ops = {
    .clock = carrier_clock,
    .ticks = carrier_ticks,
    .console = carrier_console,
    .idle = carrier_idle,
    .stop = carrier_stop,
    .output = carrier_output,
    .progress = carrier_progress,
    .interruption = no_interruption,
    .stolen = nothing_stolen,
};

void carrier_world_init(struct carrier_world *w, u64 tsc_hz)
{
    *w = (struct carrier_world){.world = {&carrier_ops}, .start = host_tsc(), .tsc_hz = tsc_hz};
}
