/* lock: a Lock: million acquire-and-release a second, with one addition inside, by one process (alone) and by
 * two (contended); an RLock that its owner takes twice each time, likewise (rlock, rlock2); and how much
 * longer than the mean the longest of all waits was when 64 processes take the Lock again and again (fair).
 */
#include "config.h"

#include "../bench.h"
#include "kith.h"

#include <stdlib.h>

enum { ALONE = 1000000, CONTENDED = 1000000, MANY = 64, TURNS = 100 };

struct role {
    kith_lock lock;
    kith_rlock rlock;
    kith_queue waits;
    long *value;
    int rounds;
};

static int adds(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < r->rounds; i++) {
        kith_lock_acquire(r->lock, KITH_FOREVER);
        *r->value += 1;
        kith_lock_release(r->lock);
    }
    return 0;
}

static int adds_two_deep(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < r->rounds; i++) {
        kith_rlock_acquire(r->rlock, KITH_FOREVER);
        kith_rlock_acquire(r->rlock, KITH_FOREVER);
        *r->value += 1;
        kith_rlock_release(r->rlock);
        kith_rlock_release(r->rlock);
    }
    return 0;
}

/* By one process, and by two at a time, which is said under the second key. */
static void time_adding(kith_target *fn, struct role *r, const char *alone, const char *contended)
{
    double start;
    kith_process p;

    *r->value = 0;
    r->rounds = ALONE;
    start = now();
    fn(r);
    say(alone, 1e-6 * ALONE / (now() - start));
    r->rounds = CONTENDED;
    start = now();
    p = kith_process_start(fn, KITH_ARG(*r));
    fn(r);
    kith_process_join(p, KITH_FOREVER);
    say(contended, 2e-6 * CONTENDED / (now() - start));
    if (*r->value != ALONE + 2L * CONTENDED)
        die("an addition is lost");
}

/* Holds it for some 20 us, and tells how long it has waited for it: longest, sum. */
static int takes_turns(const void *arg)
{
    const struct role *r = arg;
    double waits[2] = { 0, 0 };

    for (int i = 0; i < r->rounds; i++) {
        double begin = now(), got;

        kith_lock_acquire(r->lock, KITH_FOREVER);
        got = now();
        waits[1] += got - begin;
        waits[0] = got - begin > waits[0] ? got - begin : waits[0];
        while (now() - got < 20e-6)
            ;
        kith_lock_release(r->lock);
    }
    return kith_put(r->waits, waits);
}

static double unfairness(const struct role *r)
{
    kith_process p[MANY];
    double longest = 0, sum = 0, waits[2];

    kith_lock_acquire(r->lock, KITH_FOREVER); /* until all are there */
    for (int i = 0; i < MANY; i++)
        p[i] = kith_process_start(takes_turns, r, sizeof *r);
    kith_lock_release(r->lock);
    for (int i = 0; i < MANY; i++) {
        kith_process_join(p[i], KITH_FOREVER);
        kith_get(r->waits, &waits);
        longest = waits[0] > longest ? waits[0] : longest;
        sum += waits[1];
    }
    return longest / (sum / (MANY * r->rounds));
}

int main(int argc, char **argv)
{
    struct role r = { 0 };

    kith_init(&argc, &argv);
    r.lock = kith_lock_open();
    r.rlock = kith_rlock_open();
    r.waits = kith_queue_open(0);
    r.value = kith_alloc(sizeof *r.value);
    time_adding(adds, &r, "alone", "contended");
    time_adding(adds_two_deep, &r, "rlock", "rlock2");
    r.rounds = TURNS;
    say("fair", unfairness(&r));
    return kith_finalize();
}
