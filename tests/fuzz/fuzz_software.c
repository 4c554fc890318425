/*
 * Fuzzes the software processor with guests of any kind (tests/software/generator.h). A guest never
 * reaches host memory: RAM and tables lie between guard zones, the rest is ASan's. And the
 * processor is deterministic: the same guest gives the same exits, state and RAM
 *  - run again,
 *  - cut into entries at random counts, which replay rests on,
 *  - by the generic handlers alone, one instruction at a time and without blocks that are kept: the
 *    oracle of the fast handlers and the block cache.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"
#include "core/mem.h"
#include "tests/software/generator.h"
#include "vmx/software/cpu.h"
#include "vmx/software/thunk.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { EXITS_MAX = 200, LATE_MAX = 3 };

enum way { STRAIGHT, CUT, PLAIN, CUT_PLAIN };

/* An exit that is the guest's own: what it says, and where. */
struct seen {
    u64 reason, qualification, count, rip, linear, physical, info, vectoring, state;
};

struct outcome {
    u32 exits;
    struct seen exit[EXITS_MAX];
    u64 hash, count, rip;
    u8 ram[BARE_RAM];
};

static struct plan plan;
static u64 dice;

static u64 roll(void)
{
    return dice = mix64(dice + 0x9e3779b97f4a7c15);
}

/* --- what the outside does --------------------------------------------------------------- */

static u64 *ept_entry(u64 gpa)
{
    u64 page;
    return ept_leaf(&bare.h.ept, gpa, &page);
}

static void dig_holes(void)
{
    for (u32 i = 0; i < plan.holes; i++) {
        u64 *entry = ept_entry(plan.hole[i].gpa);
        if (entry)
            *entry = (*entry & ~7ull) | plan.hole[i].entry;
    }
}

/* Gives all rights. false: there is no RAM. */
static bool fill_hole(u64 gpa)
{
    u64 *entry = gpa < BARE_RAM ? ept_entry(gpa) : NULL;
    if (!entry || (*entry & 7) == 7)
        return false;
    *entry |= 7;
    processor_flush_ept(ept_pointer(&bare.h.ept));
    return true;
}

static void inject(u32 info, u32 error)
{
    if (!(vmcs_read(VMCS_GUEST_CR0) & CR0_PE))
        info &= ~EVENT_HAS_ERROR;
    bare_inject(info, error, 0);
}

/* An event that the SDM allows here (27.2.1.3, 27.3.1.5). */
static void inject_if_possible(const struct happening *h)
{
    u64 blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    u32 type = EVENT_TYPE(h->info);
    if (type == EVENT_EXTERNAL && (blocked & 3 || !(bare.h.vcpu.rflags & RF_IF)))
        return;
    if (type == EVENT_NMI && blocked & (BLOCKED_BY_MOV_SS | BLOCKED_BY_STI | BLOCKED_BY_NMI))
        return;
    inject(h->info, h->error);
}

static void skip(void)
{
    bare.h.vcpu.gpr[RAX] = (u32)(bare.h.vcpu.count * 0x1234567);
    if (bare.h.vcpu.exit.reason == EXIT_IO_INSTRUCTION && bare.h.vcpu.exit.qualification & 32)
        bare.h.vcpu.gpr[RCX] = 0;
    vcpu_skip_instruction(&bare.h.vcpu);
}

/* false: nothing can go on from here. */
static bool answer(void)
{
    const struct exit_info *exit = &bare.h.vcpu.exit;
    if (exit->vectoring & EVENT_VALID)
        bare_inject(exit->vectoring & ~(1u << 12), (u32)vmcs_read(VMCS_VECTORING_ERROR),
                    exit->length);
    switch (exit->reason) {
    case EXIT_EXCEPTION_NMI:
        if (EVENT_VECTOR(vmcs_read(VMCS_EXIT_EVENT)) == VECTOR_PF)
            processor_write_cr2(exit->qualification);
        bare_inject((u32)vmcs_read(VMCS_EXIT_EVENT) & ~(1u << 12),
                    (u32)vmcs_read(VMCS_EXIT_EVENT_ERROR), exit->length);
        return true;
    case EXIT_EPT_VIOLATION:
    case EXIT_EPT_MISCONFIG:
        if (fill_hole(vmcs_read(VMCS_GUEST_PHYSICAL)))
            return true;
        inject(EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR, 0);
        return !(exit->vectoring & EVENT_VALID);
    case EXIT_INTERRUPT_WINDOW:
        inject(EVENT(EVENT_EXTERNAL, 0x22), 0);
        return true;
    case EXIT_NMI_WINDOW:
        inject(EVENT(EVENT_NMI, 2), 0);
        return true;
    case EXIT_TPR_BELOW_THRESHOLD:
        vmcs_write(VMCS_TPR_THRESHOLD, 0);
        return true;
    case EXIT_TRIPLE_FAULT:
        return false;
    default:
        if (exit->entry_failed || exit->reason >= EXIT_REASON_LIMIT || !exit->length)
            return false;
        skip();
        return true;
    }
}

/* --- one run ---------------------------------------------------------------------------------- */

static void prepare(enum way way)
{
    u64 controls = vmcs_read(VMCS_PROCESSOR_CONTROLS);
    vmcs_write(VMCS_EXCEPTION_BITMAP, plan.exception_bitmap);
    vmcs_write(VMCS_PAGE_FAULT_MASK, plan.page_fault_mask);
    vmcs_write(VMCS_PAGE_FAULT_MATCH, plan.page_fault_match);
    if (plan.windows)
        vmcs_write(VMCS_PROCESSOR_CONTROLS, controls | 1 << 2 | 1 << 22);
    bare.pages.virtual_apic[0x80] = 0xf0;
    vmcs_write(VMCS_TPR_THRESHOLD, plan.tpr_threshold);
    dig_holes();
    software_cpu.plain = way == PLAIN || way == CUT_PLAIN;
    dice = plan.seed + way;
}

/* The stack and the thunks' frame that the processor will find: its to read only after writing. */
__attribute__((noinline)) static void soil_stack(u8 with)
{
    volatile u8 soil[8192];
    memset((void *)soil, with, sizeof(soil));
    if (thunk_frame(0))
        memset(thunk_frame(PAGE_SIZE), with, PAGE_SIZE);
}

static void look(struct outcome *o)
{
    const struct vcpu *v = &bare.h.vcpu;
    bool faulted = v->exit.reason == EXIT_EXCEPTION_NMI;
    bool ept = v->exit.reason == EXIT_EPT_VIOLATION || v->exit.reason == EXIT_EPT_MISCONFIG;
    o->exit[o->exits++] = (struct seen){
        .reason = v->exit.reason | (u64)v->exit.length << 32,
        .qualification = v->exit.qualification,
        .count = v->count,
        .rip = v->rip,
        .linear = v->exit.reason == EXIT_EPT_VIOLATION ? vmcs_read(VMCS_GUEST_LINEAR) : 0,
        .physical = ept ? vmcs_read(VMCS_GUEST_PHYSICAL) : 0,
        .info = faulted ? vmcs_read(VMCS_EXIT_EVENT) | vmcs_read(VMCS_EXIT_EVENT_ERROR) << 32 : 0,
        .vectoring = v->exit.vectoring,
        .state = bare_hash(),
    };
}

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    const struct vcpu *v = &bare.h.vcpu;
    fprintf(stderr, "broken: %s; mode %u, count %llu, stop at %llu, exit %u at %#llx, shadow %#x\n",
            what, plan.mode, (unsigned long long)v->count, (unsigned long long)v->stop_at,
            v->exit.reason, (unsigned long long)v->rip,
            (u32)vmcs_read(VMCS_GUEST_INTERRUPTIBILITY));
    abort();
}

static void go(enum way way, struct outcome *o)
{
    struct vcpu *v = &bare.h.vcpu;
    u32 event = 0;
    bool first = true;
    memset(o, 0, offsetof(struct outcome, ram));
    while (v->count < plan.end && o->exits < EXITS_MAX) {
        u64 stop = event < plan.events ? min_u64(plan.event[event].count, plan.end) : plan.end;
        if (stop <= v->count) {
            inject_if_possible(&plan.event[event++]);
            continue;
        }
        bool cut = way == CUT || way == CUT_PLAIN;
        if (cut)
            stop = min_u64(stop, v->count + 1 + roll() % (roll() & 1 ? 3 : 40));
        soil_stack((u8)(way * 0x55));
        bare_enter(stop);
        must(v->count <= stop + LATE_MAX, "the guest ran past the count where it should stop");
        must(first || !v->exit.entry_failed, "the guest made a state that cannot be entered");
        first = false;
        if (v->exit.reason == EXIT_PREEMPTION_TIMER) {
            must(v->count >= stop, "the preemption timer went off too early");
            continue;
        }
        look(o);
        if (!answer())
            break;
    }
    o->hash = bare_hash(), o->count = v->count, o->rip = v->rip;
    memcpy(o->ram, bare_ram(0), BARE_RAM);
}

/* `end`: at the latest. */
static void run(const u8 *data, size_t size, enum way way, u64 end, struct outcome *o)
{
    generate(data, size, &plan);
    plan.end = min_u64(plan.end, end);
    prepare(way);
    go(way, o);
}

/* --- comparing --------------------------------------------------------------------------- */

static const char *const names[] = {"again", "cut into entries", "by generic handlers alone",
                                    "by generic handlers, cut"};

static void tell(const char *what, u64 a, u64 b)
{
    if (a != b)
        fprintf(stderr, "  %s: %#llx, then %#llx\n", what, (unsigned long long)a,
                (unsigned long long)b);
}

static void tell_exit(const struct seen *a, const struct seen *b)
{
    tell("reason", a->reason, b->reason);
    tell("qualification", a->qualification, b->qualification);
    tell("count", a->count, b->count);
    tell("RIP", a->rip, b->rip);
    tell("linear", a->linear, b->linear);
    tell("physical", a->physical, b->physical);
    tell("event", a->info, b->info);
    tell("vectoring", a->vectoring, b->vectoring);
    tell("state", a->state, b->state);
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->exits == b->exits && !memcmp(a->exit, b->exit, a->exits * sizeof(a->exit[0])) &&
           a->hash == b->hash && a->count == b->count && !memcmp(a->ram, b->ram, BARE_RAM);
}

static void tell_place(u64 count)
{
    const struct vcpu *v = &bare.h.vcpu;
    u64 linear =
        v->rip + (vmcs_read(VMCS_GUEST_CS_ACCESS) >> 13 & 1 ? 0 : vmcs_read(VMCS_GUEST_CS_BASE));
    fprintf(stderr,
            "up to count %llu they are the same: RIP %#llx, RCX %#llx, bytes where it may be:",
            (unsigned long long)count, (unsigned long long)v->rip, (unsigned long long)v->gpr[RCX]);
    for (u32 i = 0; i < 15; i++)
        fprintf(stderr, " %02x", *bare_ram((linear + i) % BARE_RAM));
    fprintf(
        stderr,
        "\n  RFLAGS %#llx, DR7 %#llx, shadow %#llx, pending %#llx, CS access %#llx, RSP %#llx\n",
        (unsigned long long)v->rflags, (unsigned long long)vmcs_read(VMCS_GUEST_DR7),
        (unsigned long long)vmcs_read(VMCS_GUEST_INTERRUPTIBILITY),
        (unsigned long long)vmcs_read(VMCS_GUEST_PENDING_DEBUG),
        (unsigned long long)vmcs_read(VMCS_GUEST_CS_ACCESS), (unsigned long long)v->gpr[RSP]);
}

/* Where the two ways part: the longest run that ends the same. */
static void find_difference(const u8 *data, size_t size, enum way way, struct outcome *a,
                            struct outcome *b)
{
    u64 low = COUNT_START, high = plan.end;
    while (low + 1 < high) {
        u64 middle = (low + high) / 2;
        run(data, size, STRAIGHT, middle, a);
        run(data, size, way, middle, b);
        *(same(a, b) ? &low : &high) = middle;
    }
    run(data, size, way, low, b);
    tell_place(low);
    run(data, size, STRAIGHT, high, a);
    tell_place(high);
    run(data, size, way, high, b);
    tell_place(high);
}

static void tell_difference(const struct outcome *a, const struct outcome *b, enum way way)
{
    fprintf(stderr, "the guest, in mode %u, runs otherwise %s\n", plan.mode, names[way]);
    tell("exits", a->exits, b->exits);
    for (u32 i = 0; i < a->exits && i < b->exits; i++)
        if (memcmp(&a->exit[i], &b->exit[i], sizeof(a->exit[0]))) {
            fprintf(stderr, " exit %u, reason %u at count %llu\n", i, (u32)a->exit[i].reason,
                    (unsigned long long)a->exit[i].count);
            tell_exit(&a->exit[i], &b->exit[i]);
            break;
        }
    tell("hash at the end", a->hash, b->hash);
    tell("count", a->count, b->count);
    tell("RIP", a->rip, b->rip);
    for (u32 i = 0, n = 0; i < BARE_RAM && n < 8; i++)
        if (a->ram[i] != b->ram[i])
            n++, fprintf(stderr, "  RAM at %#x: %02x, then %02x\n", i, a->ram[i], b->ram[i]);
}

static void compare(const u8 *data, size_t size, enum way way, struct outcome *first)
{
    static struct outcome second;
    run(data, size, way, NEVER, &second);
    if (same(first, &second))
        return;
    find_difference(data, size, way, first, &second);
    tell_difference(first, &second, way);
    abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct outcome first;
    if (size < 16)
        return 0;
    run(data, size, STRAIGHT, NEVER, &first);
    for (enum way way = data[3] % 8 ? CUT : STRAIGHT; way <= CUT_PLAIN; way++)
        compare(data, size, way, &first);
    return 0;
}
