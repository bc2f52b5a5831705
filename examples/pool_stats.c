/* pool_stats: what each worker of a pool has done, and which tasks were the slowest: here
 * the last one, which keeps one worker busy while the others have nothing left to do.
 *
 *     ./pool_stats
 *     mpirun -n 4 ./pool_stats
 */
#include <kith.h>
#include <stdio.h>
#include <threads.h>

static int nap(int ms)
{
    thrd_sleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
    return ms;
}

int main(int argc, char **argv)
{
    int in[] = { 10, 10, 260, 10, 10, 10, 140, 400 }, out[8];
    struct kith_pool_stats all;
    struct kith_worker_stats w;

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(2);

    kith_map(pool, nap, in, out, 8);
    for (int i = 0; i < 2; i++) {
        kith_worker_stats(pool, i, &w);
        printf("worker %d: %.3f s start-up, %.3f s busy, %.3f s waiting\n", i, w.start_up, w.busy, w.waiting);
    }
    kith_pool_stats(pool, &all);
    printf("%d tasks, the slowest:\n", (int)all.all.tasks);
    for (size_t i = 0; i < 3; i++)
        printf("%s(task %d)\n", all.slowest[i].function, (int)all.slowest[i].task);
    kith_pool_close(pool);
    return kith_finalize();
}
