/*
 * The CPU that the guest sees: a fixed, versioned model, so that a trace replays
 * on any processor. CPU model 1 is x86-64-v2 with LZCNT, BMI1 and BMI2 and 1 GiB pages, no
 * XSAVE, no AVX, no MONITOR, no RDRAND, no TSX, no PCID; TSC at 1 GHz, crystal at 25 MHz.
 * Sources: SDM vol. 2A CPUID, vol. 4 MSRs.
 */
#ifndef CORE_CPU_MODEL_H
#define CORE_CPU_MODEL_H

#include "core/types.h"

enum { CPU_MODEL_VERSION = 1, CPU_PHYSICAL_BITS = 36 };

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

/* CPUID as the guest sees it. Leaves out of range answer as SDM 3.2 says (the highest basic leaf). */
struct cpuid cpu_model_cpuid(u32 leaf, u32 subleaf, u32 apic_id);

/* Control-register bits that the guest may set; any other raises #GP. */
#define CPU_MODEL_CR0_BITS /* PE MP EM TS ET NE WP AM NW CD PG */ 0xe005003full
#define CPU_MODEL_CR4_BITS /* VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT SMEP SMAP */ 0x3007ffull
#define CPU_MODEL_EFER_BITS /* SCE LME LMA NXE */ 0xd01ull

/*
 * MSRs: one row for each that exists. An MSR without a row raises #GP.
 *   PASS     the guest reads and writes the register itself (VMCS or live in the CPU)
 *   STORED   kept for the guest; a write outside `writable` raises #GP
 *   HANDLED  has its own code (vmx/handle_msr.c)
 */
enum msr_class { MSR_ABSENT, MSR_PASS, MSR_STORED, MSR_HANDLED };

enum { CPU_MSR_LIMIT = 96 };
struct cpu_msrs {
    u64 value[CPU_MSR_LIMIT]; /* by row; only STORED rows are used */
};

void cpu_msrs_reset(struct cpu_msrs *);
enum msr_class cpu_msr_class(u32 msr);
bool cpu_msr_read(const struct cpu_msrs *, u32 msr, u64 *value); /* STORED rows; false: #GP */
bool cpu_msr_write(struct cpu_msrs *, u32 msr, u64 value);       /* STORED rows; false: #GP */
/* Calls `each(context, msr)` for every PASS row, for the MSR bitmap. */
void cpu_msr_each_pass(void (*each)(void *context, u32 msr), void *context);

#endif
