/* event_start: runners wait for the start, an Event. One of them has no patience: it
 * waits for a moment only, and again after it has complained.
 *
 *     ./event_start
 *     mpirun -n 4 ./event_start
 */
#include <kith.h>
#include <stdio.h>

static void runner(kith_event start)
{
    kith_event_wait(start, KITH_FOREVER);
    printf("a runner starts\n");
}

static void impatient(kith_event start, kith_event complained)
{
    if (kith_event_wait(start, 10) == KITH_ETIMEDOUT)
        printf("is it not time yet?\n");
    kith_event_set(complained);
    runner(start);
}

int main(int argc, char **argv)
{
    kith_process p[3];

    kith_init(&argc, &argv);
    kith_event start = kith_event_open(), complained = kith_event_open();

    p[0] = kith_start(runner, start);
    p[1] = kith_start(runner, start);
    p[2] = kith_start(impatient, start, complained);
    kith_event_wait(complained, KITH_FOREVER);
    kith_event_set(start);
    for (int i = 0; i < 3; i++)
        kith_process_join(p[i], KITH_FOREVER);
    return kith_finalize();
}
