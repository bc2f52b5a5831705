/* shutdown: no sentinels. main shuts the Queue of tasks down when it has put the last
 * one: workers take what is left, and then get KITH_EEND. The Queue of results ends
 * when all its producers have ended, also if one of them crashes, and on whatever nodes
 * they run.
 *
 *     ./shutdown
 *     mpirun -n 4 ./shutdown
 */
#include <kith.h>
#include <stdio.h>

static void worker(kith_queue tasks, kith_queue results)
{
    int x;

    while (kith_get(tasks, &x) == 0) {
        x *= x;
        kith_put(results, x);
    }
    printf("a worker has ended\n");
}

int main(int argc, char **argv)
{
    int x, sum = 0;

    kith_init(&argc, &argv);
    kith_queue tasks = kith_queue_open(0), results = kith_queue_open(0);

    kith_queue_producers(results, 3);
    for (int i = 0; i < 3; i++)
        kith_queue_producer(results, kith_start(worker, tasks, results));
    for (x = 1; x <= 100; x++)
        kith_put(tasks, x);
    kith_queue_shutdown(tasks);
    while (kith_get(results, &x) == 0)
        sum += x;
    printf("the sum of 100 squares is %d\n", sum);
    return kith_finalize();
}
