/* imap: the first ten primes, out of all numbers. Workers look for the smallest divisor
 * of each; results come in order, and numbers are drawn only as far as workers need them,
 * so that the source may be endless.
 *
 *     ./imap
 *     mpirun -n 4 ./imap
 */
#include <kith.h>
#include <stdio.h>

static int next_number(void *item, void *last)
{
    *(long *)item = ++*(long *)last;
    return 1; /* 0 would be the end */
}

static long smallest_divisor(long n)
{
    long d = 2;

    while (d * d <= n && n % d != 0)
        d++;
    return d * d <= n ? d : n;
}

int main(int argc, char **argv)
{
    long last = 1, divisor;
    int primes = 0;

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(0);
    kith_iter it = kith_imap_from(pool, smallest_divisor, next_number, &last);
    for (long n = 2; primes < 10 && kith_next(it, &divisor) == 0; n++)
        if (divisor == n) {
            printf("%ld\n", n);
            primes++;
        }
    kith_iter_close(it);
    kith_pool_close(pool);
    return kith_finalize();
}
