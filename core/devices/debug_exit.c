/*
 * The debug-exit port. It never interrupts and knows no time.
 */
#include "core/devices/debug_exit.h"

void debug_exit_reset(struct debug_exit *exit)
{
    exit->code = 0;
}

static void access_port(void *state, u32 offset, struct access *access)
{
    struct debug_exit *exit = state;

    if (!access->write || offset != 0) {
        if (!access->write)
            access->value = (1ull << 8 * access->size) - 1;
        return;
    }
    exit->code = (u32)access->value;
    access->effect = EFFECT_DEBUG_EXIT;
    access->effect_value = exit->code;
}

const struct device_ops debug_exit_ops = {
    .name = "debug_exit",
    .state_size = sizeof(struct debug_exit),
    .access = access_port,
};
