/*
 * First instructions of a test guest. Two ways in: _start, in the state that
 * core/boot/boot.h promises, and pvh_start, QEMU's 32-bit PVH entry, which brings
 * about the same state first. Saves every register that a guest may ask about
 * before it touches any. Also: the 256 interrupt stubs and the way to CPL 3 and back.
 */

    .section .note.Xen, "a", @note
    .long 4, 4, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long pvh_start

    .text
    .code32
pvh_start:
    cld
    movl $pvh_stack_top, %esp
    movl $pvh_tables, %edi      /* PML4, PDPT, 4 page directories */
    leal 0x1007(%edi), %eax
    movl %eax, (%edi)
    movl $4, %ecx
    leal 0x1000(%edi), %ebx
    leal 0x2007(%edi), %eax
1:  movl %eax, (%ebx)
    addl $0x1000, %eax
    addl $8, %ebx
    loop 1b
    leal 0x2000(%edi), %ebx
    movl $0x83, %eax            /* present, writable, 2 MiB */
    movl $2048, %ecx
2:  movl %eax, (%ebx)
    addl $0x200000, %eax
    addl $8, %ebx
    loop 2b
    movl %edi, %cr3
    movl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80000031, %eax
    movl %eax, %cr0
    lgdt gdt_register
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $1, entry_state + PVH
    xorl %esi, %esi
    ljmp $0x10, $_start

    .code64
    .set GPRS, 24
    .set CONTROLS, GPRS + 64
    .set SELECTORS, CONTROLS + 64
    .set BASES, SELECTORS + 64
    .set PVH, BASES + 16
    .set TABLES, PVH + 8

    .globl _start
_start:
    movq %rax, entry_state + GPRS
    movq %rbx, entry_state + GPRS + 8
    movq %rcx, entry_state + GPRS + 16
    movq %rdx, entry_state + GPRS + 24
    movq %rsi, entry_state + GPRS + 32
    movq %rdi, entry_state + GPRS + 40
    movq %rbp, entry_state + GPRS + 48
    movq %r8, entry_state + GPRS + 56
    movq %rsp, entry_state + 8
    leaq _start(%rip), %rax
    movq %rax, entry_state
    leaq stack_top, %rsp
    pushfq
    popq entry_state + 16
    .set at, CONTROLS
    .irp register, cr0, cr2, cr3, cr4, cr8
    movq %\register, %rax
    movq %rax, entry_state + at
    .set at, at + 8
    .endr
    movl $0xc0000080, %ecx
    rdmsr
    movl %eax, entry_state + at
    movl %edx, entry_state + at + 4
    movq %dr6, %rax
    movq %rax, entry_state + at + 8
    movq %dr7, %rax
    movq %rax, entry_state + at + 16
    .set at, SELECTORS
    .irp register, cs, ds, es, fs, gs, ss
    movl %\register, %eax
    movzwl %ax, %eax
    movq %rax, entry_state + at
    .set at, at + 8
    .endr
    xorl %eax, %eax
    str %ax
    movq %rax, entry_state + at
    sldt %ax
    movq %rax, entry_state + at + 8
    movl $0xc0000100, %ecx
    rdmsr
    movl %eax, entry_state + BASES
    movl %edx, entry_state + BASES + 4
    movl $0xc0000101, %ecx
    rdmsr
    movl %eax, entry_state + BASES + 8
    movl %edx, entry_state + BASES + 12
    sgdt entry_state + TABLES
    sidt entry_state + TABLES + 10

    lgdt gdt_register
    pushq $0x10
    pushq $1f
    lretq
1:  movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    call events_init
    call main
    call finish

/* --- interrupt stubs, 16 bytes apart ------------------------------------------ */
    .balign 16
    .globl stubs
stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
    .else
    pushq $0
    .endif
    pushq $vector
    jmp common
    .set vector, vector + 1
    .endr

    .set FRAME_RIP, 17 * 8
common:
    .irp register, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    pushq %\register
    .endr
    movq %rsp, %rdi
    movq %rsp, %rbp
    andq $-16, %rsp
    cld
    call on_event
    movq %rbp, %rsp
    .irp register, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
    popq %\register
    .endr
    addq $16, %rsp
    iretq

/* --- CPL 3 and back: user_enter(code, selector, flags) ---------------------------- */
    .globl user_enter, user_back
user_enter:
    .irp register, rbx, rbp, r12, r13, r14, r15
    pushq %\register
    .endr
    movq %rsp, user_kernel_rsp
    pushq $0x2b
    pushq $user_stack_top
    pushq %rdx
    movzwl %si, %esi
    pushq %rsi
    pushq %rdi
    iretq
user_back:                      /* lib/events.c comes here with RSP = user_kernel_rsp */
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    .irp register, r15, r14, r13, r12, rbp, rbx
    popq %\register
    .endr
    ret

/* --- tables ------------------------------------------------------------------------ */
    .data
    .balign 16
    .globl gdt
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    /* 08 32-bit code */
    .quad 0x00af9b000000ffff    /* 10 64-bit code */
    .quad 0x00cf93000000ffff    /* 18 data */
    .quad 0x00cffb000000ffff    /* 20 32-bit code, CPL 3 */
    .quad 0x00cff3000000ffff    /* 28 data, CPL 3 */
    .quad 0x00affb000000ffff    /* 30 64-bit code, CPL 3 */
    .quad 0x00009b000000ffff    /* 38 16-bit code */
    .quad 0x000093000000ffff    /* 40 16-bit data */
    .quad 0, 0                  /* 48 TSS, filled in by events_init */
    .quad 0x00cf13000000ffff    /* 58 data, not present */
    .quad 0, 0                  /* 60 spare */
gdt_end:
    .globl gdt_register
gdt_register:
    .word gdt_end - gdt - 1
    .quad gdt

    .bss
    .balign 4096
pvh_tables:
    .skip 6 * 4096
pvh_stack:
    .skip 256
pvh_stack_top:
    .balign 16
    .skip 32768
    .globl stack_top
stack_top:
    .skip 16384
    .globl user_stack_top
user_stack_top:
    .globl user_kernel_rsp
user_kernel_rsp:
    .skip 8
    .balign 8
    .globl entry_state
entry_state:
    .skip TABLES + 20

    .section .note.GNU-stack, "", @progbits
