/* The processor seam on VT-x hardware; see vmx/processor.h. */
#include "vmx/processor.h"
#include "core/crc.h"
#include "core/mem.h"
#include "vmx/events.h"
#include "vmx/exits.h"
#include "vmx/hardware/count.h"
#include "vmx/hardware/hardware.h"
#include "vmx/hardware/instructions.h"
#include "vmx/vcpu.h"

_Static_assert(offsetof(struct vcpu, tsc_entry) == 128, "entry.S: TSC_ENTRY");
_Static_assert(offsetof(struct vcpu, tsc_exit) == 136, "entry.S: TSC_EXIT");
_Static_assert(offsetof(struct vcpu, launched) == 144, "entry.S: LAUNCHED");

enum { ENTRY_FAILED = 1u << 31 };

u64 vmcs_read(enum vmcs_field field)
{
    return vmread(field);
}

void vmcs_write(enum vmcs_field field, u64 value)
{
    vmwrite(field, value);
}

u64 processor_read_msr(u32 msr)
{
    return read_msr(msr);
}

void processor_write_msr(u32 msr, u64 value)
{
    write_msr(msr, value);
}

u64 processor_tsc(void)
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

static void write_if_changed(enum vmcs_field field, u64 *written, u64 value)
{
    if (*written == value)
        return;
    vmwrite(field, *written = value);
}

static void load_registers(struct vcpu *v)
{
    vmwrite(VMCS_GUEST_RIP, v->rip);
    write_if_changed(VMCS_GUEST_RSP, &v->written_rsp, v->gpr[RSP]);
    write_if_changed(VMCS_GUEST_RFLAGS, &v->written_rflags, v->rflags);
}

static void store_registers(struct vcpu *v)
{
    v->rip = vmread(VMCS_GUEST_RIP);
    v->gpr[RSP] = v->written_rsp = vmread(VMCS_GUEST_RSP);
    v->rflags = v->written_rflags = vmread(VMCS_GUEST_RFLAGS);
}

/* What there is to an exit beyond its reason and the instruction's length. Instructions exit
 * when no event is being delivered: only other exits have vectoring information (SDM 28.2.4). */
enum detail { PLAIN, QUALIFIED, OTHER };

static enum detail exit_detail(u32 reason)
{
    static const u8 details[EXIT_REASON_LIMIT] = {
        [EXIT_CR_ACCESS] = QUALIFIED,     [EXIT_IO_INSTRUCTION] = QUALIFIED, [EXIT_EXCEPTION_NMI] = OTHER,
        [EXIT_EXTERNAL_INTERRUPT] = OTHER, [EXIT_TRIPLE_FAULT] = OTHER,      [EXIT_TASK_SWITCH] = OTHER,
        [EXIT_EPT_VIOLATION] = OTHER,      [EXIT_EPT_MISCONFIG] = OTHER,     [EXIT_PREEMPTION_TIMER] = OTHER,
    };
    return reason < EXIT_REASON_LIMIT ? (enum detail)details[reason] : OTHER;
}

/* Where the reason leaves it undefined the field may hold an old value: the record must not.
 * An exception has one for #PF and #DB only (SDM 28.2.1). */
static u64 other_qualification(u32 reason)
{
    u32 vector;
    switch (reason) {
    case EXIT_EXCEPTION_NMI:
        vector = EVENT_VECTOR(vmread(VMCS_EXIT_EVENT));
        return vector == VECTOR_PF || vector == VECTOR_DB ? vmread(VMCS_EXIT_QUALIFICATION) : 0;
    case EXIT_TASK_SWITCH:
    case EXIT_EPT_VIOLATION:
        return vmread(VMCS_EXIT_QUALIFICATION);
    default:
        return 0;
    }
}

/* The guest goes on as if nothing had been, with the event that was being delivered. */
static void resume_event(struct vcpu *v)
{
    if (!v->exit.vectoring)
        return;
    vmwrite(VMCS_ENTRY_EVENT, v->exit.vectoring & (EVENT_VALID | EVENT_HAS_ERROR | 0x7ff));
    vmwrite(VMCS_ENTRY_EVENT_ERROR, vmread(VMCS_VECTORING_ERROR));
    vmwrite(VMCS_ENTRY_EVENT_LENGTH, v->exit.length);
}

/* Exits that depend on the host and not on the guest: the guest's run must not know them. */
static bool host_exit(struct vcpu *v)
{
    bool interrupt = v->exit.reason == EXIT_EXTERNAL_INTERRUPT;
    if (!interrupt && !(v->exit.reason == EXIT_PREEMPTION_TIMER && !count_stops_exactly()))
        return false;
    if (interrupt)
        hardware_host_interrupt((u8)vmread(VMCS_EXIT_EVENT));
    resume_event(v);
    return true;
}

/* true: not an exit of the guest's. */
static bool store_other(struct vcpu *v, bool entry_failed)
{
    v->exit.entry_failed = entry_failed;
    u32 vectoring = (u32)vmread(VMCS_VECTORING_EVENT);
    v->exit.vectoring = vectoring & EVENT_VALID ? vectoring : 0;
    v->exit.qualification = other_qualification(v->exit.reason);
    return host_exit(v);
}

static bool store_exit(struct vcpu *v)
{
    u32 reason = (u32)vmread(VMCS_EXIT_REASON);
    v->exit.reason = (u16)reason;
    v->exit.length = (u32)vmread(VMCS_INSTRUCTION_LENGTH);
    v->exit.qualification = v->exit.vectoring = 0;
    enum detail detail = exit_detail(reason); /* those of failed entries are far above the table */
    if (detail == PLAIN)
        return false;
    if (detail == OTHER)
        return store_other(v, reason & ENTRY_FAILED);
    v->exit.qualification = vmread(VMCS_EXIT_QUALIFICATION);
    return false;
}

bool processor_run(struct vcpu *v)
{
    bool hosts;
    load_registers(v);
    do {
        count_arm(v);
        if (vmx_enter(v))
            return false;
        count_ticks(v);
        hosts = store_exit(v);
    } while (hosts);
    count_exit(v);
    store_registers(v);
    return true;
}

void processor_flush_ept(u64 ept_pointer)
{
    enum { SINGLE_CONTEXT = 1 };
    invept(SINGLE_CONTEXT, (struct invalidation){ept_pointer, 0});
}

void processor_flush_guest_tlb(void)
{
    enum { SINGLE_CONTEXT = 1 };
    if (!(vmread(VMCS_SECONDARY_CONTROLS) & CONTROL_VPID))
        return; /* without VPID every entry flushes (SDM 29.4.3.1) */
    invvpid(SINGLE_CONTEXT, (struct invalidation){vmread(VMCS_VPID), 0});
}

u64 processor_read_cr2(void)
{
    return read_cr2();
}

void processor_write_cr2(u64 value)
{
    write_cr2(value);
}

u64 processor_read_dr6(void)
{
    return read_dr6();
}

void processor_write_dr6(u64 value)
{
    write_dr6(value);
}

/* PASS MSRs that VM exits leave in the CPU. The others of that class are in the VMCS. */
static const u32 live_msrs[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102};

u64 processor_hash_live(u64 seed)
{
    static u8 fpu[512] __attribute__((aligned(16)));
    u32 crc = crc32c_u64((u32)(seed >> 32), seed);
    u64 cr0 = read_cr0();
    for (u32 i = 0; i < ARRAY_SIZE(live_msrs); i++)
        crc = crc32c_u64(crc, read_msr(live_msrs[i]));
    crc = crc32c_u64(crc, read_cr2());
    crc = crc32c_u64(crc32c_u64(crc, read_dr0()), read_dr1());
    crc = crc32c_u64(crc32c_u64(crc, read_dr2()), read_dr3());
    crc = crc32c_u64(crc, read_dr6());
    write_cr0(cr0 & ~12ull); /* EM and TS off: FXSAVE would fault */
    write_cr4(read_cr4() | 1 << 9);
    __asm__ volatile("fxsave64 %0" : "=m"(fpu));
    write_cr0(cr0);
    return mix64(seed ^ (u64)crc32c(crc, fpu, sizeof(fpu)) << 32 ^ crc);
}
