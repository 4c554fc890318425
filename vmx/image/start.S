/*
 * The image's first instructions, shared by every way of booting. Entered in
 * 32-bit protected mode, interrupts off, EAX telling who boots: our ROM (EBX:
 * address of the mission) or a multiboot loader (EBX: its information; Multiboot
 * 0.6.96, section 3.2). Maps the first 4 GiB one to one (SDM 4.5), goes to 64-bit
 * mode (SDM 10.8.5) and calls image_main(EAX, EBX). SSE stays as it was: nothing
 * in the image uses it.
 */
#include "vmx/image/layout.h"

#define MULTIBOOT_HEADER 0x1badb002
#define MULTIBOOT_FLAGS 0x10003 /* modules page-aligned, memory information, addresses below */

#define STACK_SIZE 0x10000
#define TABLE_SIZE 0x1000

#define CPUID_LONG_MODE 29
#define CPUID_PAGES_1G 26
#define PAGE_PRESENT_WRITE 0x3
#define PAGE_LARGE 0x80
#define IA32_EFER 0xc0000080
#define EFER_LME_BIT 8
#define CR4_PAE 0x20
#define CR0_PAGING 0x80010031 /* PG, WP, NE, ET, PE */

    .section .start, "ax"
    .code32
    .globl image_start
image_start:
    jmp enter

    .balign 4
multiboot_header:
    .long MULTIBOOT_HEADER
    .long MULTIBOOT_FLAGS
    .long -(MULTIBOOT_HEADER + MULTIBOOT_FLAGS)
    .long multiboot_header
    .long image_start
    .long image_data_end
    .long image_end
    .long image_start

enter:
    cli
    cld
    mov %eax, %ebp
    lgdt start_table_pointer
    ljmp $SELECTOR_CODE32, $1f
1:  mov $SELECTOR_DATA, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    xor %eax, %eax
    mov %ax, %fs
    mov %ax, %gs

    mov $image_bss, %edi
    mov $image_end, %ecx
    sub %edi, %ecx
    shr $2, %ecx
    rep stosl
    mov $stack_top, %esp
    mov %ebx, %esi

    in $0x92, %al /* address line 20, where the firmware left it off */
    test $2, %al
    jnz 2f
    or $2, %al
    and $0xfe, %al /* bit 0 would reset the machine */
    out %al, $0x92
2:
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb not_64_bit
    mov $0x80000001, %eax
    cpuid
    bt $CPUID_LONG_MODE, %edx
    jnc not_64_bit

    movl $(upper_tables + PAGE_PRESENT_WRITE), top_table
    bt $CPUID_PAGES_1G, %edx
    jc map_1g

/* Four tables of 512 pages of 2 MiB. */
    xor %ecx, %ecx
    mov $(PAGE_LARGE + PAGE_PRESENT_WRITE), %eax
3:  mov %eax, lower_tables(, %ecx, 8)
    add $0x200000, %eax
    inc %ecx
    cmp $2048, %ecx
    jb 3b
    movl $(lower_tables + PAGE_PRESENT_WRITE), upper_tables
    movl $(lower_tables + TABLE_SIZE + PAGE_PRESENT_WRITE), upper_tables + 8
    movl $(lower_tables + 2 * TABLE_SIZE + PAGE_PRESENT_WRITE), upper_tables + 16
    movl $(lower_tables + 3 * TABLE_SIZE + PAGE_PRESENT_WRITE), upper_tables + 24
    jmp mapped

map_1g:
    movl $(0x00000000 + PAGE_LARGE + PAGE_PRESENT_WRITE), upper_tables
    movl $(0x40000000 + PAGE_LARGE + PAGE_PRESENT_WRITE), upper_tables + 8
    movl $(0x80000000 + PAGE_LARGE + PAGE_PRESENT_WRITE), upper_tables + 16
    movl $(0xc0000000 + PAGE_LARGE + PAGE_PRESENT_WRITE), upper_tables + 24

mapped:
    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $top_table, %eax
    mov %eax, %cr3
    mov $IA32_EFER, %ecx
    rdmsr
    bts $EFER_LME_BIT, %eax
    wrmsr
    mov $CR0_PAGING, %eax
    mov %eax, %cr0
    ljmp $SELECTOR_CODE, $enter_64

/* The console code is 64-bit: say it on COM1 as the firmware left it. */
not_64_bit:
    mov $not_64_bit_text, %esi
4:  lodsb
    test %al, %al
    jz 6f
    mov %al, %ah
    mov $0xffff, %ecx
    mov $0x3fd, %dx
5:  in %dx, %al
    test $0x20, %al
    loopz 5b
    mov $0x3f8, %dx
    mov %ah, %al
    out %al, %dx
    jmp 4b
6:  cli
    hlt
    jmp 6b

    .code64
enter_64:
    mov $stack_top, %rsp
    mov %ebp, %edi
    mov %esi, %esi
    xor %ebp, %ebp
    call image_main
7:  cli
    hlt
    jmp 7b

    .section .rodata
    .balign 8
/* The same selectors as in tables.c, which takes over from here. */
start_table:
    .quad 0
    .quad 0x00af9b000000ffff /* SELECTOR_CODE */
    .quad 0x00cf93000000ffff /* SELECTOR_DATA */
    .quad 0, 0
    .quad 0x00cf9b000000ffff /* SELECTOR_CODE32 */
start_table_pointer:
    .word start_table_pointer - start_table - 1
    .long start_table
not_64_bit_text:
    .asciz "hindvisor: this processor has no 64-bit mode: use an x86-64 machine\r\n"

    .bss
    .balign TABLE_SIZE
top_table:
    .skip TABLE_SIZE
upper_tables:
    .skip TABLE_SIZE
lower_tables:
    .skip 4 * TABLE_SIZE
    .skip STACK_SIZE
stack_top:

    .section .note.GNU-stack, "", @progbits
