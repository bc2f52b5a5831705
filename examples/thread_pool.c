/* thread_pool: a pool of threads. Its tasks see the program's globals as they are now,
 * and main sees what they write: here a table that main has filled after kith_init, and
 * counters, which several tasks change at the same time and which therefore are atomic.
 *
 *     ./thread_pool
 *     mpirun -n 4 ./thread_pool
 */
#include <kith.h>
#include <stdatomic.h>
#include <stdio.h>

enum { LIMIT = 100000 };

static int smallest[LIMIT + 1]; /* prime factor */
static atomic_int count[20];

static int prime_factors(int n)
{
    int factors = 0;

    for (; n > 1; n /= smallest[n])
        factors++;
    count[factors]++;
    return factors;
}

int main(int argc, char **argv)
{
    static int in[LIMIT], out[LIMIT];

    kith_init(&argc, &argv);
    for (int i = 2; i <= LIMIT; i++)
        for (int n = i; n <= LIMIT; n += i)
            if (smallest[n] == 0)
                smallest[n] = i;
    for (int i = 0; i < LIMIT; i++)
        in[i] = i + 1;

    kith_pool pool = kith_pool_open_with(4, .threads = 1);

    kith_map(pool, prime_factors, in, out, LIMIT);
    printf("1024 has %d prime factors\n", out[1023]);
    for (int i = 1; i < 17; i++)
        printf("%5d numbers up to %d have %d\n", count[i], LIMIT, i);
    kith_pool_close(pool);
    return kith_finalize();
}
