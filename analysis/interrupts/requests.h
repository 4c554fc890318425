/*
 * Which request of an interrupt an injection answers. The controllers keep one request a vector
 * (the local APIC's IRR, the 8259's), so that an injection answers the one that is pending; a
 * request that finds one pending is merged into it, which its record says, and is not held here.
 *
 * Three things besides: a request may be dropped (the guest reset the controller), which shows when
 * another one of its vector comes that is not merged; an injection may have no request that is
 * known (it came before the trace's range, a mask held it back, the delivery of an injection is
 * tried again); and a request may be open at the end, or where exits follow that are not known.
 *
 * Stretches of a trace join exactly: of each vector what matters is whether the first thing that
 * a stretch sees is an injection, which may answer a request of before, a request, which shows that
 * one of before was dropped, or a gap, which leaves one of before open.
 */
#ifndef ANALYSIS_INTERRUPTS_REQUESTS_H
#define ANALYSIS_INTERRUPTS_REQUESTS_H

#include "analysis/frame/pack.h"

/* Vectors, and NMIs. */
enum { REQUEST_NMI = 256, REQUEST_SLOTS };

struct irq_request {
    u32 source;      /* enum raise_source */
    u64 due, raised; /* guest ns: when it should have come, and when it did */
    u64 exit;        /* at which it was made */
    u64 tsc;         /* host's, of that exit */
};

/* An injection. */
struct answer {
    u64 exit, time, tsc; /* guest ns and host TSC of the entry that injects */
};

struct request_slot {
    bool known;   /* by what this stretch has seen; else a request of before may be pending */
    bool pending; /* `request` */
    bool orphan;  /* `answer`, the first that was seen, may answer a request of before */
    bool parted;  /* a gap was the first that was seen */
    struct irq_request request;
    struct answer answer;
};

struct requests {
    struct request_slot slots[REQUEST_SLOTS];
};

/* What comes of it, told to its owner. */
struct request_sink {
    void *owner;
    bool (*answered)(void *owner, u32 slot, const struct irq_request *, const struct answer *);
    bool (*dropped)(void *owner, u32 slot, const struct irq_request *);
    bool (*left_open)(void *owner, u32 slot, const struct irq_request *); /* before a gap */
    void (*unasked)(void *owner, u32 slot); /* an injection without a request */
};

enum answer_result { ANSWER_FAILED, ANSWER_MATCHED, ANSWER_ORPHAN, ANSWER_UNASKED };

/* A request that was not merged. false, here and below: the sink had no memory. */
bool requests_raise(struct requests *, u32 slot, const struct irq_request *,
                    const struct request_sink *);
enum answer_result requests_answer(struct requests *, u32 slot, const struct answer *,
                                   const struct request_sink *);
/* Unknown exits lie between what came and what comes. */
bool requests_forget(struct requests *, const struct request_sink *);
/* What `next` holds comes after; if it does not follow, nothing of one answers the other. */
bool requests_join(struct requests *, const struct requests *next, bool follows,
                   const struct request_sink *);

void requests_save(const struct requests *, struct pack *);
void requests_load(struct requests *, struct unpack *); /* into zeros */

#endif
