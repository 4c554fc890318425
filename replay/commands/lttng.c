/* See lttng.h. */
#include "replay/commands/lttng.h"
#include "vmx/carriers/carrier.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

/* Beside the command where it was built, or where `make install` put it. */
static struct failure find(char path[CARRIER_PATH])
{
    static const char *const places[] = {".", "../lib/hindvisor"};
    char own[CARRIER_PATH];
    if (!own_directory(own))
        return fail(HOST_IO, "cannot tell where this program is (/proc/self/exe)");
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        int length = snprintf(path, CARRIER_PATH, "%s/%s/" LTTNG_PLUGIN, own, places[i]);
        if (length < CARRIER_PATH && access(path, R_OK) == 0)
            return NO_FAILURE;
    }
    return fail(UNSUPPORTED,
                "--lttng needs the plug-in " LTTNG_PLUGIN ", which is neither in %.150s nor in "
                "../lib/hindvisor beside it; install liblttng-ust-dev and run `make`",
                own);
}

struct failure lttng_load(observe_function **observe)
{
    char path[CARRIER_PATH];
    ATTEMPT(find(path));
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!plugin)
        return fail(UNSUPPORTED, "--lttng: %.300s; apt-get install liblttng-ust1", dlerror());
    const u32 *layout = dlsym(plugin, "hindvisor_observe_layout");
    *observe = (observe_function *)dlsym(plugin, "hindvisor_observe");
    if (!layout || !*observe || *layout != OBSERVE_LAYOUT)
        return fail(UNSUPPORTED, "%.300s: it was built for another version; run `make` again",
                    path);
    return NO_FAILURE;
}
