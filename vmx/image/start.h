/* What the pieces of the start-up know of each other and the hypervisor need not. */
#ifndef VMX_IMAGE_START_H
#define VMX_IMAGE_START_H

#include "vmx/image/image.h"

void image_main(u32 loader, u32 info) __attribute__((noreturn)); /* called by start.S */
extern char image_start[], image_end[];                          /* link.ld */

/* Stops without touching the disk: nothing can be trusted any more. */
void image_stop(enum status status) __attribute__((noreturn));

void console_drain(void); /* waits until the last byte has left the UART */
bool console_on_debug_port(void);
void console_use_screen(void); /* also, while not framed: VGA text as firmware left it */

/* vga.c */
void vga_clear(void);
void vga_send(u8 byte);

/* vectors.S: one stub of VECTOR_STUB_SIZE bytes per vector; all call host_vector(). */
enum { VECTORS = 256, VECTOR_STUB_SIZE = 16 };
extern char vector_stubs[];
void host_vector(const struct host_frame *);

#endif
