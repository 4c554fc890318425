/* The noisy world; see noise.h. */
#include "replay/noise.h"
#include "core/crc.h"

enum { INTERVAL_MAX = 4 << 20 };      /* guest count between interruptions, at most */
enum { STOLEN_MAX = 3 * 1000 * 1000 }; /* ns stolen at once, at most */
enum { HOLD_ONE_IN = 4 };             /* of the looks at the console, those that may pass a byte */

static struct noise *from_world(struct world *world)
{
    return (struct noise *)world;
}

static u64 draw(struct noise *n, u64 limit)
{
    n->state += 0x9e3779b97f4a7c15ull;
    return mix64(n->state) % limit;
}

static u64 noisy_clock(struct world *world)
{
    struct noise *n = from_world(world);
    return n->inner->ops->clock(n->inner) + n->stolen;
}

static u64 noisy_ticks(struct world *world, u64 ns)
{
    struct noise *n = from_world(world);
    return n->inner->ops->ticks(n->inner, ns);
}

static int noisy_console(struct world *world)
{
    struct noise *n = from_world(world);
    return draw(n, HOLD_ONE_IN) ? -1 : n->inner->ops->console(n->inner);
}

static void noisy_idle(struct world *world, u64 ns)
{
    struct noise *n = from_world(world);
    n->inner->ops->idle(n->inner, ns);
}

static u32 noisy_stop(struct world *world)
{
    struct noise *n = from_world(world);
    return n->inner->ops->stop(n->inner);
}

static void noisy_output(struct world *world, u8 byte)
{
    struct noise *n = from_world(world);
    n->inner->ops->output(n->inner, byte);
}

static u32 noisy_progress(struct world *world, u64 exits, u64 guest_ns)
{
    struct noise *n = from_world(world);
    return n->inner->ops->progress(n->inner, exits, guest_ns);
}

/* Time is stolen when the interruption is due, by the amount drawn then: the host's
 * clock shows it from there on, and under the count policy it is handed over. */
static u64 noisy_interruption(struct world *world, u64 count)
{
    struct noise *n = from_world(world);
    if (count >= n->next) {
        n->next = count + 1 + draw(n, INTERVAL_MAX);
        n->stolen += draw(n, STOLEN_MAX);
    }
    return n->next;
}

static u64 noisy_stolen(struct world *world)
{
    return draw(from_world(world), STOLEN_MAX);
}

static const struct world_ops noise_ops = {
    .clock = noisy_clock,
    .ticks = noisy_ticks,
    .console = noisy_console,
    .idle = noisy_idle,
    .stop = noisy_stop,
    .output = noisy_output,
    .progress = noisy_progress,
    .interruption = noisy_interruption,
    .stolen = noisy_stolen,
};

void noise_init(struct noise *n, struct world *inner, u64 seed)
{
    *n = (struct noise){.world = {&noise_ops}, .inner = inner, .state = mix64(seed + 1)};
    n->next = 1 + draw(n, INTERVAL_MAX);
}
