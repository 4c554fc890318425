/*
 * The kinds of VM exit that bench/guest/exits.c takes: X(name, what it is, start,
 * once). `start` and `once` are the guest's functions; whoever reads the
 * measurements needs the order and the words. Kinds that need the x2APIC come last:
 * there is no way back from it.
 */
#ifndef BENCH_GUEST_KINDS_H
#define BENCH_GUEST_KINDS_H

#define EXIT_KINDS(X)                                                             \
    X(nothing, "nothing (the floor)", NULL, do_nothing)                           \
    X(cpuid, "CPUID", NULL, do_cpuid)                                             \
    X(rdtsc, "RDTSC", NULL, do_rdtsc)                                             \
    X(out, "OUT to the UART", NULL, do_out)                                       \
    X(in, "IN from the UART", NULL, do_in)                                        \
    X(in_nobody, "IN from nobody", NULL, do_in_nobody)                            \
    X(rdmsr, "RDMSR", NULL, do_rdmsr)                                             \
    X(cr0, "CR0 write", NULL, do_cr0)                                             \
    X(apic_read, "local APIC read by EPT violation", start_apic, do_apic_read)    \
    X(apic_write, "local APIC write by EPT violation", start_apic, do_apic_write) \
    X(apic_ipi, "self-IPI and EOI by EPT violation", start_apic, do_self_ipi)     \
    X(x2apic_ipi, "self-IPI and EOI by WRMSR", start_x2apic, do_self_ipi)         \
    X(deadline, "WRMSR TSC deadline", start_deadline, do_deadline)                \
    X(hlt, "HLT until a timer 20 us away", start_deadline, do_hlt)

#define X(name, title, start, once) EXIT_KIND_##name,
enum exit_kind { EXIT_KINDS(X) EXIT_KIND_COUNT };
#undef X

/* With the command line "all" the guest takes one kind after the other: it writes the kind's
 * number to this port (the UART's scratch register) and then, for each of the rounds, reads the
 * time stamp counter with RDTSCP, takes the exit, and reads it again. */
enum { KIND_PORT = 0x3ff, KIND_ROUNDS = 2000, KIND_WARM_UP = 16 };

#endif
