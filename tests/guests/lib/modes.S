/*
 * Ways out of 64-bit mode and back: compatibility mode, 32-bit protected mode with PAE,
 * with 4 MiB pages and without paging, and real mode. legacy_run(mode) runs one
 * payload there and leaves what it saw in the results at LEGACY_RESULTS, which
 * tests/guests/modes.c declares as struct results. SDM 10.8.5 and 10.9.
 */
    .set RESULTS, 0x3f000
    .set REAL_BASE, 0x30000
    .set APIC, 0xfee00000

    .set SAW_VERSION, 0
    .set SAW_CPUID, 4
    .set SAW_PORT, 8
    .set SAW_EFER, 12
    .set SAW_CR0, 16
    .set SAW_CR4, 20
    .set SAW_EXCHANGED, 24
    .set SAW_REGISTER, 28
    .set SAW_TSC, 32
    .set SAW_DONE, 36
    .set COUNT_SOFT, 40
    .set COUNT_UD, 44
    .set COUNT_GP, 48
    .set COUNT_IRQ, 52

/* The same text in 16 and 32 bits: results and APIC by FS, which is flat in both. */
    .macro payload text, length
    movl $RESULTS, %ebp
    movl $APIC + 0x30, %ebx
    movl %fs:(%ebx), %eax
    movl %eax, %fs:SAW_VERSION(%ebp)
    xorl %eax, %eax
    xorl %ecx, %ecx
    cpuid
    movl %eax, %fs:SAW_CPUID(%ebp)
    movl $0x1234, %edx
    xorl %eax, %eax
    inb %dx, %al
    movl %eax, %fs:SAW_PORT(%ebp)
    movl $0xc0000080, %ecx
    rdmsr
    movl %eax, %fs:SAW_EFER(%ebp)
    movl %cr0, %eax
    movl %eax, %fs:SAW_CR0(%ebp)
    movl %cr4, %eax
    movl %eax, %fs:SAW_CR4(%ebp)
    int $0x55
    ud2
    movl $0xfff, %ecx
    rdmsr
    movl $APIC + 0x310, %ebx
    movl $0x5a000000, %fs:(%ebx)
    movl $0x33000000, %eax
    xchgl %eax, %fs:(%ebx)
    movl %eax, %fs:SAW_EXCHANGED(%ebp)
    movl %fs:(%ebx), %eax
    movl %eax, %fs:SAW_REGISTER(%ebp)
    movl $APIC + 0x300, %ebx
    movl $0x40041, %fs:(%ebx)
    sti
    nop
    nop
    cli
    rdtsc
    movl %eax, %fs:SAW_TSC(%ebp)
    movl $\text, %esi
    movl $\length, %ecx
    movl $0x3f8, %edx
    cld
    rep outsb
    movl $0x600d, %fs:SAW_DONE(%ebp)
    .endm

    .macro write_msr_efer_lme on
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
    .globl legacy_run
legacy_run:
    .irp register, rbx, rbp, r12, r13, r14, r15
    pushq %\register
    .endr
    movq %rsp, legacy_rsp
    movl %edi, legacy_mode
    movq %cr3, %rax
    movq %rax, legacy_cr3
    pushq $0x08
    pushq $compatibility
    lretq

    .code32
compatibility:
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl $legacy_stack_top, %esp
    cmpl $0, legacy_mode
    jne leave_long_mode
    call payload32
    ljmp $0x10, $back64

leave_long_mode:
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    write_msr_efer_lme 0
    lidt legacy_idt_register
    movl %cr4, %eax
    andl $~0x30, %eax           /* PAE, PSE */
    orl legacy_cr4, %eax
    movl %eax, %cr4
    movl legacy_new_cr3, %eax
    movl %eax, %cr3
    testl %eax, %eax
    jz 1f
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    jmp 1f
1:  cmpl $4, legacy_mode
    je go_real
    call payload32
back32:
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl %cr4, %eax
    andl $~0x10, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl legacy_cr3, %eax
    movl %eax, %cr3
    write_msr_efer_lme 1
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ljmp $0x10, $back64

payload32:
    payload text32, 23
    ret

go_real:
    movl $0x68, %eax            /* 16-bit data, base 0: limits that real mode can live with */
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    ljmp $0x60, $0              /* 16-bit code at REAL_BASE */

    .code64
back64:
    movq legacy_rsp, %rsp
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    lidt idt64_register
    .irp register, r15, r14, r13, r12, rbp, rbx
    popq %\register
    .endr
    ret

/* --- 32-bit handlers ---------------------------------------------------------- */
    .code32
    .globl legacy_soft, legacy_ud, legacy_gp, legacy_irq
legacy_soft:
    incl RESULTS + COUNT_SOFT
    iret
legacy_ud:
    incl RESULTS + COUNT_UD
    addl $2, (%esp)
    iret
legacy_gp:
    incl RESULTS + COUNT_GP
    addl $4, %esp
    addl $2, (%esp)
    iret
legacy_irq:
    incl RESULTS + COUNT_IRQ
    movl $0, APIC + 0xb0
    iret

/* --- real mode: copied to REAL_BASE --------------------------------------------- */
    .code16
    .globl real_blob, real_blob_end, real_vectors
real_blob:
    movl %cr0, %eax
    andl $~1, %eax
    movl %eax, %cr0
    ljmp $REAL_BASE / 16, $real_start - real_blob
real_start:
    movw $REAL_BASE / 16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0xe000, %sp
    lidtl real_idt - real_blob
    payload (text16 - real_blob), 15
    lidtl real_idt_none - real_blob
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $real_back
real_soft:
    incl %fs:COUNT_SOFT(%ebp)
    iretw
real_ud:
    incl %fs:COUNT_UD(%ebp)
    jmp 1f
real_gp:
    incl %fs:COUNT_GP(%ebp)
1:  movw %sp, %di
    addw $2, (%di)
    iretw
real_irq:
    incl %fs:COUNT_IRQ(%ebp)
    movl $APIC + 0xb0, %ebx
    movl $0, %fs:(%ebx)
    iretw
    .balign 4
real_idt:
    .word 0x3ff
    .long REAL_BASE + 0x1000
real_idt_none:
    .word 0
    .long 0
real_vectors:                   /* offsets of the handlers for 0x55, 6, 13, 0x41 */
    .word real_soft - real_blob, real_ud - real_blob, real_gp - real_blob, real_irq - real_blob
text16:
    .ascii "from real mode\n"
real_blob_end:

    .code32
real_back:
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $legacy_stack_top, %esp
    jmp back32

    .data
    .balign 8
text32:
    .ascii "from a mode of 32 bits\n"
    .globl legacy_idt_register, legacy_cr4, legacy_new_cr3
    .balign 8
legacy_idt_register:
    .word 256 * 8 - 1
    .long legacy_idt
    .balign 8
idt64_register:
    .word 4095
    .quad idt
legacy_cr4:
    .long 0
legacy_new_cr3:
    .long 0

    .bss
    .balign 16
legacy_mode:
    .skip 8
legacy_rsp:
    .skip 8
legacy_cr3:
    .skip 8
    .globl legacy_idt
    .balign 16
legacy_idt:
    .skip 256 * 8
    .skip 4096
legacy_stack_top:

    .section .note.GNU-stack, "", @progbits
