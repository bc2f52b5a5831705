/* timing.h: the run times of a program with one number of workers. */
#ifndef KITH_TIMING_H
#define KITH_TIMING_H

enum { TIMING_RUNS = 99 };

struct timing {
    long workers;
    int runs;
    double seconds[TIMING_RUNS]; /* of each run, in ascending order */
};

/* At most TIMING_RUNS times. */
void timing_add(struct timing *t, double seconds);

/* The rest is for a timing that has at least one run. */
double timing_median(const struct timing *t);
double timing_fastest(const struct timing *t);
double timing_slowest(const struct timing *t);

/* The time that so many workers would take if the work of base were divided among them without loss. */
double timing_ideal(const struct timing *base, double workers);

/* How many times as fast as one worker t is, where one worker takes the ideal time by base. */
double timing_scaling(const struct timing *t, const struct timing *base);

#endif
