/* urgent: tasks of a higher priority are done first, although they were given to the
 * pool later. Its one worker is busy until all of them are there.
 *
 *     ./urgent
 *     mpirun -n 4 ./urgent
 */
#include <kith.h>
#include <stdio.h>

enum { TASKS = 4 };

static int say(const void *in, void *out)
{
    (void)out;
    printf("%s\n", (const char *)in);
    return 0;
}

static int wait_for(const void *event, void *out)
{
    (void)out;
    return kith_event_wait(*(const kith_event *)event, KITH_FOREVER);
}

int main(int argc, char **argv)
{
    static const struct {
        char what[24];
        int priority;
    } list[TASKS] = { { "write the report", 0 },
                      { "put out the fire", 2 },
                      { "water the plants", -1 },
                      { "call a doctor", 2 } };
    kith_result results[TASKS + 1];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(1);
    kith_event all = kith_event_open();

    results[TASKS] = kith_apply_async(pool, wait_for, KITH_ARG(all), 0);
    for (int i = 0; i < TASKS; i++) {
        kith_priority(list[i].priority);
        results[i] = kith_apply_async(pool, say, list[i].what, sizeof list[i].what, 0);
    }
    kith_event_set(all);
    kith_results_wait(results, TASKS + 1, TASKS + 1, KITH_FOREVER);
    kith_pool_close(pool);
    for (int i = 0; i <= TASKS; i++)
        kith_result_drop(results[i]);
    return kith_finalize();
}
