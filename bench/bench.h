/* bench.h: what the programs of bench/ share: a clock, busy work, and how a result is said.
 *
 * A program measures once and prints lines "key value"; bench/run starts it several times, in turn with its
 * rivals, and makes the table. A program that finds a wrong result says so on stderr and exits with 1, so
 * that nothing fast and wrong enters the table. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void say(const char *key, double value)
{
    printf("%s %.9g\n", key, value);
}

static inline void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* The i-th argument as a number, or otherwise when there is none. */
static inline unsigned long number(int argc, char **argv, int i, unsigned long otherwise)
{
    return argc > i ? strtoul(argv[i], NULL, 10) : otherwise;
}

static inline int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The value below which a part q of the n values lies. Sorts them. */
static inline double quantile(double *values, size_t n, double q)
{
    size_t i = (size_t)(q * (double)n);

    qsort(values, n, sizeof *values, by_value);
    return values[i < n ? i : n - 1];
}

/* Busy work, about a nanosecond a step: a chain of multiplications that the compiler can neither shorten nor
 * vectorise, and that touches no memory, so that two workers do not slow each other down. */
static inline uint64_t work(uint64_t steps)
{
    uint64_t x = steps;

    for (uint64_t i = 0; i < steps; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(x));
    }
    return x;
}

/* Steps of work in a microsecond: the best of several tries, as others only ever slow it down. */
static inline double steps_per_us(void)
{
    const uint64_t steps = 1000000;
    double best = 0.0;

    for (int i = 0; i < 10; i++) {
        double start = now();

        work(steps);
        double speed = 1e-6 * (double)steps / (now() - start);
        if (speed > best)
            best = speed;
    }
    return best;
}

#endif
