/* A guest of made-up instructions; see tiny_guest.h. */
#include "tests/unit/tiny_guest.h"

#include <string.h>

#include "core/crc.h"
#include "core/devices/ports.h"
#include "vmx/ept.h"
#include "vmx/exits.h"

enum { RIG_CODE_BASE = 0x100000, SLOT = 16 };
enum { IF = 1 << 9, EPT_DIRTY = 1 << 9, VTPR = 0x80 };

static struct tiny_program program;

static u32 position_of(const struct vcpu *v)
{
    return (u32)((v->rip - RIG_CODE_BASE + SLOT - 1) / SLOT) % program.length;
}

static void jump(struct vcpu *v, u32 to)
{
    v->rip = RIG_CODE_BASE + (u64)to * SLOT;
}

/* As the guest's own store: only the EPT entry tells. */
static void store(struct vcpu *v, u64 gpa, u64 value)
{
    u64 page;
    struct ept ept = {.root = (u64 *)(v->ept_pointer & ~(PAGE_SIZE - 1))};
    u64 *leaf = ept_leaf(&ept, gpa, &page);
    memcpy(v->machine->memory.base + gpa, &value, 8);
    *leaf |= EPT_DIRTY;
}

static u64 load(const struct vcpu *v, u64 gpa)
{
    u64 value;
    memcpy(&value, v->machine->memory.base + gpa, 8);
    return value;
}

static u64 stack_slot(const struct vcpu *v) /* wherever a wild RSP points */
{
    return TINY_STACK + v->gpr[RSP] % 0x8000 / 8 * 8;
}

static void push(struct vcpu *v, u64 value)
{
    v->gpr[RSP] -= 8;
    store(v, stack_slot(v), value);
}

static u64 pop(struct vcpu *v)
{
    u64 value = load(v, stack_slot(v));
    v->gpr[RSP] += 8;
    return value;
}

static void deliver(struct vcpu *v, u32 event)
{
    push(v, v->rflags);
    push(v, v->rip);
    v->rflags &= ~(u64)IF;
    v->gpr[R9] = EVENT_VECTOR(event);
    v->gpr[R10]++;
    jump(v, program.handler);
}

static void block(u64 set, u64 clear)
{
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY,
               (vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & ~clear) | set);
}

static void return_from_event(struct vcpu *v)
{
    v->rip = RIG_CODE_BASE + (pop(v) - RIG_CODE_BASE) % (program.length * SLOT);
    v->rflags = (pop(v) & IF) | 2;
    block(0, BLOCKED_BY_NMI);
}

/* An instruction that does not exit. */
static void execute(struct vcpu *v, struct tiny_insn insn)
{
    u32 next = position_of(v) + 1;
    jump(v, next);
    block(0, BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
    switch ((enum tiny_op)insn.op) {
    case TINY_MIX:
        v->gpr[RBX] = mix64(v->gpr[RBX] + v->gpr[RAX]);
        break;
    case TINY_SET:
        v->gpr[RAX] = insn.argument;
        break;
    case TINY_COUNT:
        v->gpr[RCX] = insn.argument;
        break;
    case TINY_LOOP:
        jump(v, --v->gpr[RCX] ? insn.argument : next);
        break;
    case TINY_JUMP:
        jump(v, insn.argument);
        break;
    case TINY_SKIP_UNLESS:
        jump(v, v->gpr[RAX] & insn.argument ? next : next + 1);
        break;
    case TINY_SKIP_BELOW:
        jump(v, v->gpr[R10] >= insn.argument ? next : next + 1);
        break;
    case TINY_CLI:
        v->rflags &= ~(u64)IF;
        break;
    case TINY_STI:
        block(v->rflags & IF ? 0 : BLOCKED_BY_STI, 0);
        v->rflags |= IF;
        break;
    case TINY_TPR:
        v->virtual_apic[VTPR] = (u8)insn.argument;
        break;
    case TINY_STORE:
        store(v, insn.argument, v->gpr[RBX]);
        break;
    default:
        return_from_event(v);
        break;
    }
}

static struct fake_exit exit_on_device(struct vcpu *v, struct tiny_insn insn)
{
    enum { READ = 1, WRITE = 2, LINEAR_VALID = 1 << 7, FINAL = 1 << 8 };
    v->gpr[R11] = insn.argument;
    fake_cpu_set(VMCS_GUEST_PHYSICAL, insn.argument);
    fake_cpu_set(VMCS_GUEST_LINEAR, insn.argument);
    return (struct fake_exit){.reason = EXIT_EPT_VIOLATION,
                              .qualification = LINEAR_VALID | FINAL |
                                               (insn.op == TINY_LOAD_DEVICE ? READ : WRITE)};
}

static struct fake_exit exit_of(struct vcpu *v, struct tiny_insn insn)
{
    static const u16 reasons[] = {[TINY_CPUID] = EXIT_CPUID,
                                  [TINY_RDTSC] = EXIT_RDTSC,
                                  [TINY_HLT] = EXIT_HLT,
                                  [TINY_SHUT_DOWN] = EXIT_TRIPLE_FAULT};
    switch ((enum tiny_op)insn.op) {
    case TINY_LOAD_DEVICE:
    case TINY_STORE_DEVICE:
        return exit_on_device(v, insn);
    case TINY_IN:
    case TINY_OUT:
        return (struct fake_exit){.reason = EXIT_IO_INSTRUCTION,
                                  .length = SLOT,
                                  .qualification =
                                      (u64)insn.argument << 16 | (insn.op == TINY_IN ? 8 : 0)};
    default:
        return (struct fake_exit){.reason = reasons[insn.op], .length = SLOT};
    }
}

/* Exits that come before the next instruction, by what the entry asked for. 0: none. */
static u32 pending_exit(const struct vcpu *v, const struct fake_entry *entry)
{
    u64 blocking = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    if (v->virtual_apic[VTPR] >> 4 < entry->threshold)
        return EXIT_TPR_BELOW_THRESHOLD;
    if (entry->controls & CONTROL_NMI_WINDOW_EXITING &&
        !(blocking & (BLOCKED_BY_NMI | BLOCKED_BY_MOV_SS)))
        return EXIT_NMI_WINDOW;
    bool open = v->rflags & IF && !(blocking & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
    return open && entry->controls & CONTROL_INTERRUPT_WINDOW_EXITING ? EXIT_INTERRUPT_WINDOW : 0;
}

static struct fake_exit run(struct vcpu *v, const struct fake_entry *entry)
{
    u64 left = v->stop_at - v->count, ran = 0;
    if (entry->event)
        deliver(v, entry->event);
    for (;;) {
        struct fake_exit exit = {.reason = EXIT_PREEMPTION_TIMER};
        struct tiny_insn insn = program.code[position_of(v)];
        if (ran < left && !(exit.reason = pending_exit(v, entry)) && insn.op >= TINY_CPUID)
            exit = exit_of(v, insn);
        exit.advance = ran;
        if (exit.reason)
            return exit;
        execute(v, insn);
        ran++;
    }
}

/* Real instructions where the emulator will look for them. */
static void place_code(struct vcpu *v)
{
    for (u32 i = 0; i < program.length; i++) {
        const char *bytes = program.code[i].op == TINY_LOAD_DEVICE
                                ? "\x41\x8b\x03" /* mov eax, [r11] */
                            : program.code[i].op == TINY_STORE_DEVICE ? "\x41\x89\x03"
                                                                      : "\x90";
        memory_write(&v->machine->memory, RIG_CODE_BASE + (u64)i * SLOT, bytes, strlen(bytes));
    }
}

void tiny_start(struct vcpu *v, const struct tiny_program *what)
{
    program = *what;
    place_code(v);
    v->gpr[RSP] = 0x7000;
    fake_cpu_play(NULL, 0);
    fake_cpu.guest = run;
}

/* --- the program --------------------------------------------------------------------------- */

enum { UART_LSR = PORT_UART + 5, DATA_READY = 1 };
enum { MAIN = 21, END = 36, HANDLER = 64, NEXT_BYTE = 65, DONE = 74 };

static const struct tiny_insn echo[] = {
    /* the 8259: vectors from 0x30, the PIT and the UART let in */
    {TINY_SET, 0x11},
    {TINY_OUT, PORT_PIC1},
    {TINY_SET, 0x30},
    {TINY_OUT, PORT_PIC1 + 1},
    {TINY_SET, 4},
    {TINY_OUT, PORT_PIC1 + 1},
    {TINY_SET, 1},
    {TINY_OUT, PORT_PIC1 + 1},
    {TINY_SET, 0xee},
    {TINY_OUT, PORT_PIC1 + 1},
    /* the UART interrupts when a byte comes */
    {TINY_SET, 1},
    {TINY_OUT, PORT_UART + 1},
    {TINY_SET, 0xb},
    {TINY_OUT, PORT_UART + 4},
    /* the PIT, every 6 of its ticks */
    {TINY_SET, 0x34},
    {TINY_OUT, PORT_PIT + 3},
    {TINY_SET, 6},
    {TINY_OUT, PORT_PIT},
    {TINY_SET, 0},
    {TINY_OUT, PORT_PIT},
    {TINY_CPUID, 0},
    [MAIN] = {TINY_STI, 0},
    {TINY_COUNT, 2100},
    {TINY_MIX, 0},
    {TINY_LOOP, MAIN + 2},
    {TINY_RDTSC, 0},
    {TINY_MIX, 0},
    {TINY_CLI, 0},
    {TINY_COUNT, 900},
    {TINY_MIX, 0},
    {TINY_LOOP, MAIN + 8},
    {TINY_STORE, TINY_STORED},
    {TINY_STI, 0},
    {TINY_HLT, 0},
    {TINY_SKIP_BELOW, TINY_EVENTS},
    {TINY_JUMP, END},
    [END] = {TINY_SKIP_BELOW, TINY_EVENTS},
    {TINY_JUMP, END + 3},
    {TINY_JUMP, MAIN},
    {TINY_LOAD_DEVICE, LAPIC_BASE + 0x20},
    {TINY_MIX, 0},
    {TINY_STORE, TINY_STORED + 8},
    {TINY_SET, 7},
    {TINY_OUT, PORT_DEBUG_EXIT},
    [HANDLER] = {TINY_MIX, 0},
    [NEXT_BYTE] = {TINY_IN, UART_LSR},
    {TINY_SKIP_UNLESS, DATA_READY},
    {TINY_JUMP, NEXT_BYTE + 4},
    {TINY_JUMP, DONE},
    {TINY_IN, PORT_UART},
    {TINY_MIX, 0},
    {TINY_OUT, PORT_UART},
    {TINY_JUMP, NEXT_BYTE},
    [DONE] = {TINY_SET, 0x20},
    {TINY_OUT, PORT_PIC1},
    {TINY_IRET, 0},
};

const struct tiny_program tiny_echo = {echo, ARRAY_SIZE(echo), HANDLER};
