/* daemons: at the end the program waits for its Processes, but not for daemons: these
 * are ended. So the last line of the daemon is never printed, while that of the other
 * Process is.
 *
 *     ./daemons
 *     mpirun -n 4 ./daemons
 */
#include <kith.h>
#include <stdio.h>
#include <unistd.h>

struct signs {
    kith_sem begun, over;
};

static int watch(const void *arg)
{
    const struct signs *signs = arg;

    printf("%s: begins\n", kith_name());
    kith_sem_release(signs->begun);
    for (;;)
        pause();
    printf("%s: ends\n", kith_name());
    return 0;
}

static int work(const void *arg)
{
    const struct signs *signs = arg;

    printf("%s: begins\n", kith_name());
    kith_sem_release(signs->begun);
    kith_sem_acquire(signs->over, KITH_FOREVER);
    printf("%s: ends\n", kith_name());
    return 0;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    struct signs signs = { kith_sem_open(0), kith_sem_open(0) };
    kith_process_start_with(watch, KITH_ARG(signs), .name = "daemon", .daemon = 1);
    kith_sem_acquire(signs.begun, KITH_FOREVER);
    kith_process_start_with(work, KITH_ARG(signs), .name = "worker");
    kith_sem_acquire(signs.begun, KITH_FOREVER);
    printf("main: ends\n");
    kith_sem_release(signs.over);
    return kith_finalize();
}
