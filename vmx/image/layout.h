/*
 * Where things lie in carrier memory, and the selectors of the host's GDT. Plain
 * numbers: this header is read by the assembler, by the linker script and by the
 * command that starts the carrier.
 */
#ifndef VMX_IMAGE_LAYOUT_H
#define VMX_IMAGE_LAYOUT_H

#define MISSION_ADDRESS 0x10000   /* ROM boot: struct mission */
#define IMAGE_ADDRESS 0x100000    /* the image; its first byte is its 32-bit entry */
#define IMAGE_LIMIT 0x1000000     /* the image with its BSS ends below */
#define MODULES_ADDRESS 0x1000000 /* ROM boot: kernel and initrd go from here on, page-aligned */
#define ROM_ADDRESS 0xffff0000
#define ROM_SIZE 0x10000

#define ROM_MAGIC 0x4d4f5248 /* in EAX at the entry: booted by our ROM */
#define MULTIBOOT_MAGIC 0x2badb002

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS 0x18
#define SELECTOR_CODE32 0x28 /* start-up only */

#endif
