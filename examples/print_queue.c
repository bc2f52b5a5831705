/* print_queue: one Process puts squares into a Queue, another takes them out and
 * prints them, on the last node when there are several. What was put is safe in
 * the Queue when the first one has ended.
 *
 *     ./print_queue
 *     mpirun --hostfile hosts ./print_queue
 */
#include <kith.h>
#include <stdio.h>

struct numbers {
    int list[4];
    kith_queue out;
};

static int square_list(const void *arg)
{
    const struct numbers *numbers = arg;

    for (int i = 0; i < 4; i++) {
        int square = numbers->list[i] * numbers->list[i];

        kith_put(numbers->out, square);
    }
    return 0;
}

static int print_queue(const void *arg)
{
    const kith_queue *q = arg;
    int square;

    printf("in the queue:\n");
    while (kith_queue_empty(*q) == 0) {
        kith_get(*q, &square);
        printf("%d\n", square);
    }
    printf("the queue is empty\n");
    return 0;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    kith_queue q = kith_queue_open(0);
    struct numbers numbers = { { 1, 2, 3, 4 }, q };
    int last = KITH_NODE(kith_nodes() - 1);

    kith_process producer = kith_process_start(square_list, KITH_ARG(numbers));
    kith_process_join(producer, KITH_FOREVER);
    kith_process consumer = kith_process_start_with(print_queue, KITH_ARG(q), .node = last);
    kith_process_join(consumer, KITH_FOREVER);
    return kith_finalize();
}
