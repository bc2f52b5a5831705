/* calls.c: see calls.h. */
#include "config.h"
#include "calls.h"
#include "kinds.h"
#include "world.h"

#include <string.h>
#include <unistd.h>

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

/* ---- calls that do not wait */

enum { MAPS = 4 };

struct maps {
    int n[MAPS], in[MAPS][MOST], out[MAPS][MOST];
    kith_result r[MAPS];
};

_Atomic int have_not_waited;
static _Atomic int told[THREADS + PROCESSES]; /* of each actor of this process: calls that it was told of */

static void tell(kith_result r, void *arg)
{
    int rc = kith_result_ready(r);

    CHECK(rc == 1 || rc == KITH_ESTALE || is_excused(rc),
          "a function is called before the end of its call: %d", rc);
    atomic_fetch_add((_Atomic int *)arg, 1);
}

/* How many were begun. */
static int begin_maps(struct maps *m, kith_pool p, struct dice *d)
{
    int begun = 0, wanted = 1 + (int)roll(d, MAPS);

    for (; begun < wanted; begun++) {
        m->n[begun] = draw_numbers(m->in[begun], d);
        atomic_store(&have_not_waited, 1);
        m->r[begun] = kith_map_async(p, play_int, m->in[begun], m->out[begun], (size_t)m->n[begun]);
        if (kith_check(m->r[begun]) < 0)
            break;
    }
    CHECK(begun == wanted || is_excused(kith_check(m->r[begun])), "a map that does not wait gives %d",
          kith_check(m->r[begun]));
    return begun;
}

/* Some of them, or one, by either way of waiting. */
static void await_maps(struct maps *m, int begun, struct dice *d)
{
    struct kith_waitable list[MAPS];
    size_t enough = roll(d, 2) ? 1 : (size_t)begun;
    int64_t rc;

    if (roll(d, 2))
        rc = kith_results_wait(m->r, (size_t)begun, enough, KITH_FOREVER);
    else {
        for (int i = 0; i < begun; i++)
            list[i] = kith_on(m->r[i]);
        rc = kith_wait(list, (size_t)begun, KITH_FOREVER);
        enough = 1;
    }
    CHECK(rc >= (int64_t)enough || excused((int)rc), "a wait for %d maps gives %d", begun, (int)rc);
}

/* Each result once, whatever has become of the call. */
static void take_maps(struct maps *m, int begun)
{
    for (int i = 0; i < begun; i++) {
        int rc = kith_result_get(m->r[i], NULL, 0, KITH_FOREVER);

        CHECK(rc == 0 || is_excused(rc), "the result of a map that did not wait gives %d", rc);
        for (int k = 0; k < m->n[i] && rc == 0; k++)
            CHECK(m->out[i][k] == play_int_gives(m->in[i][k]), "result %d of such a map is %d", k,
                  m->out[i][k]);
    }
}

static void maps_without_waiting(kith_pool p, struct dice *d)
{
    struct maps m;
    _Atomic int *mine = &told[my_actor];
    int begun = begin_maps(&m, p, d), before = atomic_load(mine), asked = 0;

    for (int i = 0; i < begun && roll(d, 2); i++) {
        int rc = kith_result_notify(m.r[i], tell, mine);

        CHECK(rc == 0 || is_excused(rc), "notify gives %d", rc);
        asked += rc == 0;
    }
    if (begun > 0)
        await_maps(&m, begun, d);
    take_maps(&m, begun);
    for (int i = 0; i < 10000 && atomic_load(mine) < before + asked && !disturbed(); i++)
        usleep(1000);
    CHECK(atomic_load(mine) == before + asked || disturbed(), "of %d functions %d were called", asked,
          atomic_load(mine) - before);
}

/* In any order: each once. */
static void as_they_come(kith_pool p, struct dice *d)
{
    int in[MOST], n = draw_numbers(in, d), y, rc, got = 0;
    kith_iter it = kith_imap_unordered(p, play_int, in, (size_t)n);
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += play_int_gives(in[i]);
    if ((rc = kith_check(it)) == 0) {
        for (; (rc = kith_next(it, &y)) == 0; got++)
            sum -= y;
        CHECK(kith_iter_close(it) == 0, "an Iterator cannot be closed");
    }
    CHECK(rc == KITH_EEND || is_excused(rc), "results as they come give %d", rc);
    CHECK(rc != KITH_EEND || (got == n && sum == 0),
          "%d results as they come, of %d: their sum is wrong by %lld", got, n, (long long)sum);
}

void other_call(kith_pool p, struct dice *d)
{
    switch (roll(d, 5)) {
    case 0: map_with_costs(p, d); break;
    case 1: map_to_bytes(p, d); break;
    case 2: maps_without_waiting(p, d); break;
    case 3: as_they_come(p, d); break;
    default: map_to_state(p, d); break;
    }
}
