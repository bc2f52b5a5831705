/* uneven: tasks of very different lengths. Prints the makespan, and how long each task took, in seconds.
 *     uneven [costs] MICROSECONDS...     costs: the pool is told how long they take */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

static double busy(double steps)
{
    double start = now();

    work((uint64_t)steps);
    return now() - start;
}

int main(int argc, char **argv)
{
    double steps[1024], took[1024], start, speed;
    const double *costs = NULL;
    kith_pool pool;
    int n = 0;

    kith_init(&argc, &argv);
    if (argc > 1 && !strcmp(argv[1], "costs")) {
        costs = steps;
        argv++;
        argc--;
    }
    speed = steps_per_us();
    for (; n < argc - 1 && n < 1024; n++)
        steps[n] = speed * strtod(argv[n + 1], NULL);
    pool = kith_pool_open(2);
    kith_map(pool, busy, steps, took, 2); /* the workers have started */
    start = now();
    kith_map_costs(pool, busy, steps, took, (size_t)n, costs);
    say("makespan", now() - start);
    for (int i = 0; i < n; i++)
        say("task", took[i]);
    kith_pool_close(pool);
    return kith_finalize();
}
