/* test_part.c: a part of a job, posted as a job of its own, is what it would be in the whole: its results
 * have the same bits, its random numbers are the same, and its faults name the same tasks. */
#include "config.h"
#include "check.h"
#include "pool/call.h"
#include "pool/chunk.h"
#include "pool/fault.h"

enum { BLOCKS_MOST = 65536 };

/* A sum whose bits depend on where it begins and ends. */
static double harmonic(uint64_t lo, uint64_t hi, const void *arg)
{
    double sum = 0;

    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        sum += 1.0 / (double)(i + 1);
    return sum;
}

static int drawn(uint64_t lo, uint64_t hi, const void *arg, void *out)
{
    uint64_t *x = out;

    (void)arg;
    x[0] = lo;
    x[1] = hi;
    x[2] = kith_random();
    x[3] = kith_random();
    return 0;
}

static int drawn_by_map(const void *in, void *out)
{
    uint64_t x;

    memcpy(&x, in, sizeof x);
    x += kith_random();
    memcpy(out, &x, sizeof x);
    return 0;
}

static int fails_at_block(uint64_t lo, uint64_t hi, const void *arg)
{
    uint64_t at;

    memcpy(&at, arg, sizeof at);
    return at >= lo && at < hi ? 7 : 0;
}

struct copy {
    char *to;
    size_t size; /* of a block's result */
};

static void copy_blocks(struct kith__call *c, void *context)
{
    const struct copy *copy = context;

    memcpy(copy->to, kith__at(c->job->out), c->job->units * copy->size);
}

static struct kith__call_spec range(kith_pool p, enum kith__job_kind kind, kith__anyfn *fn, uint64_t n,
                                    size_t size)
{
    return (
        struct kith__call_spec){ .pool = p, .name = "fn", .fn = fn, .kind = kind, .n = n, .out_size = size };
}

/* Blocks [first, first + units) of s. */
static int blocks_of(struct kith__call_spec s, uint64_t first, uint64_t units, void *to)
{
    struct kith__call_part part = { .first = first, .units = units, .call = 12345, .tries = 2 };
    struct copy copy = { to, s.out_size };

    s.part = &part;
    return kith__call(&s, copy_blocks, &copy);
}

static void check_parts(struct kith__call_spec s)
{
    static const uint64_t lengths[] = { 1, 7, 1000, 3, 40000, 1 };
    uint64_t blocks = kith__block_count(s.n), first = 0;
    char *whole = malloc(blocks * s.out_size), *parts = calloc(blocks, s.out_size);

    CU_ASSERT_FATAL(whole && parts);
    PASS(blocks_of(s, 0, blocks, whole));
    for (int i = 0; first < blocks; i = (i + 1) % 6) {
        uint64_t n = lengths[i] < blocks - first ? lengths[i] : blocks - first;

        PASS(blocks_of(s, first, n, parts + first * s.out_size));
        first += n;
    }
    CU_ASSERT(memcmp(whole, parts, blocks * s.out_size) == 0);
    free(whole);
    free(parts);
}

static void sums_have_the_same_bits(void)
{
    kith_pool p = kith_pool_open(3);

    check_parts(range(p, KITH__JOB_SUM, (kith__anyfn *)harmonic, 1000003, sizeof(double)));
    check_parts(range(p, KITH__JOB_SUM, (kith__anyfn *)harmonic, 5000, sizeof(double)));
    PASS(kith_pool_close(p));
}

static void blocks_and_random_numbers_are_those_of_the_whole(void)
{
    kith_pool p = kith_pool_open(3);

    check_parts(range(p, KITH__JOB_REDUCE, (kith__anyfn *)drawn, 200001, 4 * sizeof(uint64_t)));
    PASS(kith_pool_close(p));
}

static void so_are_those_of_maps(void)
{
    enum { N = 3000, FIRST = 1234, UNITS = 777 };
    kith_pool p = kith_pool_open(2);
    static uint64_t x[N], whole[N], part[UNITS];
    struct kith__call_part all = { .first = 0, .units = N, .call = 99, .tries = 2 },
                           some = { .first = FIRST, .units = UNITS, .call = 99, .tries = 2 };
    struct kith__call_spec s = { .pool = p,
                                 .name = "drawn_by_map",
                                 .fn = (kith__anyfn *)drawn_by_map,
                                 .kind = KITH__JOB_BYTES,
                                 .n = N,
                                 .part = &all,
                                 .in = x,
                                 .out = whole,
                                 .in_size = sizeof *x,
                                 .out_size = sizeof *x };

    for (uint64_t i = 0; i < N; i++)
        x[i] = i << 20;
    PASS(kith__call(&s, NULL, NULL));
    s.part = &some;
    s.n = UNITS;
    s.in = x + FIRST;
    s.out = part;
    PASS(kith__call(&s, NULL, NULL));
    CU_ASSERT(memcmp(part, whole + FIRST, sizeof part) == 0);
    CU_ASSERT(whole[1] != whole[0] + (1 << 20)); /* they are random */
    PASS(kith_pool_close(p));
}

static void faults_name_the_tasks_of_the_whole(void)
{
    kith_pool p = kith_pool_open(2);
    uint64_t at = 600000, lo, hi;
    struct kith__call_spec s = range(p, KITH__JOB_FOR, (kith__anyfn *)fails_at_block, 1000000, 0);
    struct kith__call_part part = { .first = 30000, .units = 20000, .call = 1, .tries = 2 };
    struct kith_fault f;

    s.arg = &at;
    s.arg_size = sizeof at;
    s.part = &part;
    FAILS_WITH(KITH_ETASK, kith__call(&s, NULL, NULL));
    PASS(kith_last_fault(&f, 0));
    CU_ASSERT_EQUAL(f.code, 7);
    for (uint64_t b = part.first; kith__part(s.n, BLOCKS_MOST, b, &lo, &hi), hi <= at; b++)
        ;
    CU_ASSERT_EQUAL(f.task, lo);
    FAILS_WITH(KITH_EEND, kith_last_fault(&f, 1));
    PASS(kith_pool_close(p));
}

static struct test tests[] = { TEST(sums_have_the_same_bits),
                               TEST(blocks_and_random_numbers_are_those_of_the_whole),
                               TEST(so_are_those_of_maps), TEST(faults_name_the_tasks_of_the_whole),
                               TEST_END };

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("part", tests);
    return kith_finalize() ? 1 : rc;
}
