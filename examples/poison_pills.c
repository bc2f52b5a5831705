/* poison_pills: consumers take tasks from a joinable Queue, until each gets an item of
 * no bytes, its poison pill; main waits until all tasks are done. Had a consumer
 * crashed over a task, the Queue would have given it to another one.
 *
 *     ./poison_pills
 *     mpirun --hostfile hosts ./poison_pills
 */
#include <kith.h>
#include <stdio.h>

struct queues {
    kith_queue tasks, results;
};

static int consumer(const void *arg)
{
    const struct queues *q = arg;
    char line[100];
    int x;

    while (kith_queue_get(q->tasks, &x, sizeof x, KITH_FOREVER) > 0) {
        int length = snprintf(line, sizeof line, "%d * %d = %d", x, x, x * x);

        kith_queue_put(q->results, line, (size_t)length + 1, KITH_FOREVER);
        kith_queue_task_done(q->tasks);
    }
    return kith_queue_task_done(q->tasks);
}

int main(int argc, char **argv)
{
    char line[100];

    kith_init(&argc, &argv);
    struct queues q = { kith_queue_open_with(0, .joinable = 1), kith_queue_open(0) };

    for (int i = 0; i < 4; i++)
        kith_process_start_with(consumer, KITH_ARG(q), .node = KITH_NODE(i % kith_nodes()));
    for (int x = 1; x <= 10; x++)
        kith_put(q.tasks, x);
    for (int i = 0; i < 4; i++)
        kith_queue_put(q.tasks, NULL, 0, KITH_FOREVER);
    kith_queue_join(q.tasks, KITH_FOREVER);
    while (kith_queue_get(q.results, line, sizeof line, 0) >= 0)
        printf("%s\n", line);
    printf("All tasks are done\n");
    return kith_finalize();
}
