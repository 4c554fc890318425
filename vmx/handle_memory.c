/*
 * EPT violations: accesses to guest-physical addresses that are not RAM. The
 * instruction is fetched, decoded and carried out on the device bus (SDM 28.2.1,
 * table 28-7 for the qualification). All guest RAM is mapped, so nothing else
 * comes here; what cannot be emulated ends the run with its bytes in the report.
 */
#include "core/decode/emulate.h"
#include "core/mem.h"
#include "vmx/events.h"
#include "vmx/handlers.h"
#include "vmx/processor.h"

enum { KNOWN_INSTRUCTIONS = 64 };
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

/* An operand in guest-physical memory: in one piece, or in two when it crosses a page. */
struct place {
    u64 gpa[2];
    u8 size[2];
};

/* Where a linear address lies. false: the guest has a fault instead. */
static bool translate(struct vcpu *v, u8 segment, u64 linear, u32 access, u64 *gpa)
{
    struct paging paging = vcpu_paging(v);
    if (!vcpu_long_mode())
        linear = (u32)linear;
    if (!vcpu_canonical(linear)) {
        vcpu_raise(v, segment == SEG_SS ? VECTOR_SS : VECTOR_GP, true, 0);
        return false;
    }
    struct translation t = paging_walk(&v->machine->memory, &paging, linear, access, true);
    if (t.fault)
        vcpu_raise_pf(v, linear, t.error_code);
    *gpa = t.gpa;
    return !t.fault;
}

/* Both pages of an operand must be there before either is touched (SDM 4.7). */
static bool find_place(struct vcpu *v, const struct mmio_operand *operand, u8 size, bool write, struct place *out)
{
    u64 linear = segment_base(operand->segment) + operand->offset;
    u32 access = (write ? ACCESS_WRITE : 0) | (vcpu_cpl() == 3 ? ACCESS_USER : 0);
    out->size[0] = (u8)min_u64(size, PAGE_SIZE - linear % PAGE_SIZE);
    out->size[1] = size - out->size[0];
    if (!translate(v, operand->segment, linear, access, &out->gpa[0]))
        return false;
    return !out->size[1] || translate(v, operand->segment, linear + out->size[0], access, &out->gpa[1]);
}

static u64 read_piece(struct vcpu *v, u64 gpa, u8 size)
{
    struct access access = {.size = size};
    if (memory_read(&v->machine->memory, gpa, &access.value, size))
        return access.value;
    machine_mmio(v->machine, gpa, &access);
    return v->value = access.value;
}

static void write_piece(struct vcpu *v, u64 gpa, u8 size, u64 value)
{
    struct access access = {.size = size, .write = true, .value = value};
    if (memory_write(&v->machine->memory, gpa, &value, size))
        return;
    v->value = value;
    machine_mmio(v->machine, gpa, &access);
}

static u64 byte_at(const struct place *place, u32 i)
{
    return i < place->size[0] ? place->gpa[0] + i : place->gpa[1] + i - place->size[0];
}

/* The halves of a crossing access have odd sizes, which no device register has: byte by byte. */
static u64 bus_read(struct vcpu *v, const struct place *place)
{
    u64 value = 0;
    if (!place->size[1])
        return read_piece(v, place->gpa[0], place->size[0]);
    for (u32 i = 0; i < (u32)place->size[0] + place->size[1]; i++)
        value |= (read_piece(v, byte_at(place, i), 1) & 0xff) << 8 * i;
    return value;
}

static void bus_write(struct vcpu *v, const struct place *place, u64 value)
{
    if (!place->size[1]) {
        write_piece(v, place->gpa[0], place->size[0], value);
        return;
    }
    for (u32 i = 0; i < (u32)place->size[0] + place->size[1]; i++)
        write_piece(v, byte_at(place, i), 1, value >> 8 * i & 0xff);
}

static bool one_place(const struct mmio_operands *o)
{
    return !o->source.exists || !o->target.exists ||
           (o->source.offset == o->target.offset && o->source.segment == o->target.segment);
}

static bool crosses_page(const struct mmio_operand *operand, u8 size)
{
    return (segment_base(operand->segment) + operand->offset) % PAGE_SIZE + size > PAGE_SIZE;
}

/* The usual instruction has one memory operand within a page: the address that the exit
 * names. Else the guest's tables are walked. */
static bool find_places(struct vcpu *v, const struct mmio_operands *o, u8 size, struct place *source, struct place *target)
{
    const struct mmio_operand *only = o->source.exists ? &o->source : &o->target;
    if (one_place(o) && !crosses_page(only, size)) {
        *source = *target = (struct place){.gpa = {v->address}, .size = {size}};
        return true;
    }
    if (o->source.exists && !find_place(v, &o->source, size, false, source))
        return false;
    return !o->target.exists || find_place(v, &o->target, size, true, target);
}

/* An instruction and what it does to memory. */
struct emulated {
    struct insn insn;
    struct mmio_insn mmio;
};

/* The same bytes in the same mode are the same instruction: those met last need no decoding.
 * This is no state of the guest's. */
static struct {
    u64 head, tail; /* bytes 0-7 and 7-14 */
    u32 bits;       /* 0: empty */
    struct emulated what;
} known[KNOWN_INSTRUCTIONS];

static const struct emulated *decode(const u8 bytes[15], u32 length, u32 bits, u64 rip)
{
    u32 slot = (rip ^ rip >> 6) % KNOWN_INSTRUCTIONS;
    u64 head, tail;
    memcpy(&head, bytes, 8);
    memcpy(&tail, bytes + 7, 8);
    if (known[slot].head == head && known[slot].tail == tail && known[slot].bits == bits && length == 15)
        return &known[slot].what;
    known[slot].bits = 0;
    struct emulated *e = &known[slot].what;
    if (insn_decode(&e->insn, bytes, length, bits) != DECODE_OK)
        return NULL;
    e->mmio = insn_mmio(&e->insn);
    if (e->mmio.kind == MMIO_NONE)
        return NULL;
    known[slot].head = head;
    known[slot].tail = tail;
    known[slot].bits = length == 15 ? bits : 0;
    return e;
}

static u64 device_read(struct vcpu *v, u64 gpa, u8 size)
{
    struct access access = {.size = size};
    machine_mmio(v->machine, gpa, &access);
    return v->value = access.value;
}

static void device_write(struct vcpu *v, u64 gpa, u8 size, u64 value)
{
    struct access access = {.size = size, .write = true, .value = value};
    v->value = value;
    machine_mmio(v->machine, gpa, &access);
}

/* One operand that begins behind a page's start and ends in the page: it begins where the
 * exit says, and as no RAM is there, all of it is the device's. */
static bool is_simple(const struct vcpu *v, const struct mmio_insn *mmio)
{
    u64 offset = v->address % PAGE_SIZE;
    return offset && offset + mmio->size <= PAGE_SIZE && mmio->kind < MMIO_STRING;
}

static void emulate_simple(struct vcpu *v, const struct emulated *e)
{
    u64 read = mmio_reads(&e->mmio) ? device_read(v, v->address, e->mmio.size) : 0;
    struct mmio_step step = mmio_complete(&e->insn, &e->mmio, v->gpr, &v->rflags, read, 8);
    if (step.writes)
        device_write(v, v->address, e->mmio.size, step.value);
    vcpu_skip_instruction(v);
}

static void emulate_any(struct vcpu *v, const struct emulated *e)
{
    u8 stack_size = vcpu_long_mode() ? 8 : vmcs_read(VMCS_GUEST_SS_ACCESS) & 1 << 14 ? 4 : 2;
    struct mmio_operands operands = mmio_operands(&e->insn, &e->mmio, v->gpr, v->rip, stack_size);
    struct place source, target;
    if (!find_places(v, &operands, e->mmio.size, &source, &target))
        return;
    u64 read = operands.source.exists ? bus_read(v, &source) : 0;
    struct mmio_step step = mmio_complete(&e->insn, &e->mmio, v->gpr, &v->rflags, read, stack_size);
    if (step.writes)
        bus_write(v, &target, step.value);
    if (step.done)
        vcpu_skip_instruction(v);
}

static bool emulate(struct vcpu *v)
{
    u8 bytes[15] = {0};
    u32 length = guest_fetch(v, bytes);
    const struct emulated *e = decode(bytes, length, vcpu_code_bits(), v->rip);
    if (!e)
        return false;
    v->exit.length = e->insn.length;
    if (is_simple(v, &e->mmio))
        emulate_simple(v, e);
    else
        emulate_any(v, e);
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
