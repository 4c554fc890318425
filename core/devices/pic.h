/*
 * The PC's pair of 8259A interrupt controllers, the second one cascaded on
 * input 2 of the first, with the edge/level control registers of EISA and PIIX.
 */
#ifndef CORE_DEVICES_PIC_H
#define CORE_DEVICES_PIC_H

#include "core/bus.h"

enum { PIC_PORTS = 2, ELCR_PORTS = 2 };

struct pic_chip {
    u8 lines;       /* the inputs just now */
    u8 requests;    /* IRR */
    u8 in_service;  /* ISR */
    u8 mask;        /* IMR */
    u8 level;       /* ELCR: inputs that are level-triggered */
    u8 vector_base; /* ICW2: bits 7..3 of the vectors */
    u8 highest;     /* the input with the highest priority just now */
    u8 next_icw;    /* initialization word expected next: 2, 3 or 4; 0: initialized */
    u8 icw1, icw4;
    u8 read_in_service; /* OCW3: reads of port 0 show ISR, not IRR */
    u8 poll;            /* OCW3: the next read is an acknowledge */
    u8 special_mask;
    u8 rotate_on_auto_eoi;
};

struct pic {
    struct pic_chip chip[2]; /* master, slave */
};

/* Three regions share one struct pic: ports 0x20, 0xa0 and 0x4d0. */
extern const struct device_ops pic_master_ops, pic_slave_ops, pic_elcr_ops;

void pic_reset(struct pic *);
/* Input `irq` (0..15) is at `level` now. */
void pic_set_line(struct pic *, u32 irq, bool level);
/* False: INTR is low, whatever the priorities. */
static inline bool pic_has_requests(const struct pic *pic)
{
    return pic->chip[0].requests & ~pic->chip[0].mask;
}
/* What becomes of a rise of input `irq`: the vector that the pair would give for it; 0: it is
 * masked. And whether a request of it is pending already. */
u8 pic_vector(const struct pic *, u32 irq);
bool pic_requested(const struct pic *, u32 irq);
/* INTR: the pair asks for an interrupt. */
bool pic_output(const struct pic *);
/* The processor's acknowledge cycle: the vector, 0..255. Without a request it is
 * the spurious one (input 7), as on the chip. */
int pic_acknowledge(struct pic *);

#endif
