/* worker_state: each worker of a pool keeps a count of its own, without a lock; when the
 * pool is closed, its exit function adds it to the sum, once.
 *
 *     ./worker_state
 *     mpirun -n 4 ./worker_state
 */
#include <kith.h>
#include <stdio.h>

struct count {
    int tasks, primes;
};

static int is_prime(int n)
{
    struct count *mine = kith_worker_state(sizeof *mine);

    mine->tasks++;
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0)
            return 0;
    mine->primes += n > 1;
    return n > 1;
}

static int add_up(const void *arg)
{
    const struct count *mine = kith_worker_state(sizeof *mine);

    return kith_add(*(const kith_value *)arg, mine->primes);
}

int main(int argc, char **argv)
{
    int n[1000], prime[1000], primes;

    kith_init(&argc, &argv);
    for (int i = 0; i < 1000; i++)
        n[i] = i;
    kith_value sum = kith_value_of(0);
    kith_pool pool = kith_pool_open_with(0, .exit = add_up, .arg = &sum, .arg_size = sizeof sum);

    kith_map(pool, is_prime, n, prime, 1000);
    kith_pool_close(pool);
    kith_load(sum, &primes);
    printf("%d primes below 1000\n", primes);
    return kith_finalize();
}
