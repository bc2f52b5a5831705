/* powers: x to the power of y for a few pairs, in two ways: starmap waits for all; one
 * apply_async a pair does not, and keeps its own result until somebody asks for it.
 *
 *     ./powers
 *     mpirun -n 4 ./powers
 */
#include <kith.h>
#include <math.h>
#include <stdio.h>

static void print_list(const char *how, const double *list)
{
    printf("%s: %.0f %.0f %.0f %.0f %.0f\n", how, list[0], list[1], list[2], list[3], list[4]);
}

int main(int argc, char **argv)
{
    double pairs[][2] = { { 1, 3 }, { 2, 3 }, { 3, 3 }, { 4, 3 }, { 5, 3 } }, powers[5];
    kith_result results[5];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(4);
    kith_starmap(pool, pow, pairs, powers, 5);
    print_list("starmap", powers);
    for (int i = 0; i < 5; i++)
        results[i] = kith_apply_async(pool, pow, pairs[i][0], pairs[i][1]);
    for (int i = 0; i < 5; i++)
        kith_get(results[i], &powers[i]);
    print_list("apply_async", powers);
    kith_pool_close(pool);
    return kith_finalize();
}
