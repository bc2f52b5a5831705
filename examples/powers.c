/* powers: x to the power of y for a few pairs, in three ways: starmap, which waits for
 * all; starmap_async, which does not, and whose results are in the array when it is
 * ready; and one apply_async a pair, each of which keeps its own result.
 *
 *     ./powers
 *     mpirun -n 4 ./powers
 */
#include "args.h"

#include <kith.h>
#include <math.h>
#include <stdio.h>

enum { PAIRS = 5 };

static void print_list(const char *how, const double *list)
{
    printf("%s:", how);
    for (int i = 0; i < PAIRS; i++)
        printf(" %.0f", list[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    double pairs[PAIRS][2] = { { 1, 1 }, { 2, 2 }, { 3, 3 }, { 4, 4 }, { 5, 5 } };
    double waited[PAIRS], later[PAIRS], each[PAIRS];
    kith_result all, results[PAIRS];

    kith_init(&argc, &argv);
    args_none(argc, argv);
    kith_pool pool = kith_pool_open(0);
    kith_starmap(pool, pow, pairs, waited, PAIRS);
    print_list("starmap", waited);
    all = kith_starmap_async(pool, pow, pairs, later, PAIRS);
    for (int i = 0; i < PAIRS; i++)
        results[i] = kith_apply_async(pool, pow, pairs[i][0], pairs[i][1]);
    kith_result_get(all, NULL, 0, KITH_FOREVER);
    print_list("starmap_async", later);
    for (int i = 0; i < PAIRS; i++)
        kith_get(results[i], &each[i]);
    print_list("apply_async", each);
    kith_pool_close(pool);
    return kith_finalize();
}
