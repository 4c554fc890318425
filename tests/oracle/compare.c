/*
 * What must be equal after a test, and how a difference is shown. Left out: RF and TF as the kernel
 * and VT-x save them, x87 instruction and data pointers, opcode and MXCSR_MASK (the vendor's).
 */
#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>

#include "core/decode/insn.h"
#include "tests/oracle/oracle.h"
#include "vmx/vcpu.h"

enum {
    RF_TF = 0x10100,
    BREAKPOINT = 3,
    UNDEFINED = 6,
    GENERAL_PROTECTION = 13,
    PAGE_FAULT = 14,
    SIMD_EXCEPTION = 19,
    OUT_OF_RANGE = 0x18,
    INEXACT = 0x20,
    PF_PRESENT = 1,
    UNWRITTEN = 96,   /* bytes at the end of FXSAVE's area */
    PUSHA_POPA = 0x60 /* opcode of the form */
};
#define LINUX_END 0x00007ffffffff000ull

static const struct piece *piece_at(const struct test *t, u64 address)
{
    u64 offset = address - CODE - t->offset;
    for (u32 i = 0; i < t->pieces; i++)
        if (offset - t->piece[i].start < t->piece[i].length)
            return &t->piece[i];
    return NULL;
}

/* Flags that the last instruction left undefined when the test ended before they were cleared. */
static u64 undefined_at_end(const struct test *t, u64 address)
{
    const struct piece *p = piece_at(t, address);
    u64 end = CODE + (u64)t->offset + t->length;
    if (p)
        return p->scrub ? p->undefined : 0;
    return t->pieces && address - end < 2 ? t->piece[t->pieces - 1].undefined : 0;
}

static u64 flags_of(const struct test *t, const struct outcome *o)
{
    return o->state.rflags & ~(RF_TF | undefined_at_end(t, code_address(&o->state)));
}

/* The PUSHF of the cleaning has run and its AND has not. */
static u64 pushed_undefined(const struct test *t, u64 address)
{
    const struct piece *p = piece_at(t, address);
    bool inside = p && p->scrub && address > CODE + (u64)t->offset + p->start;
    return inside ? p->undefined : 0;
}

static void clear_word(u8 *window, u64 at, u64 size, u64 bits)
{
    u64 word;
    if (at > size - 8)
        return;
    memcpy(&word, window + at, 8);
    word &= ~bits;
    memcpy(window + at, &word, 8);
}

static struct memory_image memory_of(const struct test *t, const struct outcome *o)
{
    struct memory_image memory = o->memory;
    u64 sp = o->state.gpr[RSP], undefined = pushed_undefined(t, code_address(&o->state));
    clear_word(memory.stack, sp - STACK, STACK_SIZE, undefined);
    clear_word(memory.data, sp - DATA, DATA_SIZE, undefined);
    return memory;
}

/* Linux says "present" of every address of its own. */
static u32 error_of(const struct outcome *o)
{
    return o->vector == PAGE_FAULT && o->address >= LINUX_END ? o->error | PF_PRESENT : o->error;
}

/* The instruction that ended the test, or NULL. */
static const struct form *last_form(const struct test *t, u64 address)
{
    const struct piece *p = piece_at(t, address);
    return p && address == CODE + (u64)t->offset + p->start ? p->form : NULL;
}

/* A fault of FXSAVE, FNSAVE and the like: some CPUs name the last byte, not the first, which may
 * lie in a page with other rights, and some have written before it. */
static bool large_operand(const struct test *t, const struct outcome *o)
{
    const struct form *f = last_form(t, code_address(&o->state));
    return f && f->setup >= FOR_FXRSTOR && f->setup <= FOR_POINTERS && o->vector != BREAKPOINT;
}

static bool same_address(const struct test *t, const struct outcome *a, const struct outcome *b)
{
    u64 far = large_operand(t, a) ? 512 : 1;
    return a->address - b->address < far || b->address - a->address < far;
}

static bool same_memory(const struct test *t, const struct outcome *a, const struct outcome *b)
{
    static struct memory_image first, second;
    if (large_operand(t, a))
        return true;
    if (t->bits != 64 && pushed_undefined(t, code_address(&a->state)))
        return true; /* where it is depends on SS */
    if (!memcmp(&a->memory, &b->memory, sizeof(a->memory)))
        return true;
    first = memory_of(t, a);
    second = memory_of(t, b);
    return !memcmp(&first, &second, sizeof(first));
}

/* DPPS and DPPD that end in #XM: the software processor shows the flags of all their steps, a CPU
 * those up to the step that raised it. Beside an unmasked #O or #U it shows #P as if they were
 * masked, a CPU that of the result before it was fitted. */
static bool same_mxcsr(const struct test *t, const struct outcome *a, const struct outcome *b)
{
    const struct form *f = last_form(t, code_address(&a->state));
    bool dot_product = f && f->map == MAP_0F3A && f->first == 0x40;
    u32 ignored = 0, first, second;
    memcpy(&first, a->state.fx + 24, 4);
    memcpy(&second, b->state.fx + 24, 4);
    if (a->vector == SIMD_EXCEPTION)
        ignored = dot_product ? 0x3f : first & second & ~(first >> 7) & OUT_OF_RANGE ? INEXACT : 0;
    return (first | ignored) == (second | ignored);
}

/* After #XM, or a fault of MASKMOVQ, some CPUs are in MMX state already. */
static bool mmx_state_open(const struct test *t, const struct outcome *o)
{
    const struct form *f = last_form(t, code_address(&o->state));
    return o->vector == SIMD_EXCEPTION || (f && f->setup == FOR_MASKMOV);
}

static bool same_fx(const struct test *t, const struct outcome *first, const struct outcome *second)
{
    const u8 *a = first->state.fx, *b = second->state.fx;
    if (!same_mxcsr(t, first, second) || memcmp(a + 160, b + 160, 256))
        return false;
    if (mmx_state_open(t, first))
        return true;
    for (u32 i = 0; i < 8; i++)
        if (memcmp(a + 32 + 16 * i, b + 32 + 16 * i, 10))
            return false;
    return !memcmp(a, b, 5);
}

/* Whether the immediate of what does not exist is fetched is the vendor's. */
static bool same_refusal(const struct test *t, const struct outcome *native,
                         const struct outcome *software)
{
    const struct form *f = last_form(t, code_address(&native->state));
    bool page_ends = native->vector == PAGE_FAULT && native->address == CODE + CODE_SIZE;
    bool segment_ends = native->vector == GENERAL_PROTECTION && t->bits != 64;
    return f && f->flags & ENDS && (page_ends || segment_ends) && software->vector == UNDEFINED;
}

/* Outside 64-bit mode several things may be wrong with the operands of CMPS and MOVS, or with a
 * large one, and the vendors choose which of them faults. */
static bool same_refused_access(const struct test *t, const struct outcome *a,
                                const struct outcome *b)
{
    const struct form *f = last_form(t, code_address(&a->state));
    bool string = f && f->setup == FOR_STRING;
    return t->bits != 64 && (string || large_operand(t, a)) && a->vector != BREAKPOINT &&
           b->vector != BREAKPOINT;
}

static bool same_event(const struct test *t, const struct outcome *a, const struct outcome *b)
{
    if (same_refused_access(t, a, b))
        return true;
    if (same_refusal(t, a, b))
        return true;
    bool same_error =
        error_of(a) == error_of(b) || (large_operand(t, a) && a->vector == PAGE_FAULT);
    return a->vector == b->vector && same_error && same_address(t, a, b);
}

/* POPA that faults on its way: some CPUs have loaded what came before. */
static bool popped_half(const struct test *t, const struct outcome *o)
{
    const struct form *f = last_form(t, code_address(&o->state));
    return f && f->map == MAP_LEGACY && f->first == PUSHA_POPA && o->vector != BREAKPOINT;
}

/* Outside 64-bit mode nothing is said of what it alone can see. */
static bool same_registers(const struct test *t, const struct outcome *a, const struct outcome *b)
{
    if (t->bits != 64 && popped_half(t, a))
        return true;
    u32 count = t->bits == 64 ? 16 : 8;
    bool wide = a->state.selector[SEG_CS] == USER_CODE64;
    u64 mask = wide ? ~0ull : 0xffffffff;
    for (u32 i = 0; i < count; i++)
        if ((a->state.gpr[i] ^ b->state.gpr[i]) & mask)
            return false;
    return true;
}

/* Of a null selector the RPL goes away at the host's next interrupt. */
static bool same_selectors(const struct outcome *a, const struct outcome *b)
{
    for (u32 i = 0; i < SEG_COUNT; i++) {
        u16 first = a->state.selector[i], second = b->state.selector[i];
        if (first != second && (first > 3 || second > 3))
            return false;
    }
    return true;
}

/* The native child has a page more, from which it enters tests. */
static bool met_entry_page(const struct outcome *software)
{
    return software->vector == PAGE_FAULT && software->address - ENTRY_PAGE < PAGE_SIZE;
}

/* The last bytes of FXSAVE's area are not written: some CPUs look whether they could be. */
static bool refused_unwritten(const struct test *t, const struct outcome *native,
                              const struct outcome *software)
{
    return large_operand(t, native) && native->vector == PAGE_FAULT &&
           native->address % PAGE_SIZE < UNWRITTEN && software->state.rip != native->state.rip;
}

bool same_outcome(const struct test *t, const struct outcome *a, const struct outcome *b)
{
    if (met_entry_page(b) || refused_unwritten(t, a, b))
        return true;
    return same_event(t, a, b) && a->state.rip == b->state.rip &&
           flags_of(t, a) == flags_of(t, b) && same_registers(t, a, b) && same_selectors(a, b) &&
           same_fx(t, a, b) && same_memory(t, a, b);
}

/* --- showing ----------------------------------------------------------------------------- */

static void show_code(const struct test *t, u32 from)
{
    cs_insn *insn;
    csh capstone;
    cs_mode mode = t->bits == 64 ? CS_MODE_64 : t->bits == 32 ? CS_MODE_32 : CS_MODE_16;
    if (from >= t->length || cs_open(CS_ARCH_X86, mode, &capstone))
        return;
    size_t count = cs_disasm(capstone, t->code + from, t->length - from,
                             CODE + (u64)t->offset + from, 0, &insn);
    if (!count)
        printf("  not disassembled: %02x %02x %02x %02x\n", t->code[from], t->code[from + 1],
               t->code[from + 2], t->code[from + 3]);
    for (size_t i = 0; i < count; i++) {
        printf("  %08llx ", (unsigned long long)insn[i].address);
        for (u32 k = 0; k < insn[i].size; k++)
            printf(" %02x", insn[i].bytes[k]);
        printf("  %s %s\n", insn[i].mnemonic, insn[i].op_str);
    }
    if (count)
        cs_free(insn, count);
    cs_close(&capstone);
}

static void show_row(const char *name, u64 before, u64 native, u64 software)
{
    printf("%c %-7s %16llx  %16llx  %16llx\n", native == software ? ' ' : '*', name,
           (unsigned long long)before, (unsigned long long)native, (unsigned long long)software);
}

static void show_words(const char *name, const u8 *before, const u8 *native, const u8 *software,
                       u32 bytes)
{
    for (u32 i = 0; i < bytes; i += 8) {
        u64 b = 0, n = 0, s = 0;
        u32 size = bytes - i < 8 ? bytes - i : 8;
        char label[24];
        if (!memcmp(native + i, software + i, size) && !memcmp(before + i, native + i, size))
            continue;
        memcpy(&b, before + i, size);
        memcpy(&n, native + i, size);
        memcpy(&s, software + i, size);
        snprintf(label, sizeof(label), "%s%s", name, bytes > 8 ? i ? ".h" : ".l" : "");
        show_row(label, b, n, s);
    }
}

static void show_fx(const u8 *before, const u8 *native, const u8 *software)
{
    char name[8];
    show_words("fcw", before, native, software, 2);
    show_words("fsw", before + 2, native + 2, software + 2, 2);
    show_words("ftw", before + 4, native + 4, software + 4, 1);
    show_words("mxcsr", before + 24, native + 24, software + 24, 4);
    for (u32 i = 0; i < 8; i++) {
        u32 at = 32 + 16 * i;
        snprintf(name, sizeof(name), "st%u", i);
        show_words(name, before + at, native + at, software + at, 10);
    }
    for (u32 i = 0; i < 16; i++) {
        u32 at = 160 + 16 * i;
        snprintf(name, sizeof(name), "xmm%u", i);
        show_words(name, before + at, native + at, software + at, 16);
    }
}

static void show_memory(const u8 *native, const u8 *software, u64 address, u32 size)
{
    u32 shown = 0;
    for (u32 i = 0; i < size && shown < 16; i++)
        if (native[i] != software[i]) {
            printf("* [%llx]          %16x  %16x\n", (unsigned long long)address + i, native[i],
                   software[i]);
            shown++;
        }
}

void show_difference(const struct test *t, const struct state *before, const struct outcome *native,
                     const struct outcome *software)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    show_code(t, t->pieces ? t->piece[t->pieces - 1].start : 0);
    printf("          %16s  %16s  %16s\n", "before", "host", "software");
    for (u32 i = 0; i < 16; i++)
        show_row(names[i], before->gpr[i], native->state.gpr[i], software->state.gpr[i]);
    show_row("rip", before->rip, native->state.rip, software->state.rip);
    show_row("rflags", before->rflags, flags_of(t, native), flags_of(t, software));
    for (u32 i = 0; i < SEG_COUNT; i++)
        show_row(segments[i], before->selector[i], native->state.selector[i],
                 software->state.selector[i]);
    show_row("vector", 0, native->vector, software->vector);
    show_row("error", 0, error_of(native), error_of(software));
    show_row("cr2", 0, native->address, software->address);
    show_fx(before->fx, native->state.fx, software->state.fx);
    show_memory(native->memory.data, software->memory.data, DATA, DATA_SIZE);
    show_memory(native->memory.stack, software->memory.stack, STACK, STACK_SIZE);
}
