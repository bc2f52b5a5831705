/* pi.c: see pi.h.
 *
 * Each loop is written once, as plain C that compilers turn into vector code, and
 * compiled once for each kind of CPU. The bits do not depend on the width of the
 * vectors: the accumulators of the sum are eight in the source, whatever the CPU
 * has, nothing is contracted into fused operations, and all else is integers. */
#include "pi.h"

#define KERNEL static inline __attribute__((always_inline))

/* ------------------------------------------------------------- the integral */

enum { SUMS = 8, STRETCH = 1 << 18 };

KERNEL double midpoint_stretch(uint64_t lo, uint64_t hi, double step)
{
    double sum[SUMS] = { 0.0 }, total = 0.0;
    uint64_t i = lo;

    for (; hi - i >= 2 * SUMS; i += 2 * SUMS) {
        double first = (double)i;

        /* Two values at a time: 1/p + 1/q = (p + q) / pq takes one division instead
         * of two, and a division takes as long as all else here together. */
#pragma omp simd
        for (int k = 0; k < SUMS; k++) {
            double x = (first + (k + 0.5)) * step, p = 1.0 + x * x;
            double y = (first + (k + SUMS + 0.5)) * step, q = 1.0 + y * y;

            sum[k] += (p + q) / (p * q);
        }
    }
    for (; i < hi; i++) {
        double x = ((double)i + 0.5) * step;

        total += 1.0 / (1.0 + x * x);
    }
    for (int k = 0; k < SUMS; k++)
        total += sum[k];
    return total;
}

/* In stretches, because a small number added to a large sum loses digits. */
KERNEL double midpoint(uint64_t lo, uint64_t hi, uint64_t n)
{
    double total = 0.0, step = 1.0 / (double)n;

    for (; hi - lo > STRETCH; lo += STRETCH)
        total += midpoint_stretch(lo, lo + STRETCH, step);
    return 4.0 * (total + midpoint_stretch(lo, hi, step));
}

/* ---------------------------------------------------------------- the points
 *
 * The coordinates are 32 random bits each, by ChaCha with 8 rounds (Bernstein 2008),
 * which turns a key, a number and a stream into 16 random words. It is a cipher, so
 * no test tells its output from true randomness: more than is asked of generators
 * for simulations, and it is nothing but additions, exclusive ors and rotations,
 * which vectors of any CPU do well.
 *
 * A point has its upper 16 + 16 bits from one word of stream 0. They nearly always
 * decide on which side of the circle it is. Only where they do not, for 34 points in
 * a million, the lower 16 + 16 bits are drawn too, from the same word of stream 1. */

enum { WORDS = 16, LANES = 16, BATCH = WORDS * LANES, ROUNDS = 8 };

KERNEL uint32_t rotate(uint32_t x, int bits)
{
    return x << bits | x >> (32 - bits);
}

KERNEL void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b, *d = rotate(*d ^ *a, 16);
    *c += *d, *b = rotate(*b ^ *c, 12);
    *a += *b, *d = rotate(*d ^ *a, 8);
    *c += *d, *b = rotate(*b ^ *c, 7);
}

/* One word for each point of a batch: point k has word k / LANES of block k % LANES. */
KERNEL void draw(uint32_t word[BATCH], uint64_t batch, uint64_t seed, uint32_t stream)
{
    uint64_t block = batch * LANES;

#pragma omp simd
    for (uint32_t lane = 0; lane < LANES; lane++) {
        const uint32_t in[WORDS] = {
            0x61707865,
            0x3320646e,
            0x79622d32,
            0x6b206574, /* ChaCha's own */
            (uint32_t)seed,
            (uint32_t)(seed >> 32),
            0,
            0,
            0,
            0,
            0,
            0, /* key */
            (uint32_t)block + lane,
            (uint32_t)(block >> 32),
            stream,
            0,
        };
        uint32_t x[WORDS];

#pragma GCC unroll 16
        for (int i = 0; i < WORDS; i++)
            x[i] = in[i];
#pragma GCC unroll 4
        for (int i = 0; i < ROUNDS / 2; i++) {
            quarter_round(&x[0], &x[4], &x[8], &x[12]);
            quarter_round(&x[1], &x[5], &x[9], &x[13]);
            quarter_round(&x[2], &x[6], &x[10], &x[14]);
            quarter_round(&x[3], &x[7], &x[11], &x[15]);
            quarter_round(&x[0], &x[5], &x[10], &x[15]);
            quarter_round(&x[1], &x[6], &x[11], &x[12]);
            quarter_round(&x[2], &x[7], &x[8], &x[13]);
            quarter_round(&x[3], &x[4], &x[9], &x[14]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < WORDS; i++)
            word[i * LANES + lane] = x[i] + in[i];
    }
}

/* With all bits. The coordinates are the middles of a grid, (x + 1/2) / 2^32, so the point is inside
 * when x (x + 1) + y (y + 1) < 2^64: when the addition does not carry. */
KERNEL int is_inside(uint32_t upper, uint32_t lower)
{
    uint64_t x = (upper & 0xffff0000) | lower >> 16, y = upper << 16 | (lower & 0xffff);
    uint64_t xx = x * (x + 1);

    return xx + y * (y + 1) >= xx;
}

/* With the upper 16 bits alone, X and Y: outside when X^2 + Y^2 >= 2^32, which again is a carry;
 * inside when (X + 1)^2 + (Y + 1)^2 <= 2^32, and then X^2 + Y^2 is EDGE at most, because X + Y is
 * 92681 at most inside the circle. Between the two it is open. */
#define EDGE (UINT32_MAX - (2 * 92681 + 2) + 1)

/* Of the open ones that were taken for inside, how many are not. */
KERNEL uint32_t count_wrong(const uint32_t *upper, const uint32_t *lower, uint32_t n)
{
    uint32_t wrong = 0;

    for (uint32_t k = 0; k < n; k++) {
        uint32_t x = upper[k] >> 16, y = upper[k] & 0xffff, xx = x * x, r = xx + y * y;

        if (r >= xx && r > EDGE && !is_inside(upper[k], lower[k]))
            wrong++;
    }
    return wrong;
}

/* How many of the points from … to-1 of a batch are inside. */
KERNEL uint32_t count_batch(uint64_t batch, uint32_t from, uint32_t to, uint64_t seed)
{
    _Alignas(64) uint32_t word[BATCH], lower[BATCH];
    uint32_t outside = 0, most = 0;

    draw(word, batch, seed, 0);
#pragma omp simd reduction(+ : outside) reduction(max : most)
    for (uint32_t k = from; k < to; k++) {
        uint32_t x = word[k] >> 16, y = word[k] & 0xffff, xx = x * x, r = xx + y * y;

        outside += r < xx;
        most = r > most ? r : most;
    }
    if (most > EDGE) {
        draw(lower, batch, seed, 1);
        outside += count_wrong(word + from, lower + from, to - from);
    }
    return to - from - outside;
}

KERNEL uint64_t inside(uint64_t lo, uint64_t hi, uint64_t seed)
{
    uint64_t count = 0;

    while (lo < hi) {
        uint32_t from = lo % BATCH, to = hi - lo < BATCH - from ? from + (uint32_t)(hi - lo) : BATCH;

        count += count_batch(lo / BATCH, from, to, seed);
        lo += to - from;
    }
    return count;
}

/* ------------------------------------------------- once for each kind of CPU */

#define COMPILE_FOR(cpu, target)                                                 \
    target static double midpoint_##cpu(uint64_t lo, uint64_t hi, uint64_t n)    \
    {                                                                            \
        return midpoint(lo, hi, n);                                              \
    }                                                                            \
    target static uint64_t inside_##cpu(uint64_t lo, uint64_t hi, uint64_t seed) \
    {                                                                            \
        return inside(lo, hi, seed);                                             \
    }

#if defined __x86_64__
COMPILE_FOR(avx512, __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl"))))
COMPILE_FOR(avx2, __attribute__((target("avx2"))))
#endif
COMPILE_FOR(any, )

const struct pi_kernel *pi_kernel(size_t index)
{
    static const struct pi_kernel any = { "any", midpoint_any, inside_any };
    const struct pi_kernel *able[4] = { NULL };
    size_t n = 0;

#if defined __x86_64__
    static const struct pi_kernel avx512 = { "avx512", midpoint_avx512, inside_avx512 };
    static const struct pi_kernel avx2 = { "avx2", midpoint_avx2, inside_avx2 };

    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        able[n++] = &avx512;
    if (__builtin_cpu_supports("avx2"))
        able[n++] = &avx2;
#endif
    able[n++] = &any;
    return index < n ? able[index] : NULL;
}

double pi_midpoint(uint64_t lo, uint64_t hi, uint64_t n)
{
    return pi_kernel(0)->midpoint(lo, hi, n);
}

uint64_t pi_inside(uint64_t lo, uint64_t hi, uint64_t seed)
{
    return pi_kernel(0)->inside(lo, hi, seed);
}
