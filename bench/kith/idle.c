/* idle: a pool that has worked once and now waits; bench/run looks at its processes.
 *     idle SECONDS */
#include "config.h"

#include "../bench.h"
#include "kith.h"

static int square(int i)
{
    return i * i;
}

int main(int argc, char **argv)
{
    int in[4] = { 1, 2, 3, 4 }, out[4];
    struct timespec t = { 0 };

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(2);
    kith_map(pool, square, in, out, 4);
    t.tv_sec = (time_t)number(argc, argv, 1, 10);
    while (nanosleep(&t, &t))
        ;
    kith_pool_close(pool);
    return kith_finalize();
}
