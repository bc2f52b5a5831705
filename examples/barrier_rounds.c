/* barrier_rounds: three Processes work in rounds. Nobody begins a round before all have
 * ended the one before: they wait for each other at a Barrier, and the last one to come
 * runs its action.
 *
 *     ./barrier_rounds
 *     mpirun -n 4 ./barrier_rounds
 */
#include <kith.h>
#include <stdio.h>

static int round_is_over(const void *arg)
{
    (void)arg;
    printf("a round is over\n");
    return 0;
}

static int works(kith_barrier all)
{
    for (int i = 0; i < 3; i++)
        if (kith_barrier_wait(all, KITH_FOREVER) < 0)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    kith_process p[3];
    kith_barrier all;

    kith_init(&argc, &argv);
    all = kith_barrier_open_with(3, .action = round_is_over);
    for (int i = 0; i < 3; i++)
        p[i] = kith_start(works, all);
    for (int i = 0; i < 3; i++)
        kith_process_join(p[i], KITH_FOREVER);
    return kith_finalize();
}
