/*
 * See protected.h. The way out of 64-bit mode and back is that of modes.S (SDM 10.8.5). Each vector
 * has a stub that makes up for a missing error code; the common handler keeps what is on the stack
 * and goes on with the next experiment.
 */
    .set EXPERIMENT_SIZE, 44
    .set ENDING_SIZE, 132

    .macro efer_lme on
    movl $0xc0000080, %ecx
    rdmsr
    .if \on
    orl $0x100, %eax
    .else
    andl $~0x100, %eax
    .endif
    wrmsr
    .endm

    .text
    .code64
    .globl protected_enter
protected_enter:                /* rdi experiments, rsi endings, rdx how many */
    .irp register, rbx, rbp, r12, r13, r14, r15
    pushq %\register
    .endr
    movl %edi, next_experiment
    movl %esi, next_ending
    movl %edx, left
    movq %rsp, saved_rsp
    movq %cr3, %rax
    movq %rax, saved_cr3
    sgdt saved_gdt
    sidt saved_idt
    lgdt new_gdt
    pushq $0x08
    pushq $leave_long
    lretq

    .code32
leave_long:
    movl $0x18, %eax
    .irp register, ds, es, ss, fs, gs
    movl %eax, %\register
    .endr
    movl $monitor_top, %esp
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    efer_lme 0
    movl %cr4, %eax
    movl %eax, saved_cr4
    lidt new_idt
    movl $0x30, %eax
    ltr %ax

next:
    movl $monitor_top, %esp
    decl left
    js back
    movl next_experiment, %esi
    movl 36(%esi), %eax
    movl %eax, %cr4
    .irp offset, 32, 28, 24, 20, 16, 12, 8, 4, 0
    pushl \offset(%esi)
    .endr
    movl 40(%esi), %eax
    addl $EXPERIMENT_SIZE, next_experiment
    xorl %ecx, %ecx
    xorl %edx, %edx
    iret

common32:
    pushal
    pushl %ds
    pushl %es
    pushl %fs
    pushl %gs
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    cld
    movl %esp, %esi
    movl next_ending, %edi
    movl $ENDING_SIZE / 4, %ecx
    rep movsl
    movl %edi, next_ending
    jmp next

back:
    movl saved_cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl saved_cr3, %eax
    movl %eax, %cr3
    efer_lme 1
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ljmp $0x10, $back_in_long
    .code64
back_in_long:
    lgdt saved_gdt
    lidt saved_idt
    movq saved_rsp, %rsp
    movl $0x18, %eax
    .irp register, ds, es, ss, fs, gs
    movl %eax, %\register
    .endr
    .irp register, r15, r14, r13, r12, rbp, rbx
    popq %\register
    .endr
    ret

    .code32
    .balign 16
    .globl protected_stubs
protected_stubs:                /* 16 bytes apart */
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
    .else
    pushl $0
    .endif
    pushl $vector
    jmp common32
    .set vector, vector + 1
    .endr

    .data
    .balign 8
new_gdt:
    .word 255
    .quad protected_gdt
    .balign 8
new_idt:
    .word 2047
    .long protected_idt

    .bss
    .balign 16
saved_gdt:
    .skip 16
saved_idt:
    .skip 16
saved_rsp:
    .skip 8
saved_cr3:
    .skip 8
saved_cr4:
    .skip 8
next_experiment:
    .skip 4
next_ending:
    .skip 4
left:
    .skip 8
    .balign 16
    .skip 4096
    .globl monitor_top
monitor_top:
    .skip 64                    /* what a handler's copy may reach beyond */

    .section .note.GNU-stack, "", @progbits
