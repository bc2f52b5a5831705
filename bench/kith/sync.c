/* sync: microseconds of a hand-over between two processes that take turns: by Events, by a
 * Condition, and by a Barrier of two (half a round). */
#include "config.h"

#include "../bench.h"
#include "kith.h"

enum { TURNS = 50000 };

struct role {
    kith_event mine, other;
    kith_cond cond;
    kith_barrier barrier;
    int *turn;
    int me;
};

static int by_events(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < TURNS; i++) {
        kith_event_wait(r->mine, KITH_FOREVER);
        kith_event_clear(r->mine);
        kith_event_set(r->other);
    }
    return 0;
}

static int is_my_turn(void *arg)
{
    const struct role *r = arg;

    return *r->turn == r->me;
}

static int by_condition(const void *arg)
{
    struct role r = *(const struct role *)arg;

    for (int i = 0; i < TURNS; i++) {
        kith_cond_acquire(r.cond, KITH_FOREVER);
        if (kith_cond_wait_for(r.cond, is_my_turn, &r, KITH_FOREVER) < 0)
            return 1;
        *r.turn = !r.me;
        kith_cond_notify(r.cond, 1);
        kith_cond_release(r.cond);
    }
    return 0;
}

static int by_barrier(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < TURNS; i++)
        if (kith_barrier_wait(r->barrier, KITH_FOREVER) < 0)
            return 1;
    return 0;
}

static double turn_us(kith_target *fn, const struct role *here, const struct role *there)
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
    return 1e6 * start / (2 * TURNS);
}

int main(int argc, char **argv)
{
    struct role a = { 0 }, b;

    kith_init(&argc, &argv);
    a.mine = kith_event_open();
    a.other = kith_event_open();
    a.cond = kith_cond_open();
    a.barrier = kith_barrier_open(2);
    a.turn = kith_alloc(sizeof *a.turn);
    *a.turn = 0;
    b = a;
    b.mine = a.other;
    b.other = a.mine;
    b.me = 1;
    kith_event_set(a.mine);
    say("event", turn_us(by_events, &a, &b));
    say("condition", turn_us(by_condition, &a, &b));
    say("barrier", turn_us(by_barrier, &a, &b));
    return kith_finalize();
}
