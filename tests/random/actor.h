/* actor.h: what the actors of test_random_calls draw: numbers, and handles of any kind. */
#ifndef RANDOM_ACTOR_H
#define RANDOM_ACTOR_H

#include "../check.h"
#include "../chaos/dice.h"
#include "base/error.h"
#include "base/handle.h"

#include <stdatomic.h>

#if defined __SANITIZE_THREAD__
enum { THREADS_ONLY = 1 }; /* it does not see what they have through other processes */
#else
enum { THREADS_ONLY = 0 };
#endif

enum { EACH = 4 }; /* handles of each thing */
enum { LARGEST = 10000, MOST_MS = 3 };

enum thing {
    QUEUE,
    SORTED,
    PIPE,
    SEM,
    LOCK,
    RLOCK,
    EVENT,
    COND,
    BARRIER,
    VALUE,
    ARRAY,
    DICT,
    LIST,
    NS,
    SHARE,
    PROCESS,
    POOL,
    RESULT,
    ITER,
    THINGS
};

struct actor {
    kith_array table; /* of handles: 'l' [THINGS * EACH] */
    struct dice dice;
    double until; /* kith_time() */
    int is_task;  /* it calls no pools: two of them could wait for each other */
    unsigned char bytes[LARGEST];
};

static inline uint64_t draw(struct actor *a, uint64_t sides)
{
    return roll(&a->dice, sides);
}

static inline int timeout(struct actor *a)
{
    return draw(a, 40) == 0 ? -7 : (int)draw(a, MOST_MS + 1);
}

static inline size_t size(struct actor *a)
{
    static const size_t sizes[] = { 0, 1, 4, 8, 8, 8, 10, 16, 33, LARGEST };

    return sizes[draw(a, sizeof sizes / sizeof sizes[0])];
}

static inline int type(struct actor *a)
{
    return "ilfdbsq\0\xff"[draw(a, 9)];
}

static inline int64_t number(struct actor *a)
{
    static const int64_t numbers[] = { 0, 1, -1, 2, 15, 16, -17, 100, INT32_MAX, INT64_MIN, INT64_MAX };

    return numbers[draw(a, sizeof numbers / sizeof numbers[0])];
}

/* A result, or a code of kith.h. */
static inline void seen(int64_t rc, const char *call)
{
    int ok =
        rc >= 0 || (rc >= KITH_EMISSING && rc <= KITH_ETIMEDOUT) || (rc >= KITH_EOWNER && rc <= KITH_EINVAL);

    if (ok)
        return;
    fprintf(stderr, "\n    %s gives %lld: %s\n", call, (long long)rc, kith_last_error());
    _exit(3);
}

#define TRY(call) seen((int64_t)(call), #call)

/* ---- handles */

static inline uint64_t any_number(struct actor *a)
{
    uint64_t high = draw(a, 1 << 16);

    return high << 48 | draw(a, UINT64_C(1) << 48);
}

/* Results and Iterators are good in one process, which therefore knows its own. */
static _Atomic uint64_t own[2][EACH];

/* What stands in the table for it: it may have been closed long ago. */
static inline uint64_t known(struct actor *a, enum thing what)
{
    int64_t id = 0;

    if (what >= RESULT && what < THINGS && draw(a, 4) > 0)
        return own[what - RESULT][draw(a, EACH)];
    if (kith_array_load(a->table, 'l', what * EACH + draw(a, EACH), &id, 1) < 0)
        return any_number(a); /* somebody has hit the table itself */
    return (uint64_t)id;
}

static inline uint64_t some(struct actor *a, enum thing what)
{
    switch (draw(a, 20)) {
    case 0: return 0;
    case 1: return kith__failed_handle(KITH_ESIZE);
    case 2: return any_number(a);
    case 3:
        return known(a, what) ^ (draw(a, 2) ? UINT64_C(1) << draw(a, 64)
                                            : UINT64_C(0xff00) << 32); /* a slot that was never in use */
    case 4: return known(a, what) ^ (1 + draw(a, 7)) << 48;            /* of another node */
    case 5:
    case 6: return known(a, (enum thing)draw(a, THINGS));
    default: return known(a, what);
    }
}

#define SOME(a, type, what) ((type){ some(a, what) })

#endif
