/* map_squares: x * x for 1 to 10 by a pool of four workers. The map returns when all
 * results are there; kith_pool_close waits for calls under way and ends the workers:
 * Python's close and join.
 *
 *     ./map_squares
 *     mpirun -n 4 ./map_squares
 */
#include <kith.h>
#include <stdio.h>

static int f(int x)
{
    return x * x;
}

int main(int argc, char **argv)
{
    int x[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, result[10];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(4);

    kith_map(pool, f, x, result, 10);
    for (int i = 0; i < 10; i++)
        printf("%d%s", result[i], i < 9 ? " " : "\n");
    kith_pool_close(pool);
    return kith_finalize();
}
