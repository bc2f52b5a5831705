/* metg.h: METG(50 %), the "minimum effective task granularity" of Task Bench (Slaughter et al., SC20): the
 * task length at which the workers spend half of their time in tasks, and the other half in being given them.
 */
#ifndef METG_H
#define METG_H

#include "bench.h"

/* A task of so many steps. Each of several programs gives it to its runtime. */
static uint64_t metg_task(uint64_t steps)
{
    return work(steps);
}

/* volatile: the compiler must not see which function it is, as a worker does not either. */
static uint64_t (*volatile metg_hidden)(uint64_t) = metg_task;

static inline double metg_alone(uint64_t steps, size_t n)
{
    uint64_t (*task)(uint64_t) = metg_hidden;
    double start = now();

    for (size_t i = 0; i < n; i++)
        task(steps);
    return now() - start;
}

/* run does n tasks of so many steps each on the workers, and returns its seconds; metg_alone is the same
 * without any runtime. The length is doubled until half of the time is work, and interpolated between the
 * last two. Returns seconds. */
static inline double metg(double (*run)(uint64_t steps, size_t n), size_t n, int workers)
{
    double length_before = 0.0, efficiency_before = 0.0;

    for (uint64_t steps = 1; steps < (uint64_t)1 << 32; steps *= 2) {
        double t[5], length, efficiency, part;

        length = metg_alone(steps, n) / (double)n;
        for (int i = 0; i < 5; i++)
            t[i] = run(steps, n);
        efficiency = length * (double)n / (workers * quantile(t, 5, 0.5));
        if (efficiency >= 0.5) {
            if (efficiency_before == 0.0)
                return length;
            part = (0.5 - efficiency_before) / (efficiency - efficiency_before);
            return length_before + part * (length - length_before);
        }
        length_before = length;
        efficiency_before = efficiency;
    }
    return 0.0;
}

#endif
