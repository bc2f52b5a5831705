/* kinds.c: a call of some kind, of an actor or of a task. */
#include "config.h"
#include "kinds.h"

#include <stdlib.h>

static int any_call(struct call *c, enum kind kind, int below, struct dice *d)
{
    switch (kind) {
    case INTS: map_ints(c, below, d); break;
    case LONGS: starmap_longs(c, below, d); break;
    case DOUBLES: map_doubles(c, below, d); break;
    case BYTES: map_bytes(c, below, d); break;
    case RANGE: range_call(c, below, d); break;
    case NOTHING: map_nothing(c, d); break;
    }
    free(c->actions);
    return c->rc;
}

void make_call(int pool, enum kind kind, struct dice *d)
{
    struct call c;

    if (choose_pool(&c, pool, -1))
        any_call(&c, kind, 0, d);
}

int make_call_below(int pool, int life, int no_deaths, struct dice *d)
{
    struct call c;
    int rc;

    if (!choose_pool(&c, pool, life))
        return 0;
    c.options.no_deaths = no_deaths; /* those would end its own worker */
    rc = any_call(&c, (enum kind)roll(d, 3), 1, d);
    return rc == KITH_ETASK ? 0 : rc;
}
