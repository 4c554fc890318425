/*
 * VM-execution, exit and entry controls (SDM 25.6-25.8): one table of those that
 * Hindvisor uses, and one resolver that fits them to what the processor allows
 * (SDM appendix A.3-A.5) and names what is missing.
 */
#ifndef VMX_CONTROLS_H
#define VMX_CONTROLS_H

#include "core/types.h"

enum control_word { PIN, PROC, PROC2, EXIT, ENTRY, CONTROL_WORDS };
enum control_want { REQUIRED, WANTED };

#define CONTROLS(C) /* word, bit, name, want, what a processor lacks that does not have it */      \
    C(PIN, 0, EXTERNAL_INTERRUPT_EXITING, REQUIRED, "external-interrupt exiting: host interrupts would reach the guest") \
    C(PIN, 3, NMI_EXITING, REQUIRED, "NMI exiting: host NMIs would reach the guest")              \
    C(PIN, 5, VIRTUAL_NMIS, REQUIRED, "virtual NMIs: the NMI window cannot be seen")              \
    C(PIN, 6, PREEMPTION_TIMER, REQUIRED, "the VMX-preemption timer: a run cannot be stopped at an exact count") \
    C(PROC, 2, INTERRUPT_WINDOW_EXITING, REQUIRED, "interrupt-window exiting: pending interrupts cannot be delivered in time") \
    C(PROC, 7, HLT_EXITING, REQUIRED, "HLT exiting: idle time would be lost from guest time")     \
    C(PROC, 10, MWAIT_EXITING, REQUIRED, "MWAIT exiting: its wake-up depends on the host")        \
    C(PROC, 11, RDPMC_EXITING, REQUIRED, "RDPMC exiting: the guest would read host counters")     \
    C(PROC, 12, RDTSC_EXITING, REQUIRED, "RDTSC exiting: the guest would read the host's clock")  \
    C(PROC, 21, TPR_SHADOW, REQUIRED, "the TPR shadow: CR8 would reach the host's local APIC")    \
    C(PROC, 22, NMI_WINDOW_EXITING, REQUIRED, "NMI-window exiting")                               \
    C(PROC, 24, IO_EXITING, REQUIRED, "unconditional I/O exiting")                                \
    C(PROC, 25, IO_BITMAPS, REQUIRED, "I/O bitmaps")                                              \
    C(PROC, 28, MSR_BITMAPS, REQUIRED, "MSR bitmaps: every MSR access would exit")                \
    C(PROC, 29, MONITOR_EXITING, REQUIRED, "MONITOR exiting")                                     \
    C(PROC, 31, SECONDARY, REQUIRED, "secondary controls, and with them EPT")                     \
    C(PROC2, 1, EPT, REQUIRED, "extended page tables (EPT)")                                      \
    C(PROC2, 3, ENABLE_RDTSCP, REQUIRED, "RDTSCP in guests")                                      \
    C(PROC2, 5, VPID, WANTED, "VPID")                                                             \
    C(PROC2, 6, WBINVD_EXITING, WANTED, "WBINVD exiting")                                         \
    C(PROC2, 7, UNRESTRICTED_GUEST, REQUIRED, "unrestricted guest: real mode and unpaged code cannot run") \
    C(PROC2, 11, RDRAND_EXITING, WANTED, "RDRAND exiting")                                        \
    C(PROC2, 16, RDSEED_EXITING, WANTED, "RDSEED exiting")                                        \
    C(EXIT, 2, EXIT_SAVE_DEBUG, REQUIRED, "saving debug controls at exits")                       \
    C(EXIT, 9, EXIT_HOST_64BIT, REQUIRED, "64-bit hosts")                                         \
    C(EXIT, 15, EXIT_ACKNOWLEDGE, REQUIRED, "acknowledging interrupts at exits")                  \
    C(EXIT, 18, EXIT_SAVE_PAT, REQUIRED, "saving IA32_PAT at exits")                              \
    C(EXIT, 19, EXIT_LOAD_PAT, REQUIRED, "loading IA32_PAT at exits")                             \
    C(EXIT, 20, EXIT_SAVE_EFER, REQUIRED, "saving IA32_EFER at exits")                            \
    C(EXIT, 21, EXIT_LOAD_EFER, REQUIRED, "loading IA32_EFER at exits")                           \
    C(ENTRY, 2, ENTRY_LOAD_DEBUG, REQUIRED, "loading debug controls at entries")                  \
    C(ENTRY, 9, ENTRY_IA32E_GUEST, REQUIRED, "64-bit guests")                                     \
    C(ENTRY, 14, ENTRY_LOAD_PAT, REQUIRED, "loading IA32_PAT at entries")                         \
    C(ENTRY, 15, ENTRY_LOAD_EFER, REQUIRED, "loading IA32_EFER at entries")

/* CONTROL_x: the bit of control x in its word. */
#define C(word, bit, name, want, text) static const u32 CONTROL_##name __attribute__((unused)) = 1u << (bit);
CONTROLS(C)
#undef C

/* What the processor allows: for each word the capability MSR (low half: must be
 * 1; high half: may be 1), the TRUE form where there is one. */
struct capabilities {
    u64 words[CONTROL_WORDS];
    u64 ept_vpid; /* IA32_VMX_EPT_VPID_CAP */
    u64 misc;     /* IA32_VMX_MISC */
};

struct controls {
    u32 words[CONTROL_WORDS];
};

/* Reads the capability MSRs through the processor seam. */
struct capabilities capabilities_read(void);

/* need | what may be 1 of want | what must be 1; *missing: needed bits that may not be 1. */
u32 control_resolve(u64 capability, u32 need, u32 want, u32 *missing);

/* Resolves all words. Calls missing(context, text) for each required control that
 * is absent; returns how many were. */
u32 controls_resolve(const struct capabilities *, struct controls *,
                     void (*missing)(void *context, const char *text), void *context);

/* Does this processor have the VMCS field? */
struct vmcs_field_info;
bool field_present(const struct vmcs_field_info *, const struct controls *, const struct capabilities *);

#endif
