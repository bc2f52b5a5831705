/* own.h: what each thread has of its own and what is too large for thread-local storage.
 *
 * All libraries that a process loads by dlopen, and whose variables of threads must lie in static storage,
 * share some 1.6 KiB of it. libkith takes as little of that as it can: all its variables together are a few
 * pointers and counters (tests/embed.sh sets the limit), and in return all are of the model initial-exec, the
 * quickest. The rest lies in the blocks below, which come into being when they are first used, and end with
 * their thread.
 */
#ifndef KITH_OWN_H
#define KITH_OWN_H

#include <stddef.h>

enum kith__own {
    KITH__OWN_SENTENCE, /* of the last failure */
    KITH__OWN_WORDS,    /* of kith_fail */
    KITH__OWN_TOKENS,   /* of the functions that it used last */
    KITH__OWN_FAULTS,   /* of its last call that had some */
    KITH__OWN_COUNT
};

enum { KITH__OWN_TEXT = 1024 };

extern _Thread_local void *kith__owned[KITH__OWN_COUNT + 2]; /* NULL: not yet */
#define kith__own_logs kith__owned[KITH__OWN_COUNT] /* not NULL: it is in the handler of kith_log_to */
/* Not NULL: it is a worker of a pool by itself, so faults are codes there, also in the head. See worker.c. */
#define kith__own_role kith__owned[KITH__OWN_COUNT + 1]

/* The block, of size bytes that are 0 when it is made. NULL: there is no memory. */
void *kith__own(enum kith__own what, size_t size);

/* A block of KITH__OWN_TEXT bytes. Never NULL: when there is no memory, which is what the text may be about,
 * threads share one. */
char *kith__own_text(enum kith__own what);

/* Takes block (of malloc; NULL: none) in place of the present one, which is freed. */
void kith__own_replace(enum kith__own what, void *block);

#endif
