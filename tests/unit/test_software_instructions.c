/* Instructions at exits: found while a guest runs, looked up, checked, and told in the views. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/exits/keys.h"
#include "analysis/guest/instructions.h"
#include "tests/software/guest_code.h"
#include "vmx/carriers/disassemble.h"

/* Writes RDTSC over its CPUID, which then exits at the same RIP for another reason. */
GUEST_CODE(patches_itself, "lea rsi, [rip + 2f]\n"
                           "2: cpuid\n"
                           "mov word ptr [rsi], 0x310f\n"
                           "jmp 2b");
GUEST_CODE(reads_a_port, "in al, 0x60\n"
                         "hlt");

static struct instruction_finder finder;
static struct instructions found;

static void look(void)
{
    instruction_finder_look(&finder, &bare.h.vcpu);
}

static void find(void)
{
    cr_assert(instruction_finder_end(&finder, &found));
    cr_expect(instructions_are_good(found.table, found.count));
}

static void expect_at(u64 rip, const char *expected)
{
    struct disassembler *d = disassembler_new();
    const struct instruction *i = instruction_at(&found, rip);
    char text[64];
    cr_assert(d && i);
    cr_expect(disassemble(d, i->bytes, i->length, rip, i->bits, text, sizeof(text)));
    cr_expect_str_eq(text, expected);
    disassembler_free(d);
}

Test(software_instructions, are_read_again_when_the_reason_of_an_exit_changes)
{
    instruction_finder_init(&finder);
    START(BARE_64, patches_itself);
    cr_assert_eq(run_to_exit(), EXIT_CPUID);
    u64 rip = bare.h.vcpu.rip;
    look();
    cr_assert_eq(run_on(), EXIT_RDTSC);
    cr_assert_eq(bare.h.vcpu.rip, rip);
    look();
    look();
    find();
    cr_expect_eq(found.count, 1);
    expect_at(rip, "rdtsc");
    cr_expect_null(instruction_at(&found, rip + 1));
    instructions_free(&found);
}

Test(software_instructions, are_found_in_every_mode)
{
    static const struct {
        enum bare_mode mode;
        u32 bits;
    } modes[] = {{BARE_64, 64}, {BARE_COMPATIBILITY, 32}, {BARE_32_PAGED, 32}, {BARE_32, 32}};
    for (u32 m = 0; m < ARRAY_SIZE(modes); m++) {
        instruction_finder_init(&finder);
        START(modes[m].mode, reads_a_port);
        cr_assert_eq(run_to_exit(), EXIT_IO_INSTRUCTION);
        u64 rip = bare.h.vcpu.rip;
        look();
        cr_assert_eq(run_on(), EXIT_HLT);
        look();
        find();
        cr_assert_eq(found.count, 2);
        cr_expect_eq(found.table[0].bits, modes[m].bits);
        expect_at(rip, "in al, 0x60");
        expect_at(rip + 2, "hlt");
        instructions_free(&found);
    }
}

Test(software_instructions, that_cannot_be_read_have_no_bytes)
{
    char text[8];
    instruction_finder_init(&finder);
    START(BARE_64, reads_a_port);
    bare.h.vcpu.rip = 0x7fffdeadb000;
    look();
    find();
    cr_assert_eq(found.count, 1);
    cr_expect_eq(found.table[0].length, 0);
    struct disassembler *d = disassembler_new();
    cr_expect_eq(disassemble(d, found.table[0].bytes, 0, 0, 64, text, sizeof(text)), 0);
    cr_expect_str_eq(text, "?");
    disassembler_free(d);
    instructions_free(&found);
}

Test(software_instructions, have_a_limit)
{
    instruction_finder_init(&finder);
    START(BARE_64, reads_a_port);
    for (u64 i = 0; i <= INSTRUCTIONS_MAX; i++) {
        bare.h.vcpu.rip = 2 * i;
        look();
    }
    find();
    cr_expect_eq(found.count, INSTRUCTIONS_MAX);
    cr_expect_null(instruction_at(&found, 2 * INSTRUCTIONS_MAX));
    cr_expect(instruction_at(&found, 2 * INSTRUCTIONS_MAX - 2));
    instructions_free(&found);
}

Test(software_instructions, tables_that_cannot_be_are_refused)
{
    struct instruction good[2] = {{.rip = 1, .bits = 16}, {.rip = 2, .length = 15, .bits = 64}};
    cr_expect(instructions_are_good(good, 2));
    cr_expect(instructions_are_good(NULL, 0));
    cr_expect_not(instructions_are_good(good, INSTRUCTIONS_MAX + 1ull));
    struct instruction bad[2] = {good[0], good[1]};
    bad[1].rip = 1;
    cr_expect_not(instructions_are_good(bad, 2), "twice");
    bad[1] = good[1];
    bad[0].bits = 0;
    cr_expect_not(instructions_are_good(bad, 2), "no mode");
    bad[0] = good[0];
    bad[1].length = 16;
    cr_expect_not(instructions_are_good(bad, 2), "too long");
}

/* --- the views --------------------------------------------------------------------------- */

static bool at_home(const struct symbolizer *symbolizer, u64 address, char *text, size_t size)
{
    (void)symbolizer;
    snprintf(text, size, "home");
    return address == 1;
}

static bool is_out(const struct symbolizer *symbolizer, u64 rip, char *text, size_t size)
{
    (void)symbolizer;
    snprintf(text, size, "out dx, al");
    return rip == 2;
}

/* As CSV, without its head; malloc'ed. */
static char *told(const struct symbolizer *symbols, u64 rip)
{
    static const struct column columns[] = {{"symbol", "", CELL_TEXT}, {"code", "", CELL_TEXT}};
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct output *out = output_new(file, OUTPUT_CSV);
    output_table(out, "rows", columns, ARRAY_SIZE(columns), 0);
    exit_tell_code(symbols, rip, out);
    cr_assert_eq(output_end(out).code, OK);
    fclose(file);
    memmove(text, strchr(text, '\n') + 1, strlen(strchr(text, '\n')));
    return text;
}

Test(software_instructions, are_told_where_they_are_known)
{
    static const struct symbolizer both = {at_home, is_out}, names = {at_home, NULL};
    static const struct {
        const struct symbolizer *symbols;
        u64 rip;
        const char *text;
    } cases[] = {
        {NULL, 1, ",\n"},   {&names, 1, "home,\n"},
        {&names, 2, ",\n"}, {&both, 2, ",\"out dx, al\"\n"},
        {&both, 3, ",\n"},  {&both, 1, "home,\n"},
    };
    for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text = told(cases[i].symbols, cases[i].rip);
        cr_expect_str_eq(text, cases[i].text, "case %u", i);
        free(text);
    }
}
