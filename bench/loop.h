/* loop.h: a Jacobi sweep, for kith/loop and peers/openmp: how long a short parallel loop takes. */
#ifndef LOOP_H
#define LOOP_H

#include "bench.h"

struct grids { /* of n times n points, with an edge */
    const double *from;
    double *to;
    uint64_t n;
};

enum { EMPTY_BLOCKS = 128, SMALL = 128, LARGE = 1024 };

static inline uint64_t grid_size(uint64_t n)
{
    return (n + 2) * (n + 2) * sizeof(double);
}

/* One side is warm. */
static inline void grid_fill(double *a, uint64_t n)
{
    for (uint64_t i = 0; i < (n + 2) * (n + 2); i++)
        a[i] = i < n + 2 ? 1.0 : 0.0;
}

/* Rows [lo, hi). */
static inline void sweep_rows(const struct grids *g, uint64_t lo, uint64_t hi)
{
    uint64_t w = g->n + 2;

    for (uint64_t y = lo + 1; y <= hi; y++) {
        const double *up = g->from + (y - 1) * w, *at = up + w, *down = at + w;
        double *to = g->to + y * w;

        for (uint64_t x = 1; x <= g->n; x++)
            to[x] = 0.25 * (up[x] + down[x] + at[x - 1] + at[x + 1]);
    }
}

/* After so many sweeps of an even number the first grid has the same bits, whoever has computed it. */
static inline void check_sweeps(const double *result, uint64_t n, int sweeps)
{
    double *a = malloc(grid_size(n)), *b = malloc(grid_size(n)), *old;

    if (!a || !b)
        die("no memory for the grids");
    grid_fill(a, n);
    grid_fill(b, n);
    for (int i = 0; i < sweeps; i++) {
        sweep_rows(&(struct grids){ a, b, n }, 0, n);
        old = a;
        a = b;
        b = old;
    }
    for (uint64_t i = 0; i < (n + 2) * (n + 2); i++)
        if (a[i] != result[i])
            die("a wrong result");
    free(a);
    free(b);
}

#endif
