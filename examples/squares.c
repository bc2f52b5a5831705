/* squares: a loop, and the same loop done by the workers of a pool, each of which
 * says what it did. They work at the same time, so their lines come in any order,
 * but the results stand where they belong.
 *
 *     ./squares
 *     mpirun -n 4 ./squares
 */
#include <kith.h>
#include <stdio.h>

static int square(int n)
{
    if (kith_worker() >= 0)
        printf("worker %d squares %d\n", kith_worker(), n);
    return n * n;
}

static void print_list(const char *title, const int *x)
{
    printf("%s: %d %d %d %d %d\n", title, x[0], x[1], x[2], x[3], x[4]);
}

int main(int argc, char **argv)
{
    int list[] = { 1, 2, 3, 4, 5 }, squares[5];

    kith_init(&argc, &argv);
    for (int i = 0; i < 5; i++)
        squares[i] = square(list[i]);
    print_list("loop", squares);

    kith_pool pool = kith_pool_open(0);
    kith_map(pool, square, list, squares, 5);
    kith_pool_close(pool);
    print_list("pool", squares);
    return kith_finalize();
}
