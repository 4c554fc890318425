/* The hooks that are set, and calling them; see hooks.h. blocks.c places the operations. */
#include "vmx/software/hooks.h"

#include "vmx/handlers.h"
#include "vmx/software/cpu.h"

static struct {
    const struct hook *hook;
    u32 count;
    bool changed;                /* cached blocks know other hooks */
    u64 offsets[PAGE_SIZE / 64]; /* a bit for each offset in a page that has a hook */
    u64 last_count, last_linear; /* of the instruction that was hooked last */
} hooks;

struct err hooks_set(const struct hook *hook, u32 count)
{
    for (u32 i = 1; i < count; i++)
        if (hook[i - 1].linear > hook[i].linear)
            return ERR(INTERNAL, "hook %a is not in order of address", i, 0);
    memset(hooks.offsets, 0, sizeof(hooks.offsets));
    for (u32 i = 0; i < count; i++)
        hooks.offsets[(hook[i].linear & 0xfff) / 64] |= BIT(hook[i].linear & 63);
    hooks.hook = hook;
    hooks.count = count;
    hooks.changed = true;
    hooks.last_count = NEVER;
    return NO_ERR;
}

bool hooks_changed(void)
{
    bool changed = hooks.changed;
    hooks.changed = false;
    return changed;
}

bool hooks_at_offset(u32 offset)
{
    return hooks.offsets[offset / 64] >> (offset & 63) & 1;
}

/* The first hook at this address or behind it. */
static u32 find_hook(u64 linear)
{
    u32 low = 0, high = hooks.count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (hooks.hook[middle].linear < linear)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct hook_view view_of(struct cpu *c, const struct op *op, i64 budget)
{
    struct vcpu *v = c->vcpu;
    u64 rip = c->gpr[PAGE_RIP] + op->offset;
    if (c->bits != 64)
        rip = (u32)rip;
    u64 count = v->stop_at - (u64)(budget + op->left);
    bool counted = v->machine->clock == CLOCK_COUNT;
    return (struct hook_view){
        .vcpu = v,
        .gpr = c->gpr,
        .linear = c->bits == 64 ? rip : (u32)(SEG_BASE(SEG_CS) + rip),
        .rip = rip,
        .rflags = get_rflags(c),
        .count = count,
        .now = counted ? count + v->skipped : v->machine->now,
        .exit = v->exits,
    };
}

/* An instruction that left for an exit and came back without a count is not a new one. */
static bool seen_just_now(const struct hook_view *view)
{
    if (hooks.last_count == view->count && hooks.last_linear == view->linear)
        return true;
    hooks.last_count = view->count;
    hooks.last_linear = view->linear;
    return false;
}

static NOINLINE void call_hooks(struct cpu *c, const struct op *op, i64 budget)
{
    struct hook_view view = view_of(c, op, budget);
    u32 at = find_hook(view.linear);
    if (at == hooks.count || hooks.hook[at].linear != view.linear || seen_just_now(&view))
        return;
    for (; at < hooks.count && hooks.hook[at].linear == view.linear; at++)
        hooks.hook[at].fn(hooks.hook[at].context, &view);
}

void op_hook(struct cpu *c, const struct op *op, i64 budget)
{
    call_hooks(c, op, budget);
    return op[1].fn(c, op + 1, budget);
}

bool hook_read(const struct hook_view *view, u64 linear, void *to, u64 length)
{
    struct memory *memory = &view->vcpu->machine->memory;
    struct paging paging = vcpu_paging(view->vcpu);
    paging.rflags |= RF_AC; /* user memory, too */
    u8 *bytes = to;
    while (length) {
        u64 part = min_u64(length, PAGE_SIZE - linear % PAGE_SIZE);
        if (!vcpu_canonical(linear))
            return false;
        struct translation t = paging_walk(memory, &paging, linear, 0, false);
        if (t.fault || !memory_read(memory, t.gpa, bytes, part))
            return false;
        linear += part;
        bytes += part;
        length -= part;
    }
    return true;
}
