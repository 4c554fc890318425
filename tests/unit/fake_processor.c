/* The processor seam for tests; see fake_processor.h. */
#include "tests/unit/fake_processor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu_model.h"
#include "core/crc.h"
#include "vmx/exits.h"

struct fake_processor fake_cpu;

enum { RFLAGS_IF = 1 << 9 };

static void __attribute__((noreturn, format(printf, 1, 2))) refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("fake processor: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* --- the VMCS ------------------------------------------------------------------------ */

static const struct vmcs_field_info *find_field(u32 encoding)
{
    static const struct vmcs_field_info *by_encoding[FAKE_FIELDS];
    if (!by_encoding[VMCS_GUEST_RIP])
        for (u32 i = 0; i < vmcs_field_count; i++)
            by_encoding[vmcs_fields[i].encoding] = &vmcs_fields[i];
    const struct vmcs_field_info *field = encoding < FAKE_FIELDS ? by_encoding[encoding] : NULL;
    if (!field || field->need == NEEDS_OTHER)
        refuse("there is no VMCS field %x", encoding);
    return field;
}

static u64 cut_to_width(const struct vmcs_field_info *field, u64 value)
{
    switch (field->width) {
    case W16:
        return (u16)value;
    case W32:
        return (u32)value;
    default:
        return value;
    }
}

u64 vmcs_read(enum vmcs_field field)
{
    return fake_cpu.fields[find_field(field)->encoding];
}

void fake_cpu_set(enum vmcs_field field, u64 value)
{
    fake_cpu.fields[field] = cut_to_width(find_field(field), value);
}

void vmcs_write(enum vmcs_field field, u64 value)
{
    if (find_field(field)->kind == INFO)
        refuse("VMCS field %s is read-only", find_field(field)->name);
    fake_cpu_set(field, value);
}

/* --- registers outside it -------------------------------------------------------------- */

u64 processor_read_msr(u32 msr)
{
    for (u32 i = 0; i < fake_cpu.msr_count; i++)
        if (fake_cpu.msrs[i].number == msr)
            return fake_cpu.msrs[i].value;
    refuse("RDMSR of %x raises #GP", msr);
}

void fake_cpu_set_msr(u32 msr, u64 value)
{
    u32 i = 0;
    while (i < fake_cpu.msr_count && fake_cpu.msrs[i].number != msr)
        i++;
    if (i == FAKE_MSRS)
        refuse("too many MSRs");
    fake_cpu.msrs[i].number = msr;
    fake_cpu.msrs[i].value = value;
    if (i == fake_cpu.msr_count)
        fake_cpu.msr_count++;
}

void processor_write_msr(u32 msr, u64 value)
{
    if (cpu_msr_class(msr) != MSR_PASS)
        refuse("WRMSR to %x, which is not the guest's own", msr);
    fake_cpu_set_msr(msr, value);
}

void processor_flush_ept(u64 ept_pointer)
{
    fake_cpu.ept_flushes++;
    fake_cpu.flushed_ept = ept_pointer;
}

void processor_flush_guest_tlb(void)
{
    fake_cpu.tlb_flushes++;
}

u64 processor_read_cr2(void)
{
    return fake_cpu.cr2;
}

void processor_write_cr2(u64 value)
{
    fake_cpu.cr2 = value;
}

u64 processor_read_dr6(void)
{
    return fake_cpu.dr6;
}

void processor_write_dr6(u64 value)
{
    fake_cpu.dr6 = value;
}

u64 processor_hash_live(u64 seed)
{
    return mix64(mix64(mix64(seed + fake_cpu.live) + fake_cpu.cr2) + fake_cpu.dr6);
}

u64 processor_tsc(void)
{
    return fake_cpu.tsc += 7;
}

/* --- VM entry ---------------------------------------------------------------------------- */

static struct fake_entry *note_entry(const struct vcpu *v)
{
    struct fake_entry *entry = &fake_cpu.entries[fake_cpu.entry_count++ % FAKE_ENTRIES];
    u32 event = (u32)vmcs_read(VMCS_ENTRY_EVENT);
    *entry = (struct fake_entry){
        .event = event & EVENT_VALID ? event : 0,
        .error = (u32)vmcs_read(VMCS_ENTRY_EVENT_ERROR),
        .length = (u32)vmcs_read(VMCS_ENTRY_EVENT_LENGTH),
        .controls = (u32)vmcs_read(VMCS_PROCESSOR_CONTROLS),
        .tpr = v->virtual_apic[0x80],
        .threshold = (u32)vmcs_read(VMCS_TPR_THRESHOLD),
        .count = v->count,
        .stop_at = v->stop_at,
    };
    return entry;
}

/* SDM 27.2.1.3 and the checks of 27.3.1.4 and 27.3.1.5 that concern events. */
static void check_event(const struct fake_entry *entry, u64 rflags, u64 blocking)
{
    static const u64 with_error =
        BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17);
    u32 type = EVENT_TYPE(entry->event), vector = EVENT_VECTOR(entry->event);
    bool protected_mode = vmcs_read(VMCS_GUEST_CR0) & 1;
    if (type == 1 || type == 7 || (entry->event & 0x7ffff000))
        refuse("event %x: reserved type or bits", entry->event);
    if (type == EVENT_NMI &&
        (vector != VECTOR_NMI || blocking & (BLOCKED_BY_NMI | BLOCKED_BY_MOV_SS | BLOCKED_BY_STI)))
        refuse("an NMI %x while blocking is %lx", entry->event, blocking);
    if (type == EVENT_HARDWARE_EXCEPTION && vector > 31)
        refuse("exception %u", vector);
    if (type == EVENT_EXTERNAL &&
        (!(rflags & RFLAGS_IF) || blocking & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)))
        refuse("interrupt %x while IF is %d and blocking is %lx", entry->event,
               !!(rflags & RFLAGS_IF), blocking);
    bool error = entry->event & EVENT_HAS_ERROR;
    bool wants_error = protected_mode && type == EVENT_HARDWARE_EXCEPTION && vector < 32 &&
                       with_error >> vector & 1;
    if (error != wants_error)
        refuse("event %x: error code or not", entry->event);
    if (error && entry->error >> 16)
        refuse("error code %x", entry->error);
    if (type >= EVENT_SOFTWARE_INTERRUPT && (entry->length < 1 || entry->length > 15))
        refuse("event %x with instruction length %u", entry->event, entry->length);
}

static void check_state(const struct vcpu *v, const struct fake_entry *entry)
{
    enum { IA32E = 1 << 9, LMA = 1 << 10, LME = 1 << 8, VIRTUAL_8086 = 1 << 17 };
    u64 cr0 = vmcs_read(VMCS_GUEST_CR0), cr4 = vmcs_read(VMCS_GUEST_CR4),
        efer = vmcs_read(VMCS_GUEST_EFER);
    u64 blocking = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    bool long_mode = vmcs_read(VMCS_ENTRY_CONTROLS) & IA32E;
    if (!(v->rflags & 2) || v->rflags & (BIT(3) | BIT(5) | BIT(15) | ~0x3fffffull))
        refuse("RFLAGS %lx", v->rflags);
    if (!(cr0 & 0x20) || (cr0 & BIT(31) && !(cr0 & 1)) || !(cr4 & 0x2000))
        refuse("CR0 %lx, CR4 %lx", cr0, cr4);
    if (long_mode && !(cr0 & BIT(31) && cr4 & 0x20))
        refuse("IA-32e mode without paging or PAE: CR0 %lx, CR4 %lx", cr0, cr4);
    if (long_mode != !!(efer & LMA) || (cr0 & BIT(31) && !(efer & LMA) != !(efer & LME)))
        refuse("EFER %lx does not fit the entry controls", efer);
    if ((blocking & 3) == 3 || (blocking & BLOCKED_BY_STI && !(v->rflags & RFLAGS_IF)))
        refuse("interruptibility %lx", blocking);
    if (entry->threshold > 15 || entry->threshold > entry->tpr >> 4)
        refuse("TPR threshold %x above the TPR %x", entry->threshold, entry->tpr);
    if (v->stop_at <= v->count)
        refuse("stop at %lu, count is %lu", v->stop_at, v->count);
    if (entry->event)
        check_event(entry, v->rflags, blocking);
}

/* The event has been delivered: what that does to blocking (SDM 27.6.1). */
static void take_event(const struct fake_entry *entry)
{
    u64 blocking = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    if (!entry->event)
        return;
    blocking &= ~(u64)(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
    if (EVENT_TYPE(entry->event) == EVENT_NMI)
        blocking |= BLOCKED_BY_NMI;
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocking);
    vmcs_write(VMCS_ENTRY_EVENT, entry->event & ~EVENT_VALID);
}

static struct fake_exit next_exit(struct vcpu *v, const struct fake_entry *entry)
{
    if (fake_cpu.has_pending)
        return fake_cpu.pending;
    if (fake_cpu.guest)
        return fake_cpu.guest(v, entry);
    if (fake_cpu.script_at == fake_cpu.script_length)
        refuse("entered once more than the script of %u exits has", fake_cpu.script_length);
    return fake_cpu.script[fake_cpu.script_at++];
}

static void end_run(struct vcpu *v, const struct fake_exit *exit)
{
    v->exit = (struct exit_info){
        .reason = exit->reason,
        .entry_failed = exit->entry_failed,
        .length = exit->length,
        .vectoring = exit->vectoring,
        .qualification = exit->qualification,
    };
    if (exit->also)
        exit->also(v);
}

/* Runs until the exit, or until stop_at if that comes first; then the exit waits. */
static void run_until_exit(struct vcpu *v, struct fake_exit exit)
{
    u64 left = v->stop_at - v->count;
    fake_cpu.has_pending = exit.reason != EXIT_PREEMPTION_TIMER && exit.advance >= left;
    if (exit.advance >= left) {
        v->count = v->stop_at;
        exit.advance -= left;
        fake_cpu.pending = exit;
        end_run(v, &(struct fake_exit){.reason = EXIT_PREEMPTION_TIMER});
    } else {
        v->count += exit.advance;
        end_run(v, &exit);
    }
}

bool processor_run(struct vcpu *v)
{
    const struct fake_entry *entry = note_entry(v);
    check_state(v, entry);
    fake_cpu.fields[VMCS_GUEST_RIP] = v->rip;
    fake_cpu.fields[VMCS_GUEST_RSP] = v->gpr[RSP];
    fake_cpu.fields[VMCS_GUEST_RFLAGS] = v->rflags;
    v->tsc_entry = processor_tsc();
    struct fake_exit exit = next_exit(v, entry);
    if (exit.launch_failed)
        return false;
    take_event(entry);
    run_until_exit(v, exit);
    v->tsc_exit = fake_cpu.tsc += exit.advance + 3;
    return true;
}

/* --- for the tests --------------------------------------------------------------------------- */

void fake_cpu_play(const struct fake_exit *script, u32 length)
{
    fake_cpu.guest = NULL;
    fake_cpu.script = script;
    fake_cpu.script_length = length;
    fake_cpu.script_at = 0;
    fake_cpu.has_pending = false;
}

const struct fake_entry *fake_cpu_last_entry(void)
{
    return &fake_cpu.entries[(fake_cpu.entry_count - 1) % FAKE_ENTRIES];
}

void fake_cpu_reset(void)
{
    memset(&fake_cpu, 0, sizeof(fake_cpu));
    fake_cpu_set_msr(0x480, BIT(55));
    for (u32 msr = 0x48d; msr <= 0x490; msr++) /* anything goes, nothing must be */
        fake_cpu_set_msr(msr, ~0ull << 32);
    fake_cpu_set_msr(0x48b, ~0ull << 32);
    fake_cpu_set_msr(0x485, 0);
    fake_cpu_set_msr(0x48c, BIT(6) | BIT(14) | BIT(16) | BIT(17) | BIT(21));
}
