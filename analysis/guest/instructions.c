/* Instructions by RIP; see instructions.h. */
#include "analysis/guest/instructions.h"

#include <stdlib.h>
#include <string.h>

#include "vmx/handlers.h"

struct found {
    struct tally_key key; /* RIP, 0 */
    u32 reason;           /* of the exit at which it was read */
    struct instruction instruction;
};

void instruction_finder_init(struct instruction_finder *finder)
{
    finder->rows = TALLY(struct found, INSTRUCTIONS_MAX);
}

void instruction_finder_look(struct instruction_finder *finder, struct vcpu *v)
{
    struct found *found = tally_row(&finder->rows, v->rip, 0);
    if (!found || (found->instruction.bits && found->reason == v->exit.reason))
        return;
    found->reason = v->exit.reason;
    found->instruction.rip = v->rip;
    found->instruction.length = (u8)guest_fetch(v, found->instruction.bytes);
    found->instruction.bits = (u8)vcpu_code_bits();
}

bool instruction_finder_end(struct instruction_finder *finder, struct instructions *instructions)
{
    void **rows = tally_sorted(&finder->rows, tally_by_key);
    u32 count = finder->rows.count;
    struct instruction *table = calloc(count + 1ull, sizeof(*table));
    for (u32 i = 0; rows && table && i < count; i++)
        table[i] = ((const struct found *)rows[i])->instruction;
    *instructions = (struct instructions){table, rows && table ? count : 0};
    bool good = rows && table;
    free(rows);
    tally_free(&finder->rows);
    return good;
}

static int by_rip(const void *left, const void *right)
{
    const struct instruction *l = left, *r = right;
    return l->rip < r->rip ? -1 : l->rip > r->rip;
}

const struct instruction *instruction_at(const struct instructions *instructions, u64 rip)
{
    struct instruction key = {.rip = rip};
    return instructions->count
               ? bsearch(&key, instructions->table, instructions->count, sizeof(key), by_rip)
               : NULL;
}

bool instructions_are_good(const struct instruction *table, u64 count)
{
    if (count > INSTRUCTIONS_MAX)
        return false;
    for (u64 i = 0; i < count; i++) {
        const struct instruction *at = &table[i];
        bool mode = at->bits == 16 || at->bits == 32 || at->bits == 64;
        if (!mode || at->length > INSTRUCTION_MAX || (i && by_rip(at - 1, at) >= 0))
            return false;
    }
    return true;
}

void instructions_free(struct instructions *instructions)
{
    free(instructions->table);
    *instructions = (struct instructions){0};
}
