/* apply_squares: one call after the other by a worker of a pool, each of which main
 * waits for; and all of them in one call, which the workers share. Both leave the
 * results in order.
 *
 *     ./apply_squares
 *     mpirun -n 4 ./apply_squares
 */
#include "args.h"

#include <kith.h>
#include <stdio.h>

static int square(int x)
{
    return x * x;
}

static void print_list(const char *title, const int *list, int n)
{
    printf("%s:", title);
    for (int i = 0; i < n; i++)
        printf(" %d", list[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    int x[] = { 1, 2, 3, 4, 5, 6 }, results[6];

    kith_init(&argc, &argv);
    args_none(argc, argv);
    kith_pool pool = kith_pool_open(4);

    for (int i = 0; i < 6; i++)
        kith_apply(pool, square, &results[i], x[i]);
    print_list("apply", results, 6);
    kith_map(pool, square, x, results, 6);
    print_list("map", results, 6);
    kith_pool_close(pool);
    return kith_finalize();
}
