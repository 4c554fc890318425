/*
 * The instructions at which a guest exits: of each RIP the bytes that were there at an exit, read
 * through the guest's page tables as they were. So modules and user programs have theirs as well.
 * The first exit there counts, and then the first of each time that it exits for another reason
 * than before: a kernel that patches its code (RDTSC to RDTSCP) is shown as it runs in the end.
 */
#ifndef ANALYSIS_GUEST_INSTRUCTIONS_H
#define ANALYSIS_GUEST_INSTRUCTIONS_H

#include "analysis/frame/tally.h"
#include "trace/wire.h"
#include "vmx/vcpu.h"

enum { INSTRUCTIONS_MAX = 1 << 16 }; /* RIPs; those that come later have none */

/* Part of the cache's format. */
struct instruction {
    u64 rip;
    u8 bytes[INSTRUCTION_MAX];
    u8 length; /* of them; 0: none could be read */
    u8 bits;   /* of the code: 16, 32 or 64 */
    u8 reserved[7];
};
_Static_assert(sizeof(struct instruction) == 32, "part of the cache's format");

/* All zeros: none. */
struct instructions {
    struct instruction *table; /* by RIP */
    u32 count;
};

/* Collects them while a guest runs. */
struct instruction_finder {
    struct tally rows;
};

void instruction_finder_init(struct instruction_finder *);
/* At an exit, before anything handles it. */
void instruction_finder_look(struct instruction_finder *, struct vcpu *);
/* What was found, and ends the finder. false: no memory. */
bool instruction_finder_end(struct instruction_finder *, struct instructions *);

/* NULL: nothing is known of that RIP. */
const struct instruction *instruction_at(const struct instructions *, u64 rip);
/* From a file, which is untrusted: may it be such a table? */
bool instructions_are_good(const struct instruction *, u64 count);
void instructions_free(struct instructions *);

#endif
