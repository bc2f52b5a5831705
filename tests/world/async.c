/* async.c: maps that nobody waits for while others begin: more of them than are under way at a time. Each
 * ends once, and whoever wants to know hears of it once. */
#include "config.h"
#include "world.h"

enum { MAPS = 20 };

struct map {
    struct part part;
    kith_result result;
    int sizes, wanted; /* its results are of any size; somebody wants to hear of its end, */
    int heard;         /* and has, so often */
    double x[UNITS], y[UNITS];
    kith_bytes got[UNITS];
};

static void hears(kith_result r, void *arg)
{
    struct map *m = arg;

    if (r.id != m->result.id || m->heard++)
        wrong("somebody hears %d times of the end of a map of call %u", m->heard, m->part.call);
}

static int begin(struct map *m)
{
    fill(&m->part, m->x, m->y);
    m->sizes = (int)draw(2);
    m->wanted = (int)draw(2);
    m->result = m->sizes ? kith_pool_map_bytes_async(play.pool, with_any_size, m->x, sizeof m->x[0], m->got,
                                                     m->part.n)
                         : kith_pool_map_async(play.pool, with_bytes, m->x, sizeof m->x[0], m->y,
                                               sizeof m->y[0], m->part.n);
    if (!is_begun(m->part.call, kith_check(m->result)))
        return 0;
    if (m->wanted)
        PASS(kith_result_notify(m->result, hears, m));
    return 1;
}

static void check(struct map *m, int rc)
{
    const int over = rc == 0 || rc == KITH_ETASK;

    check_faults(&m->part, rc);
    if (m->sizes)
        check_sizes(&m->part, m->got, is_whole(&m->part));
    else
        check_results(&m->part, m->y, 0, is_whole(&m->part));
    for (uint64_t i = 0; over && i < m->part.n; i++)
        play.calls[m->part.call].over[m->part.lo + i] = 1;
    counted.at_once++;
}

/* 0: it has not ended. */
static int take(struct map *m)
{
    int rc = kith_result_get(m->result, NULL, 0, draw(2) ? KITH_FOREVER : (int)draw(100));

    if (rc == KITH_ETIMEDOUT)
        return 0;
    check(m, rc);
    FAILS_WITH(KITH_ESTALE, kith_result_ready(m->result));
    while (m->heard < m->wanted)
        sim_rest(1);
    return 1;
}

static void make_maps(struct map **maps, uint64_t all)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < all; i++) {
        maps[count] = maps[i];
        if (begin(maps[i]))
            count++;
        else
            free(maps[i]);
    }
    while (count > 0) {
        uint64_t i = draw(2) ? 0 : draw(count);
        struct map *m = maps[i];

        if (!take(m))
            continue;
        maps[i] = maps[--count];
        free(m);
    }
}

void map_at_once(uint32_t call)
{
    uint64_t count = 1 + draw(MAPS), lo = 0;
    struct map *maps[MAPS];

    for (uint64_t i = 0; i < count; i++) {
        REQUIRE(maps[i] = calloc(1, sizeof *maps[i]));
        maps[i]->part = (struct part){ call, lo, (play.units * (i + 1)) / count - lo };
        lo += maps[i]->part.n;
    }
    make_maps(maps, count);
}
