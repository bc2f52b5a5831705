/* dict: a Dict of a thousand keys, each with 8 bytes: million sets a second and million gets a second, by one
 * process (set, get), by two (set2, get2), by one that gets while another one sets (beside); and updates of
 * one entry by a function, by two (update). */
#include "config.h"

#include "../bench.h"
#include "kith.h"

#include <string.h>

enum { KEYS = 1000, SETS = 1000000, GETS = 3000000, UPDATES = 200000 };

struct role {
    kith_dict d;
    int rounds;
};

static int sets(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < r->rounds; i++) {
        long long key = i % KEYS, x = i;

        kith_dict_set(r->d, KITH_ARG(key), KITH_ARG(x));
    }
    return 0;
}

static int gets(const void *arg)
{
    const struct role *r = arg;
    long long x, sum = 0;

    for (int i = 0; i < r->rounds; i++) {
        long long key = i % KEYS;

        kith_dict_get(r->d, KITH_ARG(key), KITH_ARG(x));
        sum += x;
    }
    return sum == 0;
}

static int adds_one(struct kith_entry *e, void *arg)
{
    long long x = 0;

    (void)arg;
    memcpy(&x, e->value, e->size);
    x++;
    memcpy(e->value, &x, sizeof x);
    e->size = sizeof x;
    e->exists = 1;
    return 0;
}

static int updates(const void *arg)
{
    const struct role *r = arg;

    for (int i = 0; i < r->rounds; i++)
        kith_dict_update(r->d, KITH_TEXT("hits"), sizeof(long long), adds_one, NULL, KITH_FOREVER);
    return 0;
}

/* Until both have ended; of gets beside sets: until the gets have. */
static double seconds(kith_target *here, kith_target *there, const struct role *r)
{
    double start = now(), end;
    kith_process p = kith_process_start(there, r, sizeof *r);
    int code = 1;

    here(r);
    end = now();
    kith_process_join(p, KITH_FOREVER);
    if (here == there)
        end = now();
    kith_process_exitcode(p, &code);
    if (code != 0)
        die("a Process has failed");
    return end - start;
}

static double alone(kith_target *fn, const struct role *r)
{
    double start = now();

    fn(r);
    return now() - start;
}

int main(int argc, char **argv)
{
    struct role r = { { 0 }, SETS };
    long long hits = 0;

    kith_init(&argc, &argv);
    r.d = kith_dict_open();
    sets(&r);
    say("set", 1e-6 * SETS / alone(sets, &r));
    say("set2", 2e-6 * SETS / seconds(sets, sets, &r));
    r.rounds = GETS;
    say("get", 1e-6 * GETS / alone(gets, &r));
    say("get2", 2e-6 * GETS / seconds(gets, gets, &r));
    say("beside", 1e-6 * GETS / seconds(gets, sets, &r));
    r.rounds = UPDATES;
    say("update", 2e-6 * UPDATES / seconds(updates, updates, &r));
    kith_fetch(r.d, "hits", &hits);
    if (hits != 2LL * UPDATES)
        die("an update is lost");
    return kith_finalize();
}
