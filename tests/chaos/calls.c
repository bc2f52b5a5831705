/* calls.c: see calls.h. */
#include "config.h"
#include "calls.h"
#include "kinds.h"
#include "world.h"

#include <string.h>

enum { MOST = 60, LARGEST = 20000 };

static int is_excused(int rc)
{
    return disturbed() || excused(rc);
}

/* Numbers that none of the model's tasks has. */
static int draw_numbers(int *in, struct dice *d)
{
    int n = (int)roll(d, MOST);

    for (int i = 0; i < n; i++)
        in[i] = (5 + i) << 3 | (int)RUNS;
    return n;
}

static void map_with_costs(kith_pool p, struct dice *d)
{
    int in[MOST], out[MOST] = { 0 }, n = draw_numbers(in, d), rc;
    double costs[MOST];

    for (int i = 0; i < n; i++)
        costs[i] = (double)roll(d, 100) - 10;
    rc = kith_map_costs(p, play_int, in, out, (size_t)n, roll(d, 5) ? costs : NULL);
    CHECK(rc == 0 || is_excused(rc), "a map with costs gives %d", rc);
    for (int i = 0; i < n && rc == 0; i++)
        CHECK(out[i] == play_int_gives(in[i]), "result %d of a map with costs is %d", i, out[i]);
}

/* ---- results of any size */

static size_t size_for(int x)
{
    uint64_t r = mixed((uint64_t)x);

    return r % 8 == 0 ? 0 : r % 5 == 0 ? r / 64 % LARGEST : r / 64 % 100;
}

static int make_bytes(const void *in, kith_bytes *out)
{
    int x = *(const int *)in;
    int rc = kith_bytes_set(out, NULL, size_for(x));

    if (rc == 0 && out->data)
        memset(out->data, x & 127, out->size);
    return rc;
}

static void look_at_bytes(int x, const kith_bytes *b)
{
    const char *p = b->data;

    CHECK(b->size == size_for(x), "a result has %zu bytes, not %zu", b->size, size_for(x));
    for (size_t i = 0; i < b->size; i++)
        if (p[i] != (x & 127)) {
            wrong("byte %zu of %zu of a result is wrong", i, b->size);
            break;
        }
}

/* A worker that is killed leaves up to one of them behind. */
static void map_to_bytes(kith_pool p, struct dice *d)
{
    int in[MOST], n = draw_numbers(in, d), rc;
    kith_bytes out[MOST];

    memset(out, 0, sizeof out);
    atomic_fetch_add(&world->blocks, n);
    rc = kith_map(p, make_bytes, in, out, (size_t)n);
    CHECK(rc == 0 || is_excused(rc), "a map to bytes gives %d", rc);
    for (int i = 0; i < n; i++)
        if (rc == 0)
            look_at_bytes(in[i], &out[i]);
    CHECK(kith_bytes_free(out, (size_t)n) == 0, "results of a map cannot be freed");
    if (!disturbed())
        atomic_fetch_sub(&world->blocks, n);
}

/* ---- the state of a worker */

struct state {
    long calls, check;
};

static int count_in_state(const void *in, void *out)
{
    struct state *s = kith_worker_state(sizeof *s);

    (void)in;
    if (!s)
        return 1;
    CHECK(s->check == s->calls * 3, "the state of a worker has %ld and %ld", s->calls, s->check);
    s->calls++;
    s->check += 3;
    memcpy(out, &s->calls, sizeof s->calls);
    return 0;
}

/* Each worker counts from where it was: so nobody has counted more than all calls so far. */
static void map_to_state(kith_pool p, struct dice *d)
{
    long out[MOST] = { 0 }, in[MOST] = { 0 };
    int n = (int)roll(d, MOST), rc;

    rc = kith_map(p, count_in_state, in, out, (size_t)n);
    CHECK(rc == 0 || is_excused(rc), "a map with a state gives %d", rc);
    for (int i = 0; i < n && rc == 0; i++)
        CHECK(out[i] >= 1 && (disturbed() || out[i] <= n), "a worker has counted to %ld in %d tasks", out[i],
              n);
    CHECK(kith_worker_state(8) == NULL, "there is a state outside of tasks");
}

void other_call(kith_pool p, struct dice *d)
{
    switch (roll(d, 3)) {
    case 0: map_with_costs(p, d); break;
    case 1: map_to_bytes(p, d); break;
    default: map_to_state(p, d); break;
    }
}
