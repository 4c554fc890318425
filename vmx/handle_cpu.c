/* Exits by instructions that read or change the CPU itself. */
#include "vmx/handlers.h"

static void set_pair(struct vcpu *v, u64 value) /* EDX:EAX */
{
    v->gpr[RAX] = (u32)value;
    v->gpr[RDX] = value >> 32;
}

void on_cpuid(struct vcpu *v)
{
    u32 leaf = (u32)v->gpr[RAX], subleaf = (u32)v->gpr[RCX];
    struct cpuid answer = cpu_model_cpuid(leaf, subleaf, v->machine->lapic.id);
    v->address = (u64)subleaf << 32 | leaf;
    v->value = (u64)answer.ebx << 32 | answer.eax;
    v->gpr[RAX] = answer.eax;
    v->gpr[RBX] = answer.ebx;
    v->gpr[RCX] = answer.ecx;
    v->gpr[RDX] = answer.edx;
    vcpu_skip_instruction(v);
}

static void give_tsc(struct vcpu *v, u64 now)
{
    v->value = now + (u64)v->tsc_offset;
    set_pair(v, v->value);
    vcpu_skip_instruction(v);
}

void on_rdtsc(struct vcpu *v)
{
    give_tsc(v, machine_read_clock(v->machine));
}

void on_rdtscp(struct vcpu *v)
{
    enum { MSR_TSC_AUX = 0xc0000103 };
    cpu_msr_read(&v->msrs, MSR_TSC_AUX, &v->gpr[RCX]);
    on_rdtsc(v);
}

void on_rdpmc(struct vcpu *v)
{
    vcpu_raise_gp(v); /* the model has no counters */
}

void on_hlt(struct vcpu *v)
{
    vcpu_skip_instruction(v);
    v->halted = true;
}

void on_cache(struct vcpu *v)
{
    vcpu_skip_instruction(v); /* guest RAM is coherent: nothing to write back */
}

void on_undefined(struct vcpu *v)
{
    vcpu_raise_ud(v);
}
