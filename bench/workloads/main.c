/*
 * usage: workload NAME. Prints a line when the work begins and one when it ended, with the time
 * that it took by the guest's clock and the checksum. Who watches the console can time it from
 * outside between the two.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/workloads/workload.h"

static const struct workload *const workloads[] = {&integer, &bignum,  &copying, &chasing,
                                                   &calling, &forking, &timing};

void must(const char *what, long result)
{
    if (result >= 0)
        return;
    perror(what);
    exit(2);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void run(const struct workload *w)
{
    printf("workload %s begins\n", w->name);
    fflush(stdout);
    uint64_t start = now(), sum = w->run(w->units), end = now();
    printf("workload %s ended: %" PRIu64 " %s in %" PRIu64 " ns, checksum %016" PRIx64 "\n",
           w->name, w->units, w->unit, end - start, sum);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "child")) /* what `forking` executes */
        return atoi(argv[2]);
    for (size_t i = 0; argc == 2 && i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        if (!strcmp(argv[1], workloads[i]->name)) {
            run(workloads[i]);
            return 0;
        }
    }
    fprintf(stderr, "usage: %s NAME\n", argv[0]);
    return 2;
}
