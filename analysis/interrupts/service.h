/*
 * Which interrupt an EOI ends. The local APIC ends the one of the highest priority in
 * service (SDM vol. 3A, 11.8.5), and takes another into service only if its class
 * (vector >> 4) is higher than all that are: so those in service are a stack with
 * ascending classes, at most 16 of them, and an EOI ends the top. An interrupt of
 * a class that is not above the top shows that the top is no longer in service: it
 * has ended with no EOI (a spurious vector, a PIC in automatic EOI mode).
 *
 * Stretches of a trace join exactly: what a stretch would do to those that were in service
 * before it began is kept as a list of operations. Each one that matters lowers the floor, the
 * class that all are below which may be left of them; so there are at most 16.
 */
#ifndef ANALYSIS_INTERRUPTS_SERVICE_H
#define ANALYSIS_INTERRUPTS_SERVICE_H

#include "analysis/frame/pack.h"

enum { SERVICE_CLASSES = 16, SERVICE_OPERATIONS = SERVICE_CLASSES };

struct served {
    u8 vector;
    u64 time, tsc; /* of the injection: guest ns, and the host's */
};

/* What the stretch does to those in service before it. */
struct service_operation {
    bool eoi;      /* ends the top at time, tsc; else ends without an EOI all not below ... */
    bool first;    /* (it is the stretch's first injection) */
    u8 vector;     /* ... the class of this vector */
    u64 time, tsc; /* of an EOI */
};

struct service {
    struct served stack[SERVICE_CLASSES];
    struct service_operation operations[SERVICE_OPERATIONS];
    u32 depth, count, eois; /* eois: among the operations */
    u32 floor;              /* classes from here on are gone from what was before; 16 at first, and
                             * 0 when nothing can be left of it */
};

/* What comes of it, told to its owner. */
struct service_sink {
    void *owner;
    bool (*ended)(void *owner, const struct served *, u64 time, u64 tsc); /* false: no memory */
    void (*unended)(void *owner, u8 vector);                              /* no EOI */
    void (*unmatched)(void *owner); /* an EOI with nothing in service */
};

void service_init(struct service *);
/* `first`: of the stretch. `again`: the delivery of the last injection is tried again. */
void service_begin(struct service *, const struct served *, bool first, bool again,
                   const struct service_sink *);
bool service_eoi(struct service *, u64 time, u64 tsc, const struct service_sink *);
bool service_has(const struct service *, u32 vector); /* as far as this stretch knows */
/* Unknown exits lie between what came and what comes. */
void service_forget(struct service *, const struct service_sink *);
/* What `next` holds comes after. `again`: its first injection repeats the last one here. If it
 * does not follow, nothing of one ends in the other. */
bool service_join(struct service *, const struct service *next, bool follows, bool again,
                  const struct service_sink *);

/* What is in service once the first `operations` of `next` have been carried out; nobody is told.
 */
void service_after(const struct service *, const struct service *next, u32 operations,
                   struct service *then);

void service_save(const struct service *, struct pack *);
void service_load(struct service *, struct unpack *);

#endif
