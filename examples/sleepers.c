/* sleepers: eight naps in a loop, in eight threads, and in eight Processes. Whoever
 * only waits takes no processor, so the naps can be at the same time on a single one.
 *
 *     ./sleepers
 *     mpirun -n 4 ./sleepers
 */
#include <kith.h>
#include <pthread.h>
#include <stdio.h>
#include <threads.h>

static void sleeper(void)
{
    thrd_sleep(&(struct timespec){ .tv_nsec = 25000000 }, NULL);
}

static void *thread(void *arg)
{
    sleeper();
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t threads[8];
    kith_process p[8];

    kith_init(&argc, &argv);
    double start = kith_time();
    for (int i = 0; i < 8; i++)
        sleeper();
    printf("loop: %.3f s\n", kith_time() - start);

    start = kith_time();
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, thread, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    printf("threads: %.3f s\n", kith_time() - start);

    start = kith_time();
    for (int i = 0; i < 8; i++)
        p[i] = kith_start(sleeper);
    for (int i = 0; i < 8; i++)
        kith_process_join(p[i], KITH_FOREVER);
    printf("Processes: %.3f s\n", kith_time() - start);
    return kith_finalize();
}
