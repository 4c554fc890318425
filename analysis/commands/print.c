/* What `hindvisor analyze` and `hindvisor merge` share; see print.h. */
#include "analysis/commands/print.h"

#include <inttypes.h>
#include <stdio.h>

const char *const format_names[] = {"table", "json", "csv", NULL};

struct failure print_result(const struct pass *pass, const struct result *result, int format)
{
    struct output *out = output_new(stdout, (enum output_format)format);
    if (!out)
        return fail(NO_SPACE, "no memory for the output");
    pass_tell(pass, result, out);
    return output_end(out);
}

int print_missing(const struct cli_command *command, const struct result *result)
{
    u64 missing = result_missing(result);
    if (!missing)
        return CLI_SAME;
    fflush(stdout);
    fprintf(stderr, "hindvisor %s: %" PRIu64 " of %" PRIu64 " blocks are not in this%s%s\n",
            command->name, missing, result->range_chunks, result->damaged ? "; damage: " : "",
            result->damage);
    return CLI_DIFFERENT;
}
