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

struct queues {
    kith_queue tasks, results;
};

static int worker(const void *arg)
{
    const struct queues *q = arg;
    int x;

    while (kith_get(q->tasks, &x) == 0) {
        x *= x;
        kith_put(q->results, x);
    }
    printf("a worker has ended\n");
    return 0;
}

int main(int argc, char **argv)
{
    int x, sum = 0;

    kith_init(&argc, &argv);
    struct queues q = { kith_queue_open(0), kith_queue_open(0) };

    kith_queue_producers(q.results, 3);
    for (int i = 0; i < 3; i++)
        kith_queue_producer(q.results, kith_process_start(worker, KITH_ARG(q)));
    for (x = 1; x <= 100; x++)
        kith_put(q.tasks, x);
    kith_queue_shutdown(q.tasks);
    while (kith_get(q.results, &x) == 0)
        sum += x;
    printf("the sum of 100 squares is %d\n", sum);
    return kith_finalize();
}
