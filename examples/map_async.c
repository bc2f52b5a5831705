/* map_async: a map that goes on while the program does something else; then x**y for
 * pairs, in the same way. One call reports its end by a function.
 *
 *     ./map_async
 *     mpirun -n 4 ./map_async
 */
#include "args.h"

#include <kith.h>
#include <math.h>
#include <stdio.h>

static int square(int x)
{
    return x * x;
}

static void ended(kith_result r, void *arg)
{
    *(int *)arg = kith_result_successful(r);
}

static void print_list(const int *list, int n)
{
    for (int i = 0; i < n; i++)
        printf("%d%s", list[i], i < n - 1 ? " " : "\n");
}

int main(int argc, char **argv)
{
    int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, squares[10], well = 0;
    double pairs[][2] = { { 2, 3 }, { 3, 4 }, { 10, 2 } }, powers[3];

    kith_init(&argc, &argv);
    args_none(argc, argv);
    kith_pool pool = kith_pool_open(0);
    kith_result r = kith_map_async(pool, square, numbers, squares, 10);
    kith_result s = kith_starmap_async(pool, pow, pairs, powers, 3);
    kith_result_notify(s, ended, &well);
    printf("main does something else\n");
    kith_result_get(r, NULL, 0, KITH_FOREVER);
    print_list(squares, 10);
    kith_pool_close(pool);
    printf("%.0f %.0f %.0f, %s\n", powers[0], powers[1], powers[2], well ? "all well" : "some failed");
    kith_result_drop(s);
    return kith_finalize();
}
