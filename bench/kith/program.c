/* program: the least that a program with a pool does, to be timed from outside: a pool of 4, 4 tasks, end. */
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

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(4);
    kith_map(pool, square, in, out, 4);
    kith_pool_close(pool);
    if (out[0] + out[1] + out[2] + out[3] != 30)
        die("a wrong result");
    return kith_finalize();
}
