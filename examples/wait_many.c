/* wait_many: one call waits for whatever comes first: an item in a Queue, the end of a
 * Process, a line of another program. What comes when differs from run to run.
 *
 *     ./wait_many
 *     mpirun -n 4 ./wait_many
 */
#define _POSIX_C_SOURCE 200809L /* popen */
#include <kith.h>
#include <stdio.h>

static int answer(kith_queue q)
{
    int number = 42;

    return kith_put(q, number);
}

static int leave(void)
{
    return 7;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    kith_queue q = kith_queue_open(0);
    FILE *program = popen("echo hello", "r");
    kith_start(answer, q);
    kith_process p = kith_start(leave);
    struct kith_waitable list[] = { kith_on(q), kith_on(p), kith_on_fd(fileno(program)) };
    int left = 3, value;
    char line[100];

    while (left > 0 && kith_wait(list, (size_t)left, KITH_FOREVER) > 0)
        for (int i = left - 1; i >= 0; i--) {
            if (!list[i].ready)
                continue;
            if (list[i].id == q.id && kith_get(q, &value) == 0)
                printf("from the Queue: %d\n", value);
            else if (list[i].id == p.id && kith_process_exitcode(p, &value) == 0)
                printf("the Process has ended with %d\n", value);
            else if (fgets(line, sizeof line, program))
                printf("from the program: %s", line);
            list[i] = list[--left]; /* it is done */
        }
    pclose(program);
    return kith_finalize();
}
