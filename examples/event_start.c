/* event_start: runners wait for the start, an Event. One of them has no patience: it
 * waits for a moment only, and again after it has complained.
 *
 *     ./event_start
 *     mpirun -n 4 ./event_start
 */
#include <kith.h>
#include <stdio.h>

struct race {
    kith_event start;
    kith_event complained;
};

static int runner(const void *arg)
{
    const struct race *race = arg;

    kith_event_wait(race->start, KITH_FOREVER);
    printf("a runner starts\n");
    return 0;
}

static int impatient(const void *arg)
{
    const struct race *race = arg;

    if (kith_event_wait(race->start, 10) == KITH_ETIMEDOUT)
        printf("is it not time yet?\n");
    kith_event_set(race->complained);
    return runner(arg);
}

int main(int argc, char **argv)
{
    kith_process p[3];

    kith_init(&argc, &argv);
    struct race race = { kith_event_open(), kith_event_open() };

    p[0] = kith_process_start(runner, KITH_ARG(race));
    p[1] = kith_process_start(runner, KITH_ARG(race));
    p[2] = kith_process_start(impatient, KITH_ARG(race));
    kith_event_wait(race.complained, KITH_FOREVER);
    kith_event_set(race.start);
    for (int i = 0; i < 3; i++)
        kith_process_join(p[i], KITH_FOREVER);
    return kith_finalize();
}
