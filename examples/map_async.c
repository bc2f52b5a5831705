/* map_async: a map that goes on while the program does something else. The results are
 * in the array when kith_result_get returns.
 *
 *     ./map_async
 *     mpirun -n 4 ./map_async
 */
#include <kith.h>
#include <stdio.h>

static int f(int x)
{
    return x * x;
}

int main(int argc, char **argv)
{
    int x[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, squares[10];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(4);
    kith_result result = kith_map_async(pool, f, x, squares, 10);
    printf("main does something else\n");
    kith_result_get(result, NULL, 0, KITH_FOREVER);
    for (int i = 0; i < 10; i++)
        printf("%d%s", squares[i], i < 9 ? " " : "\n");
    kith_pool_close(pool);
    return kith_finalize();
}
