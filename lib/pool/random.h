/* random.h: which sequence of random numbers a thread draws from.
 *
 * A stream is named by what it is for: (kind, number), and inside a job by the index of the task.
 * It is Philox4x32-10 with a key of its own, made from the seed and its name, over the
 * counter (index, draws so far): nothing is handed out, so nothing depends on who runs what. */
#ifndef KITH_RANDOM_H
#define KITH_RANDOM_H

#include <stdatomic.h>
#include <stdint.h>

/* Kinds of streams, with what their number is; at most 16. */
enum {
    KITH__STREAM_RANK,    /* main of a rank: 0 is the head */
    KITH__STREAM_PROCESS, /* which Process of the job */
    KITH__STREAM_TASK,    /* which call of the job; each task has its index */
    KITH__STREAM_WORKER   /* a worker outside of tasks: its pool and its number there */
};

/* The seed: KITH_SEED, else kith_seed's, else one from the kernel. This thread draws (KITH__STREAM_RANK, 0).
 * 0; KITH_EINVAL: KITH_SEED is no number. */
int kith__random_init(void);
/* In a job that of its tables: children have it from there, as it may come after the fork server was forked.
 */
uint64_t kith__random_seed(void);
void kith__random_set_seed(uint64_t seed); /* and in the tables, where there are some */

/* From now on this thread draws the stream (kind, number < 2^60), from its start. With index, which
 * stays readable as long: the stream of task *index, each from its start. Without: other threads of this
 * process draw relatives of it. */
void kith__random_seek(uint32_t kind, uint64_t number, const _Atomic uint64_t *index);

/* In a part of a job, whose task *index is that of number first + *index there. */
void kith__random_seek_task(uint64_t call, const _Atomic uint64_t *index, uint64_t first);

/* Where this thread is in which stream: kept by who runs tasks inside a task, and put back. */
struct kith__stream {
    uint64_t key, index;
    uint64_t draws;  /* from index; two a block */
    uint64_t second; /* of the last block */
    uint32_t epoch;  /* of the seed that key was made with; 0: nothing drawn yet */
    uint32_t placed;
    const _Atomic uint64_t *at; /* the task's index is *at + first; NULL: index is fixed */
    uint64_t first;
    uint64_t name; /* kind << 60 | number */
};
void kith__random_save(struct kith__stream *stream);
void kith__random_restore(const struct kith__stream *stream);

/* srand, srandom and srand48 from all bits of seed. */
void kith__random_reseed_libc(uint64_t seed);

/* One block of the generator. */
void kith__random_block(uint64_t key, uint64_t index, uint64_t block, uint64_t out[2]);

#endif
