/* The run loop; see hypervisor.h. */
#include "vmx/hypervisor.h"
#include "core/crc.h"
#include "core/mem.h"
#include "vmx/controls.h"
#include "vmx/events.h"
#include "vmx/exits.h"
#include "vmx/inject.h"
#include "vmx/processor.h"
#include "vmx/sabotage.h"

enum { VTPR = 0x80 };          /* offset of the TPR in the virtual-APIC page, SDM 30.1.1 */

/* The next guest time at which something happens by itself: a timer, or the run's end. */
static u64 next_deadline(const struct vcpu *v)
{
    return min_u64(v->machine->deadline, v->timeout);
}

/* Under the count policy a deadline is a count, exactly. */
static u64 machine_stop_count(const struct vcpu *v)
{
    if (v->machine->clock != CLOCK_COUNT)
        return NEVER;
    return max_u64(next_deadline(v) - v->skipped, v->count + 1); /* NEVER is far away less any time skipped */
}

static void choose_stop(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    struct gate *gate = h->machine.gate;
    if (v->count >= gate->quiet_until)
        h->world_stop = gate->ops->stop(gate, v->count, next_deadline(v));
    h->deadline = h->machine.deadline;
    v->stop_at = min_u64(min_u64(h->heartbeat, machine_stop_count(v)), h->world_stop);
    h->calm_until = h->calm ? min_u64(v->stop_at, gate->quiet_until) : 0;
}

/* A halted vCPU does not enter the guest: it looks around again, which counts as an exit. */
static bool look_around(struct vcpu *v)
{
    v->tsc_entry = v->tsc_exit = processor_tsc();
    v->exit = (struct exit_info){.reason = EXIT_HLT};
    return true;
}

static inline void count_latency(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    u32 reason = v->exit.reason < EXIT_REASON_LIMIT ? v->exit.reason : 0, previous = h->previous_reason;
    u64 latency = v->tsc_entry - h->previous_exit;
    if (v->exits) {
        v->latency_sum[previous] += latency;
        if (latency < v->latency_min[previous])
            v->latency_min[previous] = latency;
    }
    h->previous_exit = v->tsc_exit;
    h->previous_reason = reason;
    v->exits_by_reason[reason]++;
}

void hypervisor_count_records(struct hypervisor *h, const void *records, u32 length)
{
    struct vcpu *v = &h->vcpu;
    const u8 *end = (const u8 *)records + length;
    for (const u8 *at = records; at < end; at += record_size(*(const u16 *)at)) {
        const struct exit_record *exit = (const struct exit_record *)at;
        if (exit->kind != REC_EXIT || exit->reason >= EXIT_REASON_LIMIT)
            continue;
        v->exits_by_reason[exit->reason]++;
        if (!exit->tsc_entry)
            continue;
        u64 latency = exit->tsc_entry - exit->tsc_exit;
        v->latency_sum[exit->reason] += latency;
        v->latency_min[exit->reason] = min_u64(v->latency_min[exit->reason], latency);
    }
}

static u32 hash_registers(const struct vcpu *v)
{
    u64 check = v->check;
#pragma GCC unroll 16
    for (u32 i = 0; i < GPR_COUNT; i++)
        check = crc32c_step(check, &v->gpr[i]);
    return (u32)crc32c_step(crc32c_step(check, &v->rip), &v->rflags);
}

static struct exit_record *exit_record(struct vcpu *v)
{
    return &v->last[v->exits % ARRAY_SIZE(v->last)];
}

/* Field by field: a struct literal would first clear the whole record. */
static inline struct exit_record *new_record(struct vcpu *v)
{
    struct exit_record *record = exit_record(v);
    record->kind = REC_EXIT;
    record->reason = (u16)v->exit.reason;
    record->check = (u8)v->check;
    record->flags = 0;
    record->count = v->count;
    record->rip = v->rip;
    record->qualification = v->exit.qualification;
    record->tsc_exit = v->tsc_exit;
    v->address = v->value = 0;
    v->recorded++;
    return record;
}

static bool begin_exit(struct hypervisor *h, struct position *at)
{
    struct vcpu *v = &h->vcpu;
    struct gate *gate = h->machine.gate;
    if (h->counts_latencies)
        count_latency(h);
    v->check = hash_registers(v);
    *at = (struct position){v->exits, v->count, v->rip, v->gpr[RCX], v->check};
    struct exit_record *record = new_record(v);
    record->address = record->value = 0; /* not yet known */
    record->flags = v->halted ? EXIT_FLAG_HALTED : 0;
    return gate->ops->exit_begins(gate, record, at, v->tsc_entry);
}

static bool end_exit(struct hypervisor *h, const struct position *at)
{
    struct vcpu *v = &h->vcpu;
    struct gate *gate = h->machine.gate;
    struct exit_record *record = exit_record(v);
    record->address = v->address;
    record->value = v->value;
    return gate->ops->exit_ends(gate, record, at);
}

static void beat(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    h->heartbeat = (v->count / HEARTBEAT + 1) * HEARTBEAT;
    u32 wish = h->progress ? h->progress(h->progress_context, v->exits, h->machine.now) : END_NONE;
    if (!wish || !h->may_give_up)
        return;
    h->gave_up = true;
    machine_stop(&h->machine, (enum end_reason)wish, 0);
}

static void advance_time(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    if (h->machine.clock == CLOCK_COUNT) {
        u64 now = v->count + v->skipped;
        if (now >= h->machine.deadline)
            machine_advance(&h->machine, now);
        else
            h->machine.now = now;
    }
    if (v->count >= h->heartbeat)
        beat(h);
}

static void handle(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    if (v->exit.vectoring)
        inject_resume_vectoring(v);
    if (!exit_handle(v)) /* the reasons of failed entries have no handlers either */
        machine_stop(&h->machine, v->exit.entry_failed ? END_ENTRY_FAILED : END_UNKNOWN_EXIT, v->exit.reason);
}

/* The turn of an exit while nothing is due: nobody need be asked, and of the gate only the
 * record is left. A replay never comes here: it takes each exit the long way, and so proves this one. */
static void brief_turn(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    struct gate *gate = h->machine.gate;
    if (h->counts_latencies)
        count_latency(h);
    v->check = hash_registers(v);
    struct exit_record *record = new_record(v);
    h->machine.now = v->count + v->skipped;
    h->machine.exit = v->exits;
    handle(h);
    record->address = v->address;
    record->value = v->value;
    if (!gate->ops->exit_passes(gate, record, v->exits, v->tsc_entry))
        h->calm_until = 0;
}

/* Exits whose handlers touch nothing but the vCPU's registers. */
static bool touches_registers_only(u32 reason)
{
    static const u64 reasons = BIT(EXIT_CPUID) | BIT(EXIT_RDTSC) | BIT(EXIT_RDTSCP) | BIT(EXIT_INVD) | BIT(EXIT_WBINVD);
    return reason < 64 && reasons >> reason & 1;
}

/* After a brief turn: is nothing pending, and are all timers as they were? */
static bool still_calm(const struct hypervisor *h)
{
    return !h->machine.end.reason && h->machine.deadline == h->deadline && inject_idle(&h->vcpu);
}

/* The TPR shadow lies in the virtual-APIC page while the guest runs. */
static void lend_tpr(struct hypervisor *h)
{
    h->vcpu.virtual_apic[VTPR] = lapic_tpr(&h->machine.lapic);
}

static void take_tpr(struct hypervisor *h)
{
    if (h->vcpu.virtual_apic[VTPR] != lapic_tpr(&h->machine.lapic))
        lapic_set_tpr(&h->machine.lapic, h->vcpu.virtual_apic[VTPR]);
}

/* An exit while nothing is due takes no more than a brief turn; a HLT is followed by what its rest needs to
 * ask. true: served, and the next entry is as the last one was. */
static bool serve(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    if (v->count >= h->calm_until)
        return false;
    if (touches_registers_only(v->exit.reason)) {
        brief_turn(h);
    } else if (v->exit.reason == EXIT_HLT) {
        return false;
    } else {
        take_tpr(h);
        brief_turn(h);
        h->served = !still_calm(h);
        if (h->served)
            return false;
        lend_tpr(h);
    }
    v->exits++;
    return true;
}

/* Runs the guest to the next exit that wants a turn, or the rest of one. */
__attribute__((flatten)) static bool enter(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    if (v->halted)
        return look_around(v);
    choose_stop(h);
    lend_tpr(h);
    do {
        if (!processor_run(v)) {
            machine_stop(&h->machine, END_ENTRY_FAILED, vmcs_read(VMCS_INSTRUCTION_ERROR));
            return false;
        }
    } while (serve(h));
    if (!h->served)
        take_tpr(h);
    return true;
}

static void apply(struct hypervisor *h, struct arrival arrival)
{
    switch (arrival.kind) {
    case ARRIVAL_TIME:
        if (h->machine.clock == CLOCK_COUNT) {
            h->vcpu.skipped += arrival.value;
            machine_advance(&h->machine, h->machine.now + arrival.value);
        } else {
            machine_advance(&h->machine, arrival.value);
        }
        break;
    case ARRIVAL_CONSOLE:
        machine_receive(&h->machine, (u8)arrival.value);
        break;
    case ARRIVAL_END:
        machine_stop(&h->machine, (enum end_reason)arrival.value, 0);
        break;
    case ARRIVAL_NONE:
        break;
    }
}

static void take_arrivals(struct hypervisor *h, const struct position *at)
{
    struct gate *gate = h->machine.gate;
    struct arrival arrival;
    do {
        arrival = gate->ops->arrive(gate, at, machine_may_receive(&h->machine));
        apply(h, arrival);
    } while (arrival.kind != ARRIVAL_NONE && !h->machine.end.reason);
}

static bool nmi_wakes(const struct hypervisor *h)
{
    return machine_nmi_pending(&h->machine) && !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
}

static bool wakes(const struct hypervisor *h)
{
    return nmi_wakes(h) || (machine_pending_vector(&h->machine) >= 0 && inject_possible(&h->vcpu));
}

/* Halted, nothing to wake it, and no timer whose time could simply be skipped to. */
static bool must_wait(const struct hypervisor *h)
{
    return h->vcpu.halted && !wakes(h) && (h->machine.clock == CLOCK_HOST || next_deadline(&h->vcpu) == NEVER);
}

static bool can_never_wake(const struct vcpu *v)
{
    return !inject_possible(v); /* NMIs come only from the vCPU's own doing */
}

/* A halted vCPU rests until something could wake it. */
static void rest(struct hypervisor *h, const struct position *at, bool wait)
{
    struct vcpu *v = &h->vcpu;
    struct gate *gate = h->machine.gate;
    if (!wakes(h) && can_never_wake(v)) {
        machine_stop(&h->machine, END_DEAD_HALT, v->rip);
    } else if (wait) {
        apply(h, gate->ops->wait(gate, at, next_deadline(v), machine_may_receive(&h->machine)));
    } else if (!wakes(h)) {
        u64 deadline = next_deadline(v);
        v->skipped += deadline - h->machine.now;
        gate->ops->idled(gate, at->exit, deadline);
        machine_advance(&h->machine, deadline);
    }
    v->halted = !wakes(h);
}

static struct state_record state_of(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    ept_collect_dirty(&h->ept, &h->machine.memory);
    processor_flush_ept(v->ept_pointer);
    return (struct state_record){
        .kind = REC_STATE,
        .exit = v->exits,
        .count = v->count,
        .cpu = vcpu_hash(v),
        .memory = memory_hash(&h->machine.memory),
        .devices = machine_hash(&h->machine),
    };
}

static bool hash_state(struct hypervisor *h, const struct position *at)
{
    struct gate *gate = h->machine.gate;
    if (at->count < gate->quiet_until || !gate->ops->wants_state(gate, at))
        return true;
    struct state_record state = state_of(h);
    return gate->ops->state(gate, &state);
}

/* false: the gate has found a difference. */
static bool full_turn(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    struct position at;
    h->calm_until = 0;
    h->machine.exit = v->exits;
    if (!begin_exit(h, &at))
        return false;
    advance_time(h);
    if (!v->halted)
        handle(h);
    bool wait = must_wait(h);
    if (!wait && at.count >= h->machine.gate->quiet_until)
        take_arrivals(h, &at);
    if (!end_exit(h, &at) || !hash_state(h, &at))
        return false;
    if (h->machine.now >= v->timeout)
        machine_stop(&h->machine, END_GUEST_TIMEOUT, 0);
    if (v->halted && !h->machine.end.reason)
        rest(h, &at, wait);
    return true;
}

/* One turn: from an exit to the next entry. false: the gate has found a difference. */
static bool turn(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    if (!h->served && !full_turn(h))
        return false;
    h->served = false;
    if (h->machine.end.reason)
        return true;
    bool same = inject_prepare(v);
    h->calm = h->machine.clock == CLOCK_COUNT && !h->sabotage && inject_idle(v);
    return same;
}

static void end_run(struct hypervisor *h)
{
    struct gate *gate = h->machine.gate;
    struct state_record state = state_of(h);
    struct end_record end = {
        .kind = REC_END,
        .reason = (u16)h->machine.end.reason,
        .detail = h->machine.end.detail,
        .exit = state.exit,
        .count = state.count,
        .cpu = state.cpu,
        .memory = state.memory,
        .devices = state.devices,
    };
    gate->ops->ends(gate, &end);
}

void hypervisor_run(struct hypervisor *h)
{
    struct vcpu *v = &h->vcpu;
    h->heartbeat = HEARTBEAT;
    while (!h->machine.end.reason && enter(h)) {
        if (h->sabotage && h->sabotage >> 8 == v->exits)
            sabotage(v, h->sabotage & 0xff);
        if (!turn(h)) {
            h->gave_up = false;
            machine_stop(&h->machine, END_DIVERGED, v->exits);
            break;
        }
        if (!h->machine.end.reason)
            v->exits++;
    }
    if (!h->gave_up)
        end_run(h);
}
