/* value: million adds a second to one Value, by one process (alone) and by two (contended), by two that take
 * its lock, load it and store it (locked); and by one to an element of an Array (array). */
#include "config.h"

#include "../bench.h"
#include "kith.h"

enum { ALONE = 5000000, CONTENDED = 3000000, LOCKED = 500000 };

struct role {
    kith_value v;
    int rounds;
};

static int adds(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < r->rounds; i++)
        kith_add(r->v, 1L);
    return 0;
}

static int locks(const void *arg)
{
    const struct role *r = arg;
    long x;

    for (int i = 0; i < r->rounds; i++) {
        kith_value_lock(r->v, KITH_FOREVER);
        kith_load(r->v, &x);
        kith_store(r->v, x + 1);
        kith_value_unlock(r->v);
    }
    return 0;
}

static double seconds(kith_target *fn, const struct role *r)
{
    double start = now();
    kith_process p = kith_process_start(fn, r, sizeof *r);
    int code = 1;

    fn(r);
    kith_process_join(p, KITH_FOREVER);
    start = now() - start;
    kith_process_exitcode(p, &code);
    if (code != 0)
        die("a Process has failed");
    return start;
}

static double array_seconds(void)
{
    kith_array a = kith_array_open('l', 8);
    double start = now();

    for (int i = 0; i < ALONE; i++)
        kith_add_at(a, 3, 1L);
    start = now() - start;
    kith_array_close(a);
    return start;
}

int main(int argc, char **argv)
{
    struct role r = { { 0 }, ALONE };
    double start;
    long sum = 0;

    kith_init(&argc, &argv);
    r.v = kith_value_of(0L);
    start = now();
    adds(&r);
    say("alone", 1e-6 * ALONE / (now() - start));
    r.rounds = CONTENDED;
    say("contended", 2e-6 * CONTENDED / seconds(adds, &r));
    say("array", 1e-6 * ALONE / array_seconds());
    r.rounds = LOCKED;
    say("locked", 2e-6 * LOCKED / seconds(locks, &r));
    kith_load(r.v, &sum);
    if (sum != ALONE + 2 * CONTENDED + 2 * LOCKED)
        die("an add is lost");
    return kith_finalize();
}
