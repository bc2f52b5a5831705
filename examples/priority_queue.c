/* priority_queue: the item with the smallest number is taken first, whenever it was
 * put; of two items with the same number, the older one.
 *
 *     ./priority_queue
 *     mpirun -n 4 ./priority_queue
 */
#include <kith.h>
#include <stdio.h>

struct job {
    char what[24];
    int priority;
};

static void worker(kith_queue jobs)
{
    struct job job;

    while (kith_get(jobs, &job) == 0)
        printf("%d: %s\n", job.priority, job.what);
}

int main(int argc, char **argv)
{
    static const struct job list[] = { { "write the report", 5 },
                                       { "put out the fire", 1 },
                                       { "water the plants", 9 },
                                       { "call a doctor", 1 } };

    kith_init(&argc, &argv);
    kith_queue jobs = kith_queue_open_with(0, .order = KITH_PRIORITY);

    for (int i = 0; i < 4; i++)
        kith_queue_put_priority(jobs, KITH_ARG(list[i]), list[i].priority, KITH_FOREVER);
    kith_queue_shutdown(jobs);
    kith_process p = kith_start(worker, jobs);
    kith_process_join(p, KITH_FOREVER);
    return kith_finalize();
}
