/* order.h: a call as bytes, for who makes it on another node, and what has come of it.
 *
 * Who calls sends an order: what the call is, its context, its arguments. Who makes the call reads it there,
 * and sends back an outcome: the code and its sentence, faults, results, and which of these are to be left
 * alone. attend.c does one call after the other so, clerk.c many at a time.
 */
#ifndef KITH_ORDER_H
#define KITH_ORDER_H

#include "pool/call.h"

struct kith__message { /* from malloc */
    char *bytes;
    uint64_t size;
};

/* ---- where it is called */

/* *m becomes the order, behind head bytes that are left free. 0; a code. */
int kith__order_make(const struct kith__call_spec *s, uint64_t head, struct kith__message *m);

/* Takes over an outcome: results, and this thread's faults. fold: as in kith__call. The code of the call. */
int kith__outcome_take(const struct kith__call_spec *s, const char *bytes, uint64_t size,
                       void (*fold)(struct kith__call *c, void *context), void *context);

/* ---- where it is made */

struct kith__order {
    struct kith__call_spec s; /* its data lies in the bytes that were read */
    double *costs;            /* from malloc */
    int code;                 /* what the call has ended with */
    void *out;                /* of a map a block of the heap, of a range from malloc */
    uint64_t units;           /* of a range */
    unsigned char *bits;      /* of a map: which tasks have left no result; NULL: each has */
    int is_over;              /* the call has ended: there are results */
};

/* Of bytes that stay until kith__order_free. The priority of this thread becomes that of the call. 0; a code:
 * of what makes no sense KITH_EPEER. */
int kith__order_read(const char *bytes, uint64_t size, struct kith__order *o);

/* Memory for results, before the call begins, and what is to be known of it before it is given back
 * (kith__call_spec.look). 0; KITH_ENOMEM. */
int kith__order_prepare(struct kith__order *o);

/* *m becomes the outcome, behind head bytes; of the last failure of this thread, when .code is one. 0;
 * KITH_ENOMEM. */
int kith__outcome_make(const struct kith__order *o, uint64_t head, struct kith__message *m);

void kith__order_free(struct kith__order *o);

#endif
