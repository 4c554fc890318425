/*
 * A kernel for the tests of guest introspection: page tables that map an image where x86-64 Linux
 * has its own, kallsyms in any layout and form of the years, and BTF.
 */
#ifndef TESTS_UNIT_MADE_KERNEL_H
#define TESTS_UNIT_MADE_KERNEL_H

#include "analysis/guest/kallsyms.h"
#include "analysis/guest/kernel.h"

enum made_order { ORDER_5_4, ORDER_6_2, ORDER_6_5, ORDER_7_0 };

/* How task_struct has changed: `state` became __state in 5.14, `cpu` moved to thread_info in 5.16,
 * and a kernel without SMP has none. */
enum made_task { TASK_5_4, TASK_5_14, TASK_5_16, TASK_ONE_CPU };

enum {
    MADE_RAM = 4 << 20,
    MADE_IMAGE = 2 << 20, /* guest-physical; one 2 MiB page */
    MADE_FUNCTIONS = 700, /* function_0 .. */
    MADE_STEP = 64,       /* bytes a function */
    MADE_PERCPU = 2,      /* symbols with absolute addresses, in FORM_PERCPU_ABSOLUTE */
};
#define MADE_TEXT 0xffffffff9a200000ull

struct made_kernel {
    u8 *ram, *books;
    struct memory memory;
    struct paging paging;
    u64 end; /* of the image so far, an offset in it */
    u64 token_table, token_index, markers, names,
        addresses;        /* where the tables are, in the image */
    u32 count, alignment; /* of tables */
};

void made_kernel_init(struct made_kernel *, enum made_order, enum address_form);
void made_kernel_free(struct made_kernel *);

/* Appends BTF of these types to the image; returns its offset and writes its length.
 *
 *   struct list { struct list *next; int tag; };
 *   typedef struct list list_t;
 *   struct task_struct {
 *       unsigned long flags;
 *       struct { union { int state; long wide; }; const list_t tasks; };
 *       char comm[16];
 *       int low : 3, high : 5;
 *       int matrix[2][3];
 *       struct task_struct *parent;
 *   };
 */
u64 made_kernel_types(struct made_kernel *, u64 *length);

/* Appends BTF with a task_struct of that time, among types of all kinds that there are (FLOAT since
 * 5.13, DECL_TAG since 5.16, TYPE_TAG since 5.17, ENUM64 since 6.0). The places, in bytes:
 *
 *   thread_info  0, its cpu 16 (from 5.16 on)
 *   state       24: long, then unsigned int
 *   cpu         32: to 5.15
 *   prio 40, exit_state 44, pid 48, tgid 52, nvcsw 56, nivcsw 64, comm 72
 */
u64 made_kernel_task(struct made_kernel *, enum made_task, u64 *length);

static inline u8 *made_image(struct made_kernel *made)
{
    return made->ram + MADE_IMAGE;
}

#endif
