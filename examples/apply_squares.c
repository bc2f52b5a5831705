/* apply_squares: one call after the other by a worker of a pool, each of which main
 * waits for; and all of them in one call, which the workers share. Both leave the
 * results in order.
 *
 *     ./apply_squares
 *     mpirun -n 4 ./apply_squares
 */
#include <kith.h>
#include <stdio.h>

static int square(int x)
{
    return x * x;
}

static void print_list(const char *title, const int *x)
{
    printf("%s: %d %d %d %d %d %d\n", title, x[0], x[1], x[2], x[3], x[4], x[5]);
}

int main(int argc, char **argv)
{
    int x[] = { 1, 2, 3, 4, 5, 6 }, results[6];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(4);

    for (int i = 0; i < 6; i++)
        kith_apply(pool, square, &results[i], x[i]);
    print_list("apply", results);
    kith_map(pool, square, x, results, 6);
    print_list("map", results);
    kith_pool_close(pool);
    return kith_finalize();
}
