/* sem: a Semaphore: million acquire-and-release a second by one process (alone) and by two on one unit
 * (contended), and the microseconds of a hand-over between two processes that take turns. */
#include "config.h"

#include "../bench.h"
#include "kith.h"

enum { ALONE = 1000000, CONTENDED = 300000, TURNS = 100000 };

struct role {
    kith_sem mine, other;
    int rounds;
};

static int uses(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < r->rounds; i++) {
        kith_sem_acquire(r->mine, KITH_FOREVER);
        kith_sem_release(r->mine);
    }
    return 0;
}

static int takes_turns(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < r->rounds; i++) {
        kith_sem_acquire(r->mine, KITH_FOREVER);
        kith_sem_release(r->other);
    }
    return 0;
}

static double seconds(kith_target *fn, const struct role *here, const struct role *there)
{
    double start = now();
    kith_process p = kith_process_start(fn, there, sizeof *there);
    int code = 1;

    fn(here);
    kith_process_join(p, KITH_FOREVER);
    start = now() - start;
    kith_process_exitcode(p, &code);
    if (code != 0)
        die("a Process has failed");
    return start;
}

int main(int argc, char **argv)
{
    struct role one = { { 0 }, { 0 }, ALONE }, two;
    double start;

    kith_init(&argc, &argv);
    one.mine = kith_sem_open(1);
    start = now();
    uses(&one);
    say("alone", 1e-6 * ALONE / (now() - start));
    one.rounds = CONTENDED;
    say("contended", 2e-6 * CONTENDED / seconds(uses, &one, &one));
    if (kith_sem_value(one.mine) != 1)
        die("a unit is lost or doubled");
    one = (struct role){ kith_sem_open(1), kith_sem_open(0), TURNS };
    two = (struct role){ one.other, one.mine, TURNS };
    say("handover", 1e6 * seconds(takes_turns, &one, &two) / (2 * TURNS));
    return kith_finalize();
}
