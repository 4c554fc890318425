/*
 * EPT violations: accesses to guest-physical addresses that are not RAM. The
 * instruction is fetched, decoded and carried out on the device bus (SDM 28.2.1,
 * table 28-7 for the qualification). All guest RAM is mapped, so nothing else
 * comes here; what cannot be emulated ends the run with its bytes in the report.
 */
#include "core/decode/emulate.h"
#include "vmx/events.h"
#include "vmx/handlers.h"
#include "vmx/processor.h"

enum { EPT_FETCH = 1 << 2, EPT_LINEAR_VALID = 1 << 7, EPT_FINAL_ACCESS = 1 << 8 };

static u64 segment_base(u8 segment)
{
    static const enum vmcs_field fields[SEG_COUNT] = {
        [SEG_ES] = VMCS_GUEST_ES_BASE, [SEG_CS] = VMCS_GUEST_CS_BASE, [SEG_SS] = VMCS_GUEST_SS_BASE,
        [SEG_DS] = VMCS_GUEST_DS_BASE, [SEG_FS] = VMCS_GUEST_FS_BASE, [SEG_GS] = VMCS_GUEST_GS_BASE,
    };
    if (segment < SEG_FS && vcpu_long_mode())
        return 0;
    return vmcs_read(fields[segment]);
}

/* Where an operand lies. false: the guest has a fault instead. */
static bool operand_gpa(struct vcpu *v, const struct mmio_operand *operand, bool write, u64 *gpa)
{
    struct paging paging = vcpu_paging(v);
    u64 linear = segment_base(operand->segment) + operand->offset;
    if (!vcpu_long_mode())
        linear = (u32)linear;
    if (!vcpu_canonical(linear)) {
        vcpu_raise(v, operand->segment == SEG_SS ? VECTOR_SS : VECTOR_GP, true, 0);
        return false;
    }
    u32 access = (write ? ACCESS_WRITE : 0) | (vcpu_cpl() == 3 ? ACCESS_USER : 0);
    struct translation t = paging_walk(&v->machine->memory, &paging, linear, access, true);
    if (t.fault)
        vcpu_raise_pf(v, linear, t.error_code);
    *gpa = t.gpa;
    return !t.fault;
}

static u64 bus_read(struct vcpu *v, u64 gpa, u8 size)
{
    struct access access = {.size = size};
    if (memory_read(&v->machine->memory, gpa, &access.value, size))
        return access.value;
    machine_mmio(v->machine, gpa, &access);
    return v->value = access.value;
}

static void bus_write(struct vcpu *v, u64 gpa, u8 size, u64 value)
{
    struct access access = {.size = size, .write = true, .value = value};
    if (memory_write(&v->machine->memory, gpa, &value, size))
        return;
    v->value = value;
    machine_mmio(v->machine, gpa, &access);
}

struct places {
    u64 source, target;
};

/* The usual instruction has one memory operand: the address that the exit names. */
static bool find_places(struct vcpu *v, const struct mmio_operands *operands, struct places *out)
{
    bool two = operands->source.exists && operands->target.exists &&
               (operands->source.offset != operands->target.offset || operands->source.segment != operands->target.segment);
    if (!two) {
        out->source = out->target = v->address;
        return true;
    }
    return operand_gpa(v, &operands->source, false, &out->source) && operand_gpa(v, &operands->target, true, &out->target);
}

static bool emulate(struct vcpu *v)
{
    u8 bytes[15];
    struct insn insn;
    u8 stack_size = vcpu_long_mode() ? 8 : vmcs_read(VMCS_GUEST_SS_ACCESS) & 1 << 14 ? 4 : 2;
    u32 length = guest_fetch(v, bytes);
    if (insn_decode(&insn, bytes, length, vcpu_code_bits()) != DECODE_OK)
        return false;
    struct mmio_insn mmio = insn_mmio(&insn);
    if (mmio.kind == MMIO_NONE)
        return false;
    v->exit.length = insn.length;
    struct mmio_operands operands = mmio_operands(&insn, &mmio, v->gpr, v->rip, stack_size);
    struct places places;
    if (!find_places(v, &operands, &places))
        return true;
    u64 read = operands.source.exists ? bus_read(v, places.source, mmio.size) : 0;
    struct mmio_step step = mmio_complete(&insn, &mmio, v->gpr, &v->rflags, read, stack_size);
    if (step.writes)
        bus_write(v, places.target, mmio.size, step.value);
    if (step.done)
        vcpu_skip_instruction(v);
    return true;
}

void on_ept_violation(struct vcpu *v)
{
    u64 qualification = v->exit.qualification;
    v->address = vmcs_read(VMCS_GUEST_PHYSICAL);
    bool by_instruction = qualification & EPT_LINEAR_VALID && qualification & EPT_FINAL_ACCESS &&
                          !(qualification & EPT_FETCH) && !(v->exit.vectoring & EVENT_VALID);
    if (!by_instruction || !emulate(v))
        machine_stop(v->machine, END_UNEMULATED, v->address);
}

void on_ept_misconfig(struct vcpu *v)
{
    machine_stop(v->machine, END_UNKNOWN_EXIT, v->exit.reason); /* the tables are ours: our bug */
}
