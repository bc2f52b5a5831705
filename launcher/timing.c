/* timing.c: see timing.h. */
#include "config.h"
#include "timing.h"

void timing_add(struct timing *t, double seconds)
{
    int i = t->runs++;

    for (; i > 0 && t->seconds[i - 1] > seconds; i--)
        t->seconds[i] = t->seconds[i - 1];
    t->seconds[i] = seconds;
}

double timing_median(const struct timing *t)
{
    return (t->seconds[(t->runs - 1) / 2] + t->seconds[t->runs / 2]) / 2;
}

double timing_fastest(const struct timing *t)
{
    return t->seconds[0];
}

double timing_slowest(const struct timing *t)
{
    return t->seconds[t->runs - 1];
}

double timing_ideal(const struct timing *base, double workers)
{
    return timing_median(base) * (double)base->workers / workers;
}

double timing_scaling(const struct timing *t, const struct timing *base)
{
    return timing_ideal(base, 1) / timing_median(t);
}
