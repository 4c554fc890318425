/*
 * Interrupts that arrive around STI, MOV SS, POPF and CLI: swept over every
 * instruction, none may hit inside a shadow (SDM 7.8.1, 7.8.3; 25.4.2).
 *
 * @row: 5 held
 * @row: 5 refused
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/sweep.h"

extern u8 sti_start[], sti_shadow[], sti_end[], ss_start[], ss_shadow[], ss_end[];
extern u8 flags_start[], flags_closed[], flags_end[];
void sti_code(void);
void ss_code(void);
void flags_code(void);

asm("sti_code: sti_start: nop; nop; nop; sti\n"
    "sti_shadow: nop; nop; nop; cli; nop; nop; sti\n"
    "sti_shadow_2: cli; nop; nop\n"
    "sti_end: ret\n"
    "ss_code: mov $0x18, %eax; sti; nop\n"
    "ss_start: nop; nop; mov %eax, %ss\n"
    "ss_shadow: nop; nop; nop; push %rax; nop; nop; mov %eax, %ss\n"
    "ss_shadow_2: pop %rax; nop; cli\n"
    "ss_end: ret\n"
    "flags_code: pushfq; pop %rax; mov %rax, %rdx; or $0x200, %rax\n"
    "flags_start: nop; push %rax; popfq; nop; nop; push %rdx; popfq\n"
    "flags_closed: nop; nop; nop\n"
    "flags_end: nop; ret\n");
extern u8 sti_shadow_2[], ss_shadow_2[];

int main(void)
{
    const u64 sti_bad[] = {(u64)sti_start, (u64)sti_shadow, (u64)sti_shadow_2};
    const u64 ss_bad[] = {(u64)ss_shadow, (u64)ss_shadow_2, (u64)ss_end};
    const u64 flags_bad[] = {(u64)flags_start, (u64)flags_closed, (u64)flags_closed + 1,
                             (u64)flags_closed + 2, (u64)flags_end};
    sweep_on();
    sweep_run(
        &(struct sweep){"sti", NULL, sti_code, (u64)sti_start, (u64)sti_end, sti_bad, 3, 0, 120});
    sweep_run(
        &(struct sweep){"mov ss", NULL, ss_code, (u64)ss_start, (u64)ss_end, ss_bad, 3, 0, 120});
    sweep_run(&(struct sweep){"popf", NULL, flags_code, (u64)flags_start, (u64)flags_end, flags_bad,
                              5, 0, 120});
    return 0;
}
