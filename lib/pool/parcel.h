/* parcel.h: a job, a grant of it, and what comes back, as bytes for another node.
 *
 * They are in the order of this machine, and as its compiler lays them out: the nodes of a job run one
 * program. But whoever reads them checks each size against the bytes that there are, and against the job
 * that they are of: what comes from elsewhere is no reason to read or write beyond an end.
 *
 *     job       head, context of the call
 *     grant     head, arguments of its units; of a job with an order which element each is: uint64_t; a small
 *               job that the node does not know yet
 *     grant     of a row: head, what its item is, argument of that; several stand side by side
 *     result    head, results of its units that were done, faults: each a head and a text; likewise
 *
 * Results of any size are the size of each one, uint64_t, and then their bytes, side by side.
 */
#ifndef KITH_PARCEL_H
#define KITH_PARCEL_H

#include "kith.h"
#include "pool/grant.h"

struct kith__parcel_job {
    uint64_t seq;  /* which job of its pool, */
    uint32_t post; /* and where it is posted */
    uint32_t kind, shape, tries, in_place, ordered;
    int32_t halt;
    uint32_t spare;
    uint64_t n, units, chunk, in_size, out_size, call, arg_size;
    struct kith__token fn;
    char name[64];
};

struct kith__parcel_grant {
    uint64_t seq;
    struct kith__grant grant;
    uint64_t root; /* of the job: see turn.h */
    uint32_t post;
    uint32_t is_item;   /* of a row: how many grants stand here, this one and those behind it; else 0 */
    int32_t priority;   /* of the job */
    uint32_t described; /* bytes of the job's description, at the end; 0: it does not come along */
};

struct kith__parcel_item {
    uint64_t number; /* for its random numbers */
    uint64_t in_size, out_size;
    uint32_t kind, shape, tries, spare;
    struct kith__token fn;
    char name[64];
} __attribute__((aligned(64))); /* so that its argument is as aligned as in a block */

struct kith__parcel_result {
    uint64_t seq, epoch;
    uint64_t done;  /* units, from its first one on */
    uint64_t tries; /* of the first that was not */
    uint64_t size;  /* of the results */
    uint32_t post, faults;
    uint64_t length; /* bytes of all of it, where others follow; 0: it is the last one */
    uint64_t spare;
};

/* Arguments and results stand behind these: where a block begins with one, they are as aligned as there. */
_Static_assert(sizeof(struct kith__parcel_grant) == 64 && sizeof(struct kith__parcel_result) == 64,
               "what is aligned in a block is so behind a head");

struct kith__parcel_fault { /* of one of the units that were done */
    uint64_t unit;          /* from the first of the grant */
    int32_t end, code, signal, pid, worker;
    uint32_t text_size; /* bytes behind it, without a 0 at their end */
};

/* ---- the home: a job that nobody changes any more, and what comes back */

/* Size of the bytes of j, which write puts at to. */
uint64_t kith__parcel_job_size(const struct kith__job *j);
void kith__parcel_write_job(struct kith__job *j, uint32_t post, void *to);

/* Likewise for a grant, whose units lie side by side. */
uint64_t kith__parcel_grant_size(const struct kith__job *j, const struct kith__grant *g);
uint64_t kith__parcel_unit_size(const struct kith__job *j); /* what each unit adds to that; of no row */
void kith__parcel_write_grant(const struct kith__job *j, uint32_t post, const struct kith__grant *g,
                              void *to);
/* Of a row: the first of so many that stand side by side, each in a room of its own. */
void kith__parcel_say_items(void *grant, uint32_t count);
static inline uint64_t kith__parcel_item_room(uint64_t size)
{
    return (size + 63) & ~UINT64_C(63);
}
/* Adds the job to such a grant, for which there is room behind its size. Of no row. */
void kith__parcel_add_job(struct kith__job *j, uint32_t post, void *grant, uint64_t size);

/* The head of a result, for who looks for its job then. 0; KITH_EPEER: no such bytes. */
int kith__parcel_read_result(const void *bytes, uint64_t size, struct kith__parcel_result *r);
static inline uint64_t kith__parcel_result_length(const struct kith__parcel_result *r, uint64_t size)
{
    return r->length ? r->length : size;
}
/* 0: all of it makes sense for that grant of j, and these may be used; KITH_EPEER. */
int kith__parcel_check_result(const struct kith__job *j, const struct kith__grant *g, const void *bytes,
                              uint64_t size);
const void *kith__parcel_results(const void *bytes); /* of the units that were done */
struct kith__parcel_faults {
    const char *at;
    uint32_t left;
};
struct kith__parcel_faults kith__parcel_faults(const void *bytes);
/* Of results of any size: that of the unit-th one, and where its bytes are; *at: 0 before the first, then as
 * the last call left it. */
const void *kith__parcel_result_of(const void *bytes, uint64_t unit, uint64_t *at, uint64_t *size);
/* The next one. 1; 0: there are no more. *text: its bytes, which no 0 ends. */
int kith__parcel_next_fault(struct kith__parcel_faults *faults, struct kith__parcel_fault *f,
                            const char **text);

/* ---- the other node */

/* *arg: the context, NULL when there is none. 0; KITH_EPEER. */
int kith__parcel_read_job(const void *bytes, uint64_t size, struct kith__parcel_job *job, const void **arg);
/* The head of a grant, for who looks whether it knows its job; and all of it, with *in: the arguments. */
int kith__parcel_read_grant(const void *bytes, uint64_t size, struct kith__parcel_grant *g);
int kith__parcel_check_grant(const struct kith__parcel_job *job, const void *bytes, uint64_t size,
                             const void **in);
/* The job that came along, as bytes for kith__parcel_read_job; NULL: there is none. */
const void *kith__parcel_described(const void *bytes, uint64_t size, uint64_t *job_size);
/* Of one that was checked: which element each unit is; NULL: the one of its number. */
const void *kith__parcel_elements(const struct kith__parcel_job *job, const void *bytes);

/* The next one of several grants of a row in size bytes: *at: 0 before the first, then as the last call left
 * it; *its: its own size. NULL: there is none any more, or what stands there is none. */
const void *kith__parcel_next_item(const void *bytes, uint64_t size, uint64_t *at, uint64_t *its);
/* Of a grant of a row. 0, and *in: its argument; KITH_EPEER. */
int kith__parcel_read_item(const void *bytes, uint64_t size, struct kith__parcel_item *item, const void **in);

/* Size of the bytes of a result without faults, and of one of these. The caller writes them one behind the
 * other. Of results of any size, their place in memory is meant: a kith_bytes each. */
uint64_t kith__parcel_result_size(const struct kith__parcel_job *job, uint64_t done);
uint64_t kith__parcel_fault_size(uint32_t text_size);

/* Results of any size: the size of each, and then their bytes. */
uint64_t kith__parcel_bytes_size(const kith_bytes *list, uint64_t n);
void kith__parcel_write_bytes(const kith_bytes *list, uint64_t n, char *to);

#endif
