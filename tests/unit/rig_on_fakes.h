/* What the tests of exit handlers stand on: a rig whose gate is a fake, and its parts by name. */
#ifndef TESTS_UNIT_RIG_ON_FAKES_H
#define TESTS_UNIT_RIG_ON_FAKES_H

#include "tests/unit/fake_gate.h"
#include "tests/unit/hypervisor_rig.h"

static struct fake_gate fake;
static struct rig rig;
static struct vcpu *v __attribute__((unused));
static struct machine *m __attribute__((unused));

static inline void rig_on_fakes(enum clock_policy clock)
{
    fake_gate_init(&fake);
    rig_init(&rig, &fake.gate, clock);
    v = &rig.h.vcpu;
    m = &rig.h.machine;
}

#endif
