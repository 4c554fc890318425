/*
 * The processor seam for tests: a VMCS that is an array, capability MSRs that can
 * be set, and a guest that is a C function or a script of exits. It judges what
 * the hypervisor asks of it: a field that does not exist, a write to a read-only
 * field or a VM entry that SDM 27.2 and 27.3 forbid aborts the test. It never
 * runs an instruction and knows no EPT.
 *
 * The count works as on the real seam: a run that would pass stop_at ends there
 * with exit reason 52 and the rest of it comes at the next entry.
 */
#ifndef TESTS_UNIT_FAKE_PROCESSOR_H
#define TESTS_UNIT_FAKE_PROCESSOR_H

#include "vmx/controls.h"
#include "vmx/events.h"
#include "vmx/processor.h"
#include "vmx/vcpu.h"

/* What one entry ends in. */
struct fake_exit {
    u32 reason;
    u64 advance; /* guest count before it */
    u64 qualification;
    u32 length;    /* of the instruction */
    u32 vectoring; /* IDT-vectoring information */
    bool entry_failed, launch_failed;
    void (*also)(struct vcpu *); /* sets registers and fields; may be NULL */
};

/* What an entry asked for. */
struct fake_entry {
    u32 event, error, length; /* event 0: none */
    u32 controls;             /* processor-based */
    u32 tpr, threshold;
    u64 count, stop_at;
};

/* Decides how the guest goes on after an entry, with the vCPU's registers in its hands. */
typedef struct fake_exit (*fake_guest)(struct vcpu *, const struct fake_entry *);

enum { FAKE_MSRS = 32, FAKE_ENTRIES = 4096, FAKE_FIELDS = 0x7000 };

struct fake_processor {
    u64 fields[FAKE_FIELDS];
    struct {
        u32 number;
        u64 value;
    } msrs[FAKE_MSRS];
    u32 msr_count;
    fake_guest guest; /* NULL: the script */
    const struct fake_exit *script;
    u32 script_length, script_at;
    struct fake_exit pending; /* an exit that a stop came before */
    bool has_pending;
    struct fake_entry
        entries[FAKE_ENTRIES]; /* the last of them at (entry_count - 1) % FAKE_ENTRIES */
    u32 entry_count;
    u32 ept_flushes, tlb_flushes;
    u64 flushed_ept;
    u64 tsc, cr2, dr6;
    u64 live; /* stands for what processor_hash_live() covers */
};

extern struct fake_processor fake_cpu;

/* A processor that has everything that Hindvisor wants. */
void fake_cpu_reset(void);
void fake_cpu_set_msr(u32 msr, u64 value);
void fake_cpu_play(const struct fake_exit *script, u32 length);
#define FAKE_PLAY(script) fake_cpu_play(script, ARRAY_SIZE(script))
/* Exit information, which the hypervisor itself cannot write. */
void fake_cpu_set(enum vmcs_field, u64 value);
const struct fake_entry *fake_cpu_last_entry(void);

#endif
