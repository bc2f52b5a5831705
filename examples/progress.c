/* progress: a map that takes a while, whose progress main wants to see: on a terminal a
 * bar, with the rate and the time that is left; into a file a line now and then. It is
 * shown on stderr, so the results on stdout are as ever.
 *
 *     ./progress
 *     mpirun -n 4 ./progress
 */
#include <kith.h>
#include <stdio.h>
#include <threads.h>

static int simulate(int i)
{
    thrd_sleep(&(struct timespec){ .tv_nsec = (20 + i % 20) * 1000000L }, NULL);
    return i;
}

int main(int argc, char **argv)
{
    int in[100], out[100], sum = 0;

    kith_init(&argc, &argv);
    for (int i = 0; i < 100; i++)
        in[i] = i;
    kith_pool pool = kith_pool_open(0);

    kith_pool_progress(pool, 1);
    kith_map(pool, simulate, in, out, 100);
    kith_pool_close(pool);
    for (int i = 0; i < 100; i++)
        sum += out[i];
    printf("100 simulations, sum %d\n", sum);
    return kith_finalize();
}
