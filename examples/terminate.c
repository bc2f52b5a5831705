/* terminate: ends a Process from outside. That takes a moment, so join the Process
 * before you ask for its exit code, which is the negative number of the signal.
 *
 *     ./terminate
 *     mpirun -n 4 ./terminate
 */
#include <kith.h>
#include <stdio.h>
#include <unistd.h>

static void sleep_long(kith_sem begun)
{
    printf("sleeping\n");
    kith_sem_release(begun);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    int code;

    kith_init(&argc, &argv);
    kith_sem begun = kith_sem_open(0);
    kith_process p = kith_start(sleep_long, begun);
    kith_sem_acquire(begun, KITH_FOREVER);
    printf("during: alive %d, joined within 10 ms: %s\n", kith_process_alive(p),
           kith_process_join(p, 10) == KITH_ETIMEDOUT ? "no" : "yes");
    kith_process_terminate(p);
    kith_process_join(p, KITH_FOREVER);
    kith_process_exitcode(p, &code);
    printf("after: alive %d, exit code %d\n", kith_process_alive(p), code);
    return kith_finalize();
}
