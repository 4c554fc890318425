/*
 * Fuzzes the replayer: a log is a file and may hold anything. The input is either
 * raw blocks or a list of changes to a real recording of the tiny guest. The replay
 * must end, and say a difference or that the log was cut whenever it did not end as
 * the recording did.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/recorded_run.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct run run;
static struct recorded originals[2], changed;
static struct record_list lists[2];

/* A short life: only the last of its events. */
static void prepare(enum clock_policy clock)
{
    run_prepare(&run, clock);
    run.rig.h.vcpu.gpr[R10] = TINY_EVENTS - 25;
}

static void record_both(void)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        prepare(clock);
        run_record(&run, &originals[clock], 77);
        list_records(&originals[clock], &lists[clock]);
    }
}

/* Blocks as they are, of any length. */
static void take_raw(const u8 *data, size_t size)
{
    changed.blocks = changed.block_at[0] = 0;
    while (size > 2 && changed.blocks < 8) {
        u32 at = (u32)align_up(changed.block_at[changed.blocks], 8);
        size_t length = (size_t)(data[0] | data[1] << 8) % (size - 1);
        memcpy(changed.bytes + at, data + 2, length);
        changed.block_at[changed.blocks] = at;
        changed.block_at[++changed.blocks] = at + (u32)length;
        data += 2 + length;
        size -= 2 + length;
    }
}

/* Each change: which record, which byte of it, what it becomes; or the number of blocks kept. */
static void take_changes(enum clock_policy clock, const u8 *data, size_t size)
{
    memcpy(&changed, &originals[clock], sizeof(changed));
    for (; size >= 4; data += 4, size -= 4) {
        u32 which = (u32)(data[0] | data[1] << 8) % lists[clock].count;
        u8 *record = (u8 *)record_at(&changed, &lists[clock], which);
        u32 length = record_size(record_at(&originals[clock], &lists[clock], which)->kind);
        if (data[2] == 0xff)
            changed.blocks = data[3] % (originals[clock].blocks + 1);
        else
            record[data[2] % length] = data[3];
    }
}

static void expect_an_answer(void)
{
    bool ended = run.rig.h.machine.end.reason != END_NONE;
    bool differs = run.replayer.difference.kind != DIVERGENCE_NONE;
    bool said = run.rig.h.machine.end.reason != END_DIVERGED || differs || run.replayer.early;
    if (!ended || !said)
        abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (!originals[0].blocks)
        record_both();
    if (size < 2)
        return 0;
    enum clock_policy clock = data[0] & 1 ? CLOCK_HOST : CLOCK_COUNT;
    if (data[0] & 2)
        take_raw(data + 1, size - 1);
    else
        take_changes(clock, data + 1, size - 1);
    prepare(clock);
    run_replay(&run, &changed);
    expect_an_answer();
    return 0;
}
