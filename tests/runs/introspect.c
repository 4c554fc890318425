/*
 * Looks into a recorded guest by way of its replay, for tests/runs/introspect.sh:
 *
 *   introspect symbols TRACE          the kernel's symbols at the end, as /proc/kallsyms has them
 *   introspect btf TRACE              its BTF at the end, as /sys/kernel/btf/vmlinux has it
 *   introspect hooks TRACE FROM TO... hooks every byte of code there and checks the calls: no
 *                                     count is left out but within a REP and for events that are
 *                                     delivered, none comes back, and each exit by an instruction
 *                                     comes right after the call for that instruction, at the same
 *                                     count
 *
 * The replay must find no difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/guest/kernel.h"
#include "analysis/guest/rerun.h"
#include "vmx/exits.h"
#include "vmx/handlers.h"
#include "vmx/processor.h"
#include "vmx/software/hooks.h"

static struct failure failure;

/* --- symbols and types ------------------------------------------------------------------------ */

static void print_symbols(void *context, struct vcpu *v)
{
    struct paging paging = vcpu_paging(v);
    struct kernel kernel;
    (void)context;
    failure = kernel_find(&v->machine->memory, &paging, &kernel);
    if (failure.code)
        return;
    for (u32 i = 0; i < kernel.symbols.count; i++) {
        const struct symbol *symbol = &kernel.symbols.table[i];
        printf("%016lx %c %s\n", symbol->address, symbol->type,
               symbol_name(&kernel.symbols, symbol));
    }
    fprintf(stderr, "_text 0x%lx, ", kernel.text);
    if (kernel.has_shift)
        fprintf(stderr, "0x%lx from where it was linked; ", kernel.shift);
    fprintf(stderr, "%s\n", kernel.banner);
    kernel_free(&kernel);
}

static void print_btf(void *context, struct vcpu *v)
{
    static struct guest_image image;
    struct paging paging = vcpu_paging(v);
    struct kernel kernel;
    u64 length = 0;
    (void)context;
    failure = kernel_find(&v->machine->memory, &paging, &kernel);
    if (failure.code || (failure = image_find(&v->machine->memory, &paging, &image)).code)
        return;
    const u8 *btf = kernel_btf(&image, &kernel.symbols, &length);
    if (btf)
        fwrite(btf, 1, length, stdout);
    kernel_free(&kernel);
}

/* --- hooks ------------------------------------------------------------------------------- */

static struct {
    struct hook *hooks;
    u32 count;
    u64 calls, matched;
    u64 last_count, last_rip, next_exit;
    bool last_repeats;
} all;

static bool by_instruction(u32 reason)
{
    static const u64 reasons = BIT(EXIT_CPUID) | BIT(EXIT_HLT) | BIT(EXIT_RDTSC) |
                               BIT(EXIT_CR_ACCESS) | BIT(EXIT_MSR_READ) | BIT(EXIT_MSR_WRITE);
    return reason < 64 && reasons >> reason & 1;
}

/* The exits since the last call. Of several only the first one can follow it directly. */
static void check_exits(const struct vcpu *v, u64 exit)
{
    if (exit - all.next_exit > ARRAY_SIZE(v->last)) /* the first call */
        return;
    const struct exit_record *record = &v->last[all.next_exit % ARRAY_SIZE(v->last)];
    if (exit == all.next_exit || !by_instruction(record->reason))
        return;
    if (record->count != all.last_count || record->rip != all.last_rip)
        failure =
            fail(INTERNAL, "exit %lu at count %lu, RIP 0x%lx: the last call was at %lu, 0x%lx",
                 all.next_exit, record->count, record->rip, all.last_count, all.last_rip);
    all.matched++;
}

/* Is this where an event of the guest's own goes? Its vectors in 64-bit mode: SDM figure 6-8. */
static bool is_handler(const struct hook_view *view)
{
    u64 idt = vmcs_read(VMCS_GUEST_IDTR_BASE), limit = vmcs_read(VMCS_GUEST_IDTR_LIMIT);
    for (u64 at = 0; at + 15 <= limit && at < 256 * 16; at += 16) {
        u64 gate[2];
        if (!hook_read(view, idt + at, gate, sizeof(gate)))
            return false;
        u64 to = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | gate[1] << 32;
        if (to == view->rip)
            return true;
    }
    return false;
}

/*
 * An instruction counts one, and so does a fault or trap that is delivered inside the guest. Where
 * one follows the other without an instruction that begins, it is two: a single-step trap, or a
 * target that cannot be fetched. Then the next instruction is a handler's. A double fault is one
 * more. Only repeated string instructions count more than that.
 */
static void check_count(const struct hook_view *view)
{
    u64 count = view->count, more = count - all.last_count;
    bool first = !all.calls, missed = more > 1 && !all.last_repeats;
    if (missed && more <= 3 && is_handler(view))
        missed = false;
    if (!first && (count < all.last_count || missed))
        failure = fail(INTERNAL, "from 0x%lx on the count went from %lu to %lu", all.last_rip,
                       all.last_count, count);
}

/* Has it a REP prefix? At most one other stands before it in the guests. */
static bool repeats(const u8 *code)
{
    return code[0] == 0xf3 || code[0] == 0xf2 || code[1] == 0xf3 || code[1] == 0xf2;
}

static void on_instruction(void *context, const struct hook_view *view)
{
    u8 code[2], stack[16];
    (void)context;
    if (failure.code)
        return;
    check_count(view);
    check_exits(view->vcpu, view->exit);
    if (!hook_read(view, view->linear, code, sizeof(code)))
        failure = fail(INTERNAL, "code at 0x%lx cannot be read", view->linear);
    hook_read(view, view->gpr[RSP], stack, sizeof(stack)); /* as probes do */
    all.last_repeats = repeats(code);
    all.calls++;
    all.last_count = view->count;
    all.last_rip = view->rip;
    all.next_exit = view->exit;
}

static void hook_all(void *context, struct vcpu *v)
{
    (void)context, (void)v;
    failure = fail_err(hooks_set(all.hooks, all.count));
}

/* Pairs of addresses, in order. */
static bool choose_hooks(char **addresses, int count)
{
    all.next_exit = NEVER;
    for (int i = 0; i + 1 < count; i += 2) {
        u64 at = strtoull(addresses[i], NULL, 0), end = strtoull(addresses[i + 1], NULL, 0);
        all.hooks = realloc(all.hooks, (all.count + end - at) * sizeof(*all.hooks));
        for (; all.hooks && at < end; at++)
            all.hooks[all.count++] = (struct hook){at, on_instruction, NULL};
    }
    return all.hooks;
}

/* --- the replay -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int arguments;
    struct observer observer;
} looks[] = {
    {"symbols", 3, {.ends = print_symbols}},
    {"btf", 3, {.ends = print_btf}},
    {"hooks", 5, {.begins = hook_all}},
};

static int look(const struct observer *observer, const char *path)
{
    struct trace *trace;
    struct report *report = calloc(1, sizeof(*report));
    struct failure wrong = trace_open(path, &trace);
    if (!wrong.code) {
        wrong = rerun(trace, observer, RERUN_QUIET, report);
        trace_close(trace);
    }
    if (!wrong.code)
        wrong = failure;
    if (wrong.code)
        fprintf(stderr, "introspect: %s\n", wrong.text);
    else
        fprintf(stderr, "exits %lu, states %lu, calls %lu, of which before exits %lu\n",
                report->exits, report->states, all.calls, all.matched);
    free(report);
    return wrong.code ? 2 : 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_SIZE(looks); i++)
        if (argc >= looks[i].arguments && !strcmp(argv[1], looks[i].name) &&
            (argc < 5 || choose_hooks(argv + 3, argc - 3)))
            return look(&looks[i].observer, argv[2]);
    fputs("usage: introspect symbols|btf TRACE, or introspect hooks TRACE FROM TO...\n", stderr);
    return 2;
}
