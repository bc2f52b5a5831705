/* longest_first: how often numbers are halved or tripled until they are 1. What is known
 * beforehand, here the size of the number, tells the pool which tasks to begin first: the
 * long ones, so that none of them is left alone at the end. The results stay in order.
 *
 *     ./longest_first
 *     mpirun -n 4 ./longest_first
 */
#include <kith.h>
#include <stdio.h>

enum { N = 8 };

/* Of all numbers below limit the longest way. */
static long longest_way(long limit)
{
    long longest = 0;

    for (long i = 1; i < limit; i++) {
        long steps = 0;

        for (long x = i; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
            steps++;
        if (steps > longest)
            longest = steps;
    }
    return longest;
}

int main(int argc, char **argv)
{
    const long limit[N] = { 10, 100, 1000, 10000, 100000, 20, 200, 200000 };
    double costs[N];
    long longest[N];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(0);

    for (int i = 0; i < N; i++)
        costs[i] = (double)limit[i];
    kith_map_costs(pool, longest_way, limit, longest, N, costs);
    for (int i = 0; i < N; i++)
        printf("below %ld: %ld steps\n", limit[i], longest[i]);
    kith_pool_close(pool);
    return kith_finalize();
}
