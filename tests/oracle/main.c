/*
 * oracle: random user-mode instructions on the host CPU and on the software processor, for so many
 * instructions or seconds as asked. Of a test that differs the first instruction that does is
 * shown, with the state before it and both states after. See oracle.h.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/crc.h"
#include "core/decode/insn.h"
#include "tests/oracle/oracle.h"

static struct memory_image images[IMAGES];
static u8 read_only[READ_ONLY_SIZE];
static struct outcome software_outcome[NATIVE_TESTS];

static struct {
    u64 tests, instructions, faults[32], too_long, differences;
    u64 by_form[8][128], whole[8][128]; /* run; run without being the one that ended its test */
} statistics;

static struct {
    u64 seed, instructions, seconds, shown, bits;
    u64 first;
    bool once, verbose;
} options = {.seed = 1, .instructions = 100000, .shown = 5};

static enum variant variant_of(u64 seed)
{
    u32 draw = (u32)(mix64(seed) >> 40 & 7);
    return draw < 4 ? VARIANT_FAST : draw < 6 ? VARIANT_STEPS : VARIANT_GENERIC;
}

/* Most tests are 64-bit. */
static u8 bits_of(u64 number)
{
    static const u8 bits[] = {64, 32, 64, 64, 16, 64, 64, 32};
    return options.bits ? (u8)options.bits : bits[number % ARRAY_SIZE(bits)];
}

/* --- narrowing a difference down --------------------------------------------------------- */

/* The same test with only its first pieces. */
static struct test shortened(const struct test *t, u32 pieces)
{
    struct test s = *t;
    s.pieces = (u16)pieces;
    s.length = pieces ? (u16)(t->piece[pieces - 1].start + t->piece[pieces - 1].length) : 0;
    return s;
}

static bool run_both(const struct test *t, struct outcome *native, struct outcome *software)
{
    exchange->test[0] = *t;
    software_run(t, software, variant_of(t->seed));
    if (!native_run(1))
        return false;
    *native = exchange->outcome[0];
    return true;
}

static void explain(const struct test *t, u64 number, const struct outcome *first_native,
                    const struct outcome *first_software)
{
    struct outcome native, software;
    struct state before = t->before;
    printf("FAIL test %llu of seed %llu (again: --seed %llu --first %llu --once)\n",
           (unsigned long long)number, (unsigned long long)options.seed,
           (unsigned long long)options.seed, (unsigned long long)number);
    for (u32 n = 1; n <= t->pieces; n++) {
        struct test s = shortened(t, n);
        if (!run_both(&s, &native, &software))
            return;
        if (!same_outcome(&s, &native, &software)) {
            show_difference(&s, &before, &native, &software);
            return;
        }
        before = native.state;
    }
    printf("the difference does not come again; it was:\n");
    show_difference(t, &t->before, first_native, first_software);
}

/* --- the run ----------------------------------------------------------------------------- */

static void count_forms(const struct test *t, u64 end)
{
    for (u32 i = 0; i < t->pieces; i++) {
        const struct form *f = t->piece[i].form;
        u64 at = CODE + (u64)t->offset + t->piece[i].start;
        if (!f || at > end)
            continue;
        statistics.instructions++;
        for (u32 k = 0; k < form_group_count; k++) {
            const struct form_group *group = &form_groups[k];
            if (f < group->forms || f >= group->forms + group->count)
                continue;
            statistics.by_form[k][f - group->forms]++;
            statistics.whole[k][f - group->forms] += at + t->piece[i].length <= end;
        }
    }
}

static void judge(const struct test *t, u64 number, const struct outcome *native,
                  const struct outcome *software)
{
    statistics.tests++;
    if (software->vector == STOP_LIMIT) {
        statistics.too_long++;
        return;
    }
    if (!same_outcome(t, native, software)) {
        if (statistics.differences++ < options.shown)
            explain(t, number, native, software);
        return;
    }
    u64 end = code_address(&native->state);
    bool inside = end >= CODE + (u64)t->offset && end <= CODE + (u64)t->offset + t->length + 1;
    count_forms(t, inside ? end : CODE + (u64)t->offset + t->length);
    statistics.faults[native->vector & 31]++;
}

/* Tests that ran too long on the software processor become empty for the host. */
static void run_batch(u64 first, u32 count)
{
    static struct test tests[NATIVE_TESTS];
    for (u32 i = 0; i < count; i++) {
        generate(&tests[i], mix64(options.seed) + first + i, bits_of(first + i));
        software_run(&tests[i], &software_outcome[i], variant_of(tests[i].seed));
        exchange->test[i] = tests[i];
        if (software_outcome[i].vector == STOP_LIMIT)
            exchange->test[i].length = 0;
    }
    if (!native_run(count)) {
        printf("FAIL test %llu of seed %llu ended the host's process\n",
               (unsigned long long)(first + exchange->at), (unsigned long long)options.seed);
        statistics.differences++;
        native_stop();
        if (!native_start(images, read_only))
            exit(2);
        return;
    }
    static struct outcome native[NATIVE_TESTS];
    memcpy(native, exchange->outcome, count * sizeof(native[0]));
    for (u32 i = 0; i < count; i++)
        judge(&tests[i], first + i, &native[i], &software_outcome[i]);
}

static u64 report_forms(void)
{
    u64 missing = 0;
    for (u32 k = 0; k < form_group_count; k++)
        for (u32 i = 0; i < form_groups[k].count; i++) {
            const struct form *f = &form_groups[k].forms[i];
            bool ran = f->flags & ENDS ? statistics.by_form[k][i] : statistics.whole[k][i];
            missing += !ran;
            if (options.verbose)
                printf("%-8s map %u %02x..%02x /%d: %llu run, %llu to their end\n",
                       form_groups[k].name, f->map, f->first, f->last, f->reg,
                       (unsigned long long)statistics.by_form[k][i],
                       (unsigned long long)statistics.whole[k][i]);
        }
    return missing;
}

static int report(double seconds)
{
    u64 missing = report_forms();
    printf("%llu instructions in %llu tests compared in %.0f s, seed %llu: %llu differences; %llu "
           "forms never ran\n",
           (unsigned long long)statistics.instructions, (unsigned long long)statistics.tests,
           seconds, (unsigned long long)options.seed, (unsigned long long)statistics.differences,
           (unsigned long long)missing);
    printf("ended by vector:");
    for (u32 i = 0; i < 32; i++)
        if (statistics.faults[i])
            printf(" %u:%llu", i, (unsigned long long)statistics.faults[i]);
    printf("; too long: %llu\n", (unsigned long long)statistics.too_long);
    return statistics.differences || (missing && !options.once && !options.bits) ? 1 : 0;
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", 1, 0, 's'},  {"instructions", 1, 0, 'n'}, {"seconds", 1, 0, 't'},
        {"first", 1, 0, 'f'}, {"once", 0, 0, '1'},         {"show", 1, 0, 'd'},
        {"bits", 1, 0, 'b'},  {"verbose", 0, 0, 'v'},      {0}};
    for (int c; (c = getopt_long(argc, argv, "s:n:t:f:1d:b:v", names, NULL)) != -1;) {
        u64 value = optarg ? strtoull(optarg, NULL, 0) : 0;
        switch (c) {
        case 's':
            options.seed = value;
            break;
        case 'n':
            options.instructions = value;
            break;
        case 't':
            options.seconds = value;
            break;
        case 'f':
            options.first = value;
            break;
        case '1':
            options.once = true;
            break;
        case 'd':
            options.shown = value;
            break;
        case 'b':
            options.bits = value;
            break;
        case 'v':
            options.verbose = true;
            break;
        default:
            fprintf(stderr, "usage: oracle [--seed N] [--instructions N | --seconds N] [--first "
                            "TEST [--once]] [--bits N] [--show N] [--verbose]\n");
            exit(2);
        }
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What the CPU model has, the judge must have. */
static bool able(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    double start = now();
    if (!able()) {
        printf("this CPU is no judge: it lacks SSE4.2, POPCNT, BMI1 or BMI2\n");
        return 3;
    }
    generate_images(images, read_only);
    if (!native_start(images, read_only)) {
        printf("this host does not give its pages: %s\n", strerror(errno));
        return 3;
    }
    software_start(images, read_only);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (u64 first = options.first;; first += NATIVE_TESTS) {
        run_batch(first, options.once ? 1 : NATIVE_TESTS);
        bool enough = options.seconds ? now() - start >= (double)options.seconds
                                      : statistics.instructions >= options.instructions;
        if (options.once || enough || statistics.differences > 1000)
            break;
    }
    native_stop();
    return report(now() - start);
}
