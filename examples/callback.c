/* callback: a call that reports its end by a function, which a thread of kith's in this
 * process calls. kith_pool_close returns after it.
 *
 *     ./callback
 *     mpirun -n 4 ./callback
 */
#include <kith.h>
#include <math.h>
#include <stdio.h>

static void ended(kith_result result, void *arg)
{
    double *powers = arg;

    if (kith_result_successful(result) == 1)
        printf("%.0f %.0f %.0f\n", powers[0], powers[1], powers[2]);
}

int main(int argc, char **argv)
{
    double pairs[][2] = { { 2, 3 }, { 3, 4 }, { 10, 2 } }, powers[3];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(0);
    kith_result result = kith_starmap_async(pool, pow, pairs, powers, 3);

    kith_result_notify(result, ended, powers);
    kith_pool_close(pool);
    kith_result_drop(result);
    return kith_finalize();
}
