/* sizes.c: results of any size: each is all there, and what nobody takes is freed: what the dead had, too. */
#include "config.h"
#include "world.h"

/* Also of more than the ring, a message, or a piece of one takes. */
static uint64_t size_of(uint64_t unit, int some)
{
    static const uint64_t sizes[] = { 8, 9, 64, 500, 5000, 40000, 8, 0 };

    return sizes[unit % (some ? 7 : 8)];
}

static unsigned char byte_of(uint64_t unit, uint64_t i)
{
    return (unsigned char)(unit * 7 + i * 13 + i / 256);
}

/* What it takes besides is freed: by itself, or as it fails. */
static int leave_size(const void *in, kith_bytes *out, int some)
{
    void *besides = draw(8) ? NULL : kith_alloc(100);
    unsigned char *bytes;
    uint32_t call;
    uint64_t unit, size;
    double x;
    int rc;

    memcpy(&x, in, sizeof x);
    size = size_of((uint64_t)x % UNITS, some);
    play.calls[(uint64_t)x / UNITS].sizes = 1;
    PASS(size ? kith_bytes_set(out, NULL, size) : 0);
    bytes = out->data;
    rc = read_argument(x, &call, &unit);
    if (rc == 0)
        kith_free(besides);
    if (rc || size == 0)
        return rc;
    x = result_of(x);
    memcpy(bytes, &x, sizeof x);
    for (uint64_t i = sizeof x; i < size; i++)
        bytes[i] = byte_of(unit, i);
    return 0;
}

int with_any_size(const void *in, kith_bytes *out)
{
    return leave_size(in, out, 0);
}

int with_some_size(const void *in, kith_bytes *out)
{
    return leave_size(in, out, 1);
}

double take_size(const kith_bytes *got, uint64_t unit, int some)
{
    const unsigned char *bytes = got->data;
    double x = 0;

    if (got->size == 0)
        return 0;
    if (got->size != size_of(unit, some))
        wrong("result %llu has %llu bytes", (unsigned long long)unit, (unsigned long long)got->size);
    memcpy(&x, bytes, sizeof x);
    for (uint64_t i = sizeof x; i < got->size; i++)
        if (bytes[i] != byte_of(unit, i)) {
            wrong("result %llu has a wrong byte %llu", (unsigned long long)unit, (unsigned long long)i);
            break;
        }
    return x;
}

static void check_size(const struct part *p, uint64_t unit, const kith_bytes *got, int all)
{
    double x = take_size(got, unit, 0);

    if (got->size == 0 && size_of(unit, 0) > 0 && all && !fails(unit))
        wrong("result %llu of call %u is not there", (unsigned long long)unit, p->call);
    if (got->size > 0 && (fails(unit) || x != result_of(argument(p->call, unit))))
        wrong("result %llu of call %u is %g", (unsigned long long)unit, p->call, x);
}

void check_sizes(const struct part *p, kith_bytes *got, int all)
{
    for (uint64_t i = 0; i < p->n; i++)
        check_size(p, p->lo + i, &got[i], all);
    PASS(kith_bytes_free(got, p->n));
}

void map_sizes(uint32_t call)
{
    const struct part p = all_of(call);
    double *x = malloc(UNITS * sizeof *x), *y = malloc(UNITS * sizeof *y);
    kith_bytes *got = calloc(UNITS, sizeof *got);

    REQUIRE(x && y && got);
    fill(&p, x, y);
    check_faults(&p, kith_pool_map_bytes(play.pool, with_any_size, x, sizeof *x, got, p.n));
    check_sizes(&p, got, is_whole(&p));
    free(x);
    free(y);
    free(got);
}
