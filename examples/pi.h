/* pi.h: the two loops in which the pi examples spend their time.
 *
 * Both work on a part of the whole, from lo up to but not including hi, so that
 * any number of workers can share it. They use AVX2 or AVX-512 where the CPU has
 * it, and give the same bits with and without. */
#ifndef PI_H
#define PI_H

#include <stddef.h>
#include <stdint.h>

/* The integral of 4 / (1 + x^2) from 0 to 1 is pi. This adds up its values at the
 * midpoints lo … hi-1 of n steps; the sum over all of them, divided by n, is pi.
 * n up to PI_MAX_STEPS: beyond, a double cannot tell i from i + 1/2. */
#define PI_MAX_STEPS (UINT64_C(1) << 52)
double pi_midpoint(uint64_t lo, uint64_t hi, uint64_t n);

/* A quarter of the unit circle covers pi/4 of the unit square. This throws the
 * points lo … hi-1 into the square, and returns how many fall in the circle.
 * Where a point falls depends on its number and seed alone. */
uint64_t pi_inside(uint64_t lo, uint64_t hi, uint64_t seed);

/* The loops as they were compiled for one kind of CPU. */
struct pi_kernel {
    const char *name;
    double (*midpoint)(uint64_t lo, uint64_t hi, uint64_t n);
    uint64_t (*inside)(uint64_t lo, uint64_t hi, uint64_t seed);
};

/* Those that this CPU can run, the best one first; NULL behind the last. */
const struct pi_kernel *pi_kernel(size_t index);

#endif
