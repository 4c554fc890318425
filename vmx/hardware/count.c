/* The exact guest count; see count.h. */
#include "vmx/hardware/count.h"
#include "core/mem.h"
#include "vmx/exits.h"
#include "vmx/hardware/hardware.h"
#include "vmx/hardware/instructions.h"
#include "vmx/processor.h"

u64 count_overhead;
/* By exits: ticks count nothing, each exit counts, and the timer is as late as can be. Masks
 * and not conditions, since all of this happens at every exit. */
static u64 counted_ticks = ~0ull, counted_exit;
static u32 latest_timer;

void count_by_exits(void)
{
    counted_ticks = 0;
    counted_exit = COUNT_PER_EXIT;
    latest_timer = ~0u;
}

bool count_stops_exactly(void)
{
    return counted_ticks;
}

void count_arm(struct vcpu *v)
{
    vmwrite(VMCS_PREEMPTION_TIMER, (u32)(v->stop_at - v->count + 1) | latest_timer);
}

void count_ticks(struct vcpu *v)
{
    /* One less than nothing where the entry could not deliver its event. The count never goes back:
     * a replay would stop at the first of two places with the same count. */
    i64 ticks = (i64)(v->tsc_exit - v->tsc_entry - count_overhead);
    v->count += (ticks > 0 ? (u64)ticks : 0) & counted_ticks;
}

void count_exit(struct vcpu *v)
{
    v->count += counted_exit;
}

/* The calibration guest: real mode, `nops` NOPs, then HLT. */
static void place_guest(struct vcpu *v, u64 code, u8 *host_code, u32 nops)
{
    enum { NOP = 0x90, HLT = 0xf4 };
    memset(host_code, NOP, nops);
    host_code[nops] = HLT;
    v->rip = 0;
    vmcs_write(VMCS_GUEST_CS, code >> 4);
    vmcs_write(VMCS_GUEST_CS_BASE, code);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
}

static void enter_real_mode(void)
{
    static const struct {
        enum vmcs_field selector, base, limit, access;
        u32 rights;
    } segments[] = {
        {VMCS_GUEST_CS, VMCS_GUEST_CS_BASE, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_ACCESS, 0x9b},
        {VMCS_GUEST_SS, VMCS_GUEST_SS_BASE, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_ACCESS, 0x93},
        {VMCS_GUEST_DS, VMCS_GUEST_DS_BASE, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_ACCESS, 0x93},
        {VMCS_GUEST_ES, VMCS_GUEST_ES_BASE, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_ACCESS, 0x93},
        {VMCS_GUEST_FS, VMCS_GUEST_FS_BASE, VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_ACCESS, 0x93},
        {VMCS_GUEST_GS, VMCS_GUEST_GS_BASE, VMCS_GUEST_GS_LIMIT, VMCS_GUEST_GS_ACCESS, 0x93},
    };
    enum { CR0_NE = 1 << 5, CR4_VMXE = 1 << 13 };
    for (u32 i = 0; i < ARRAY_SIZE(segments); i++) {
        vmcs_write(segments[i].selector, 0);
        vmcs_write(segments[i].base, 0);
        vmcs_write(segments[i].limit, 0xffff);
        vmcs_write(segments[i].access, segments[i].rights);
    }
    vmcs_write(VMCS_GUEST_CR0, CR0_NE);
    vmcs_write(VMCS_GUEST_CR4, CR4_VMXE);
    vmcs_write(VMCS_GUEST_EFER, 0);
    vmcs_write(VMCS_ENTRY_CONTROLS, vmcs_read(VMCS_ENTRY_CONTROLS) & ~(u64)CONTROL_ENTRY_IA32E_GUEST);
}

/* Runs `nops` NOPs with room for `limit` ticks; *ticks: TSC ticks around the entry. */
static struct err measure(struct vcpu *v, u64 code, u8 *host_code, u32 nops, u64 limit, u32 reason, u64 *ticks)
{
    place_guest(v, code, host_code, nops);
    v->count = 0;
    v->stop_at = limit;
    if (!processor_run(v))
        return ERR(INTERNAL, "the calibration guest cannot be entered: VM-instruction error %a", vmread(VMCS_INSTRUCTION_ERROR), 0);
    if (v->exit.entry_failed || v->exit.reason != reason)
        return ERR(UNSUPPORTED, "the calibration guest left by exit reason %a instead of %b", v->exit.reason, reason);
    *ticks = v->tsc_exit - v->tsc_entry;
    return NO_ERR;
}

#define INEXACT                                                                                    \
    "an exact guest count: the TSC and the VMX-preemption timer do not advance by one per guest instruction " \
    "(%a ticks for %b instructions); counting by PMU is not built yet: record with --count exits, which delivers interrupts at exits only"

static struct err check_run(struct vcpu *v, u64 code, u8 *host_code, u32 nops)
{
    u64 ticks;
    TRY(measure(v, code, host_code, nops, 1u << 30, EXIT_HLT, &ticks));
    if (ticks - count_overhead != nops)
        return ERR(UNSUPPORTED, INEXACT, ticks - count_overhead, nops);
    return NO_ERR;
}

static struct err check_stop(struct vcpu *v, u64 code, u8 *host_code, u32 stop)
{
    u64 ticks;
    TRY(measure(v, code, host_code, 3000, stop, EXIT_PREEMPTION_TIMER, &ticks));
    if (ticks - count_overhead != stop || v->rip != stop)
        return ERR(UNSUPPORTED, INEXACT, ticks - count_overhead, v->rip);
    return NO_ERR;
}

struct err hardware_calibrate(struct vcpu *v, u64 code, u8 *host_code)
{
    static const u32 lengths[] = {0, 1, 2, 3, 10, 100, 1000, 3000};
    u64 ticks;
    enter_real_mode();
    count_overhead = 0;
    TRY(measure(v, code, host_code, 0, 1u << 30, EXIT_HLT, &ticks)); /* VMLAUNCH */
    count_overhead = ticks;
    for (u32 i = 0; i < ARRAY_SIZE(lengths); i++)
        TRY(check_run(v, code, host_code, lengths[i]));
    for (u32 i = 1; i < ARRAY_SIZE(lengths) - 1; i++)
        TRY(check_stop(v, code, host_code, lengths[i]));
    memset(host_code, 0, 3001);
    return NO_ERR;
}
