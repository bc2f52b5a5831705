/* test_kernels.c: the loops of examples/pi.c give the same bits however they were compiled and wherever the
 * range is cut, and the points are those of the cipher. */
#include "config.h"
#include "../check.h"
#include "../../examples/pi.h"

#include <math.h>

static const uint64_t offsets[] = {
    0,
    1,
    255,
    256,
    12345,
    (UINT64_C(1) << 36) - 700, /* the low word of ChaCha's counter overflows */
    999999990000,
    1000000000000,
    (UINT64_C(1) << 52) - 6000,
};

__extension__ typedef unsigned __int128 wide;

enum { OFFSETS = sizeof offsets / sizeof *offsets };

/* ------------------------------------------- the definition, without any haste */

static uint32_t rotate(uint32_t x, int bits)
{
    return x << bits | x >> (32 - bits);
}

static void quarter_round(uint32_t *x, int a, int b, int c, int d)
{
    x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 7);
}

/* Word number word of a block of ChaCha8. */
static uint32_t chacha8(uint64_t seed, uint64_t block, uint32_t stream, int word)
{
    uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[16];

    in[4] = (uint32_t)seed, in[5] = (uint32_t)(seed >> 32);
    in[12] = (uint32_t)block, in[13] = (uint32_t)(block >> 32), in[14] = stream;
    memcpy(x, in, sizeof x);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 4; k++)
            quarter_round(x, k, 4 + k, 8 + k, 12 + k);
        for (int k = 0; k < 4; k++)
            quarter_round(x, k, 4 + (k + 1) % 4, 8 + (k + 2) % 4, 12 + (k + 3) % 4);
    }
    return x[word] + in[word];
}

/* *open: its upper bits do not decide, since the corners of their cell lie on both sides. */
static int point_is_inside(uint64_t i, uint64_t seed, int *open)
{
    uint64_t block = i / 256 * 16 + i % 16;
    int word = (int)(i % 256 / 16);
    uint64_t upper = chacha8(seed, block, 0, word), lower = chacha8(seed, block, 1, word);
    uint64_t X = upper >> 16, Y = upper & 0xffff;
    wide x = X << 16 | lower >> 16, y = Y << 16 | (lower & 0xffff), one = 1;

    *open = X * X + Y * Y < one << 32 && (X + 1) * (X + 1) + (Y + 1) * (Y + 1) > one << 32;
    x = 2 * x + 1;
    y = 2 * y + 1;
    return x * x + y * y < one << 66;
}

static void chacha_is_as_published(void)
{
    static const unsigned char stream[] = {
        /* zero key, zero nonce, 8 rounds */
        0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6, 0x7f, 0x5b, 0xb8, 0xe8, 0x1f, 0x09, 0xa5, 0xa1,
        0x2c, 0x84, 0x0e, 0xc3, 0xce, 0x9a, 0x7f, 0x3b, 0x18, 0x1b, 0xe1, 0x88, 0xef, 0x71, 0x1a, 0x1e,
    };

    for (int i = 0; i < (int)sizeof stream; i++)
        CU_ASSERT_EQUAL(chacha8(0, 0, 0, i / 4) >> i % 4 * 8 & 0xff, stream[i]);
}

static void points_are_those_of_the_definition(void)
{
    for (int k = 0; k < OFFSETS; k++) {
        uint64_t lo = offsets[k], hi = lo + 1500, wanted = 0;
        uint64_t seed = UINT64_C(0x123456789abcdef) * (uint64_t)k;
        int open;

        for (uint64_t i = lo; i < hi; i++) {
            int in = point_is_inside(i, seed, &open);

            wanted += (uint64_t)in;
            if (i % 7 == 0)
                CU_ASSERT_EQUAL(pi_inside(i, i + 1, seed), (uint64_t)in);
        }
        CU_ASSERT_EQUAL(pi_inside(lo, hi, seed), wanted);
    }
}

/* These are the points for which the kernels draw a second time. */
static void points_on_the_edge_are_decided_with_all_bits(void)
{
    int open, found = 0, kept = 0;
    uint64_t all = 0;

    for (uint64_t i = 0; i < 2000000; i++) {
        int in = point_is_inside(i, 1, &open);

        all += (uint64_t)in;
        if (!open)
            continue;
        found++;
        kept += in;
        for (size_t k = 0; pi_kernel(k); k++)
            CU_ASSERT_EQUAL(pi_kernel(k)->inside(i, i + 1, 1), (uint64_t)in);
    }
    CU_ASSERT(found > 20 && kept > 0 && kept < found);
    CU_ASSERT_EQUAL(pi_inside(0, 2000000, 1), all);
}

/* ----------------------------------------------------------------- the clones */

static void same_bits(const struct pi_kernel *a, const struct pi_kernel *b, uint64_t lo, uint64_t hi,
                      uint64_t n)
{
    double x = a->midpoint(lo, hi, n), y = b->midpoint(lo, hi, n);
    uint64_t p = a->inside(lo, hi, n), q = b->inside(lo, hi, n);

    CU_ASSERT_EQUAL(memcmp(&x, &y, sizeof x), 0);
    CU_ASSERT_EQUAL(p, q);
    if (p != q || memcmp(&x, &y, sizeof x) != 0)
        printf("\n    %s and %s differ on %llu..%llu of %llu: %a %a, %llu %llu\n", a->name, b->name,
               (unsigned long long)lo, (unsigned long long)hi, (unsigned long long)n, x, y,
               (unsigned long long)p, (unsigned long long)q);
}

static void clones_agree_bit_for_bit(void)
{
    uint64_t random = 1;

    for (size_t k = 1; pi_kernel(k); k++) {
        printf("%s %s ", pi_kernel(0)->name, pi_kernel(k)->name);
        for (int i = 0; i < 4000; i++) {
            uint64_t lo, n;

            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            lo = offsets[(random >> 40) % OFFSETS] + (random >> 50);
            n = i % 2 ? UINT64_C(1000000000000) : lo + 600000;
            same_bits(pi_kernel(0), pi_kernel(k), lo, lo + (random >> 20) % (i % 50 ? 600 : 600000), n);
        }
    }
}

static void counts_do_not_depend_on_the_cuts(void)
{
    for (int k = 0; k < OFFSETS; k++) {
        uint64_t lo = offsets[k], hi = lo + 5000, whole = pi_inside(lo, hi, 3);

        for (uint64_t step = 1; step < 3000; step = step * 2 + 1) {
            uint64_t sum = 0;

            for (uint64_t i = lo; i < hi; i += step)
                sum += pi_inside(i, i + step < hi ? i + step : hi, 3);
            CU_ASSERT_EQUAL(sum, whole);
        }
    }
}

static void nothing_comes_of_nothing(void)
{
    CU_ASSERT_EQUAL(pi_midpoint(7, 7, 100), 0.0);
    CU_ASSERT_EQUAL(pi_inside(7, 7, 0), 0);
}

static void both_give_pi(void)
{
    double pi = acos(-1.0), n = 1e7;

    CU_ASSERT_DOUBLE_EQUAL(pi_midpoint(0, 10000000, 10000000) / n, pi, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(pi_midpoint(0, 1, 1), 3.2, 1e-15);
    /* Within four times the standard deviation of each. */
    for (uint64_t seed = 0; seed < 5; seed++)
        CU_ASSERT_DOUBLE_EQUAL(4.0 * (double)pi_inside(0, 10000000, seed) / n, pi, 4.0 * 1.642 / sqrt(n));
}

static struct test tests[] = { TEST(chacha_is_as_published),
                               TEST(points_are_those_of_the_definition),
                               TEST(points_on_the_edge_are_decided_with_all_bits),
                               TEST(clones_agree_bit_for_bit),
                               TEST(counts_do_not_depend_on_the_cuts),
                               TEST(nothing_comes_of_nothing),
                               TEST(both_give_pi),
                               TEST_END };

int main(void)
{
    return run_tests("kernels", tests);
}
