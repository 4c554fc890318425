/* The world as the image sees it: what a recorder asks (replay/world.h). */
#ifndef VMX_IMAGE_CARRIER_WORLD_H
#define VMX_IMAGE_CARRIER_WORLD_H

#include "core/machine.h"
#include "replay/world.h"
#include "vmx/image/image.h"

struct carrier_world {
    struct world world; /* first */
    u64 start;          /* host TSC at the run's beginning */
    u64 tsc_hz;
    u64 heartbeats;
};

void carrier_world_init(struct carrier_world *, u64 tsc_hz);

#endif
