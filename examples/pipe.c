/* pipe: a Process receives numbers at its end of a Pipe, and sends their squares back
 * the same way. It ends when the other end is closed. On several nodes it runs on the
 * last one.
 *
 *     ./pipe
 *     mpirun --hostfile hosts ./pipe
 */
#include <kith.h>
#include <stdio.h>

static int square(const void *arg)
{
    const kith_pipe *end = arg;
    int x;

    while (kith_recv(*end, &x) == 0) {
        x *= x;
        kith_send(*end, x);
    }
    printf("the other end is closed\n");
    return 0;
}

int main(int argc, char **argv)
{
    kith_pipe ends[2];

    kith_init(&argc, &argv);
    kith_pipe_open(ends);
    kith_process p = kith_process_start_with(square, KITH_ARG(ends[1]), .node = KITH_NODE(kith_nodes() - 1));
    kith_pipe_give(ends[1], p); /* if it crashes, kith_recv returns KITH_EEND */

    for (int i = 1; i <= 4; i++) {
        int y = i;

        kith_send(ends[0], y);
        kith_recv(ends[0], &y);
        printf("the square of %d is %d\n", i, y);
    }
    kith_pipe_close(ends[0]);
    kith_process_join(p, KITH_FOREVER);
    return kith_finalize();
}
