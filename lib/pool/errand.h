/* errand.h: a grant that a foreman has given to its branch: it runs as a part of its job, or, of a row, as a
 * call of one task. Each is one thread's, from the claim to the answer. */
#ifndef KITH_ERRAND_H
#define KITH_ERRAND_H

#include "pool/answer.h"
#include "pool/call.h"
#include "pool/known.h"

struct kith__errand {
    KITH__LINK(struct kith__errand) link;
    struct kith__known *of; /* of an item it is its own */
    struct kith__call call;
    uint64_t units, first; /* first: of an item 0: it is the only task of its call */
    const void *in, *elements;
    uint64_t touch, epoch;            /* of an item: how it is asked for */
    uint64_t looked;                  /* news after which it was */
    int is_item, posted, ended, over; /* ended: all of its units, or it was given up: it is being answered */
    struct kith__feed *feed;          /* of one of a batch: what has it, and its unit there; else NULL */
    uint64_t unit;
};

struct kith__hand { /* a thread's own */
    struct kith__crew *of;
    struct kith__buffer in, out, bytes; /* bytes: of results of any size */
    struct kith__buffer came; /* what a grant came in, when that is large; else it is copied to in */
    struct kith__batch *batch;
    uint64_t owed; /* bytes of carried.results, which go with the next claim if that is due at once */
    struct {       /* a claim */
        struct kith__deal deal;
        char results[KITH__CARRIED_MOST];
    } carried;
    uint32_t rides; /* how often there were some that might go so */
    uint64_t news;  /* the last that was known when it claimed */
};

/* Where the grant lies that has come last. */
static inline struct kith__buffer *kith__hand_grant(struct kith__hand *h)
{
    return h->came.block ? &h->came : &h->in;
}

/* What size bytes of a grant say is to be done, and with what: these stay as they are until _done. 0, or a
 * code. */
int kith__errand_read(struct kith__crew *crew, struct kith__errand *r, const struct kith__parcel_grant *g,
                      const char *bytes, uint64_t size);
/* Runs it in the branch, and answers. 0; or the branch is no more. */
int kith__errand_run(struct kith__errand *r, const struct kith__parcel_grant *g, struct kith__hand *h);
void kith__errand_done(struct kith__crew *crew, const struct kith__errand *r); /* of no list any more */

/* 1: nobody wants that item of a row any more, says the home. And it is to be ended, if it is still under way
 * (locked). */
int kith__errand_is_given_up(struct kith__crew *crew, uint64_t touch, uint64_t epoch);
void kith__errand_end_item(struct kith__crew *crew, uint64_t epoch);

#endif
