/* apply_async: the cubes of 1 to 6, each by a call that does not wait. The loop that
 * begins them is over before the first of them is done; the loop that takes the results
 * waits for each in turn.
 *
 *     ./apply_async
 *     mpirun -n 4 ./apply_async
 */
#include <kith.h>
#include <stdio.h>

static int cube(int x)
{
    return x * x * x;
}

int main(int argc, char **argv)
{
    kith_result results[6];
    int y;

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(0);
    for (int x = 1; x <= 6; x++)
        results[x - 1] = kith_apply_async(pool, cube, x);
    for (int x = 1; x <= 6; x++) {
        kith_get(results[x - 1], &y);
        printf("%d\n", y);
    }
    kith_pool_close(pool);
    return kith_finalize();
}
