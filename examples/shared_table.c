/* shared_table: main sieves the primes below a million, and tasks look them up in
 * place. The table is in memory of kith_alloc, so nothing is copied on this node; each
 * other node that looks into the table fetches one copy of it.
 *
 *     ./shared_table
 *     mpirun -n 4 ./shared_table
 */
#include <kith.h>
#include <stdio.h>
#include <string.h>

enum { N = 1000000 };

static void sieve(char *is_prime)
{
    memset(is_prime, 1, N);
    is_prime[0] = is_prime[1] = 0;
    for (int i = 2; i * i < N; i++)
        for (int k = i * i; is_prime[i] && k < N; k += i)
            is_prime[k] = 0;
}

static double count_twins(uint64_t lo, uint64_t hi, const void *arg)
{
    const kith_shared *table = arg;
    const char *is_prime = kith_shared_data(*table);
    int count = 0;

    for (uint64_t i = lo; i < hi; i++)
        count += is_prime[i] && is_prime[i + 2];
    return count;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    char *is_prime = kith_alloc(N);
    double twins;

    sieve(is_prime);
    kith_shared table = kith_share(is_prime, N);
    kith_pool pool = kith_pool_open_with(0, .nodes = -1);
    kith_sum(pool, count_twins, KITH_ARG(table), N - 2, &twins);
    printf("%.0f pairs of primes below %d are twins.\n", twins, N);
    kith_pool_close(pool);
    kith_shared_close(table);
    return kith_finalize();
}
