/* product: kith_starmap is for functions with two or three arguments. Each row of
 * the array holds the arguments of one call.
 *
 *     ./product
 *     mpirun -n 4 ./product
 */
#include <kith.h>
#include <stdio.h>

static int product(int a, int b)
{
    return a * b;
}

int main(int argc, char **argv)
{
    int pairs[][2] = { { 1, 3 }, { 5, 9 }, { 2, 3 }, { 4, 5 }, { 10, 30 }, { 5, 7 } };
    int products[6];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(4);
    kith_starmap(pool, product, pairs, products, 6);
    kith_pool_close(pool);
    for (int i = 0; i < 6; i++)
        printf("%d x %d = %d\n", pairs[i][0], pairs[i][1], products[i]);
    return kith_finalize();
}
