/* From an exit reason to its handler. */
#include "vmx/exits.h"
#include "vmx/handlers.h"

static void (*const handlers[EXIT_REASON_LIMIT])(struct vcpu *) = {
#define X(number, name, handler) [number] = handler,
    VMX_EXITS(X)
#undef X
};

bool exit_handle(struct vcpu *v)
{
    if (v->exit.reason >= EXIT_REASON_LIMIT || !handlers[v->exit.reason])
        return false;
    handlers[v->exit.reason](v);
    return true;
}
