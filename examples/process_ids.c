/* process_ids: each Process has an id of its own, and so has the program. A Process
 * is alive until it has ended; main asks before and after.
 *
 *     ./process_ids
 *     mpirun -n 4 ./process_ids
 */
#include <kith.h>
#include <stdio.h>
#include <unistd.h>

/* Waits for leave to end, so that main finds it alive. */
static int work(const void *arg)
{
    const kith_sem *leave = arg;

    printf("%s: my id is %d\n", kith_name(), (int)getpid());
    return kith_sem_acquire(*leave, KITH_FOREVER);
}

int main(int argc, char **argv)
{
    kith_process p[2];

    kith_init(&argc, &argv);
    printf("%s: my id is %d\n", kith_name(), (int)getpid());
    kith_sem leave = kith_sem_open(0);
    p[0] = kith_process_start_with(work, KITH_ARG(leave), .name = "first");
    p[1] = kith_process_start_with(work, KITH_ARG(leave), .name = "second");
    for (int i = 0; i < 2; i++)
        printf("main: Process %d has the id %d, alive: %d\n", i + 1, kith_process_pid(p[i]),
               kith_process_alive(p[i]));
    for (int i = 0; i < 2; i++)
        kith_sem_release(leave);
    for (int i = 0; i < 2; i++)
        kith_process_join(p[i], KITH_FOREVER);
    for (int i = 0; i < 2; i++)
        printf("main: Process %d has ended, alive: %d\n", i + 1, kith_process_alive(p[i]));
    return kith_finalize();
}
