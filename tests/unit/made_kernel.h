/*
 * A kernel for the tests of guest introspection: page tables that map an image where x86-64 Linux
 * has its own, kallsyms in any layout and form of the years, and BTF.
 */
#ifndef TESTS_UNIT_MADE_KERNEL_H
#define TESTS_UNIT_MADE_KERNEL_H

#include "analysis/guest/kallsyms.h"
#include "analysis/guest/kernel.h"

enum made_order { ORDER_5_4, ORDER_6_2, ORDER_6_5 };

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
        addresses; /* where the tables are, in the image */
    u32 count;
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

static inline u8 *made_image(struct made_kernel *made)
{
    return made->ram + MADE_IMAGE;
}

#endif
