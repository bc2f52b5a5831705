/* named: shared memory by name: microseconds until a name has its 64 KiB and all of them were written (make),
 * and until somebody who asks by the name has the address (find); medians. */
#include "config.h"

#include "../bench.h"
#include "kith.h"

#include <string.h>

enum { TIMES = 1000, SIZE = 64 << 10 };

static double took[2][TIMES];

static void *timed(const char *name, int fill, double *us)
{
    double start = now();
    char *p = kith_alloc_named(name, SIZE);

    if (!p)
        die("no memory");
    if (fill)
        memset(p, 1, SIZE);
    *us = 1e6 * (now() - start);
    return p;
}

int main(int argc, char **argv)
{
    char name[32];

    kith_init(&argc, &argv);
    for (int i = 0; i < TIMES; i++) {
        void *p;

        snprintf(name, sizeof name, "part %d", i);
        p = timed(name, 1, &took[0][i]);
        if (timed(name, 0, &took[1][i]) != p)
            die("another address");
        kith_free(p);
    }
    say("make", quantile(took[0], TIMES, 0.5));
    say("find", quantile(took[1], TIMES, 0.5));
    return kith_finalize();
}
