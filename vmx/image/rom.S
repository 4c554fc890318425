/*
 * A ROM in place of a BIOS, for Bochs: 64 KiB ending at 4 GiB. From the reset
 * vector (SDM 9.1.4) it goes straight to 32-bit protected mode with flat
 * segments and jumps to the image, which Bochs has loaded at IMAGE_ADDRESS.
 * It initialises no device and uses no memory.
 */
#include "vmx/image/layout.h"

#define CR0_PE 0x00000001
#define CR0_CACHE_OFF 0x60000000 /* CD and NW: set at reset */

    .text
rom:
    .code16
enter:
    cli
    cld
    lgdtl %cs:(table_pointer - rom)
    mov %cr0, %eax
    and $~CR0_CACHE_OFF, %eax
    or $CR0_PE, %eax
    mov %eax, %cr0
    ljmpl $(code - table), $(ROM_ADDRESS + (protected - rom))

    .code32
protected:
    mov $(data - table), %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov %ax, %ss
    mov $ROM_MAGIC, %eax
    mov $MISSION_ADDRESS, %ebx
    mov $IMAGE_ADDRESS, %ecx
    jmp *%ecx

    .balign 8
table:
    .quad 0
code:
    .quad 0x00cf9b000000ffff /* accessed already: the table cannot be written */
data:
    .quad 0x00cf93000000ffff
table_pointer:
    .word table_pointer - table - 1
    .long ROM_ADDRESS + (table - rom)

    .org ROM_SIZE - 16
    .code16
    jmp enter
    .org ROM_SIZE
