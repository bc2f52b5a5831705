/* calls.c: maps, sums, reductions and loops over the pool: each unit of a call that has ended well has its
 * result, and none was made of another result; each failure is told once. */
#include "config.h"
#include "world.h"
#include "member/members.h"
#include "shm/heap.h"

int is_unknown(uint32_t call, int64_t rc)
{
    if (rc != KITH_EPEER || sim_node(sim_current) == 0 || !somebody_dies())
        return 0;
    play.calls[call].partly = 1;
    counted.unknown++;
    return 1;
}

int is_begun(uint32_t call, int64_t rc)
{
    if (!is_unknown(call, rc))
        PASS(rc);
    return rc >= 0;
}

struct part all_of(uint32_t call)
{
    return (struct part){ call, 0, play.units };
}

int is_whole(const struct part *p)
{
    return !play.calls[p->call].partly && (play.halt < 0 || count_failing(p->lo, p->n) == 0);
}

/* Each failure once; with .halt perhaps not all of them. */
void check_faults(const struct part *p, int64_t rc)
{
    uint32_t told = 0, failing = count_failing(p->lo, p->n);
    unsigned char seen[UNITS] = { 0 };
    struct kith_fault f;

    if (is_unknown(p->call, rc))
        return;
    if (rc != (failing ? KITH_ETASK : 0))
        wrong("a call with %u tasks that fail gives %lld", failing, (long long)rc);
    while (rc == KITH_ETASK && kith_last_fault(&f, told) == 0) {
        if (f.task >= p->n || !fails(p->lo + f.task) || seen[f.task]++ || f.code != 9)
            wrong("task %llu has failed with %d", (unsigned long long)f.task, f.code);
        told++;
    }
    if (play.halt < 0 ? told != failing : told > failing || (failing && told == 0))
        wrong("%u of %u failures are told", told, failing);
}

void check_results(const struct part *p, const double *y, int in_place, int all)
{
    for (uint64_t i = 0; i < p->n; i++) {
        double x = argument(p->call, p->lo + i), none = in_place ? x : 1;

        if (y[i] != result_of(x) && !(y[i] == none && (fails(p->lo + i) || !all)))
            wrong("result %llu of %d of call %u, kind %d from %u is %g, ran %d", (unsigned long long)i,
                  (int)p->n, p->call, play.calls[p->call].kind, sim_node(sim_current), y[i],
                  play.calls[p->call].ran[p->lo + i]);
        if (y[i] == result_of(x) && (fails(p->lo + i) || play.calls[p->call].ran[p->lo + i] == 0))
            wrong("result %llu of call %u is nobody's", (unsigned long long)i, p->call);
    }
}

/* In the memory of the node where they are used in place, or in that of the program. */
static double *take_room(int shared)
{
    uint64_t size = UNITS * sizeof(double), block;
    double *room;

    if (!shared) {
        REQUIRE(room = malloc(size));
        return room;
    }
    REQUIRE(block = kith__heap_alloc(size, kith__me));
    return kith__at(block);
}

static void leave_room(double *room, int shared)
{
    if (shared)
        kith__heap_free(kith__offset(room));
    else
        free(room);
}

void fill(const struct part *p, double *x, double *y)
{
    for (uint64_t i = 0; i < p->n; i++) {
        y[i] = 1;
        x[i] = argument(p->call, p->lo + i);
    }
}

static void map_bytes(uint32_t call)
{
    const struct part p = all_of(call);
    int shared = (int)draw(2);
    double *x = take_room(shared), *y = take_room(shared);

    fill(&p, x, y);
    check_faults(&p, kith_pool_map(play.pool, with_bytes, x, sizeof *x, y, sizeof *y, play.units));
    check_results(&p, y, 0, is_whole(&p));
    leave_room(x, shared);
    leave_room(y, shared);
}

static void map_in_place(uint32_t call)
{
    const struct part p = all_of(call);
    int shared = draw(4) > 0;
    double *x = take_room(shared);

    fill(&p, x, x);
    check_faults(&p, kith_map(play.pool, with_number, x, x, play.units));
    check_results(&p, x, 1, is_whole(&p));
    leave_room(x, shared);
}

static void sum(uint32_t call)
{
    const struct part p = all_of(call);
    const struct context arg = { call, 0 };
    double got = -1, all = 0;
    int rc = kith_pool_sum(play.pool, adds, &arg, sizeof arg, play.units, &got);

    for (uint64_t i = 0; i < play.units; i++)
        all += 1 / (double)(i + 1);
    check_faults(&p, rc);
    if (got != (rc == 0 ? all : -1)) /* to the last bit */
        wrong("a sum is %.17g, not %.17g", got, all);
}

static void reduce(uint32_t call)
{
    const struct part p = all_of(call);
    const struct context arg = { call, 0 };
    uint64_t total = 5;
    int rc =
        kith_pool_reduce(play.pool, counts, &arg, sizeof arg, play.units, add_counts, &total, sizeof total);

    check_faults(&p, rc);
    if (total != 5 + (rc == 0 ? play.units : 0))
        wrong("%llu units are counted", (unsigned long long)total);
}

static void loop(uint32_t call)
{
    const struct part p = all_of(call);
    const struct context arg = { call, 0 };

    check_faults(&p, kith_pool_for(play.pool, loops, &arg, sizeof arg, play.units));
}

/* It is given up when it has not ended after a while. */
static void await_or_cancel(kith_result r, const struct part *p)
{
    int rc = kith_result_get(r, NULL, 0, (int)draw(3000)), cancelled;

    if (rc != KITH_ETIMEDOUT) {
        check_faults(p, rc);
        return;
    }
    cancelled = kith_result_cancel(r);
    counted.cancelled += cancelled == 0;
    rc = kith_result_get(r, NULL, 0, KITH_FOREVER);
    if (cancelled != 0) {
        FAILS_WITH(KITH_EEND, cancelled);
        check_faults(p, rc);
    } else if (rc != KITH_ECANCELLED && !is_unknown(p->call, rc))
        wrong("call %u gives %d, and was cancelled", p->call, rc);
}

/* What has a result then has a right one, and all of it. */
static void sizes_and_cancel(const struct part *p, const double *x)
{
    kith_bytes *got = calloc(UNITS, sizeof *got);
    kith_result r;

    REQUIRE(got != NULL);
    r = kith_pool_map_bytes_async(play.pool, with_any_size, x, sizeof *x, got, p->n);
    if (is_begun(p->call, kith_check(r)))
        await_or_cancel(r, p);
    check_sizes(p, got, 0);
    free(got);
}

static void bytes_and_cancel(const struct part *p, const double *x, double *y)
{
    kith_result r = kith_pool_map_async(play.pool, with_bytes, x, sizeof *x, y, sizeof *y, p->n);

    if (is_begun(p->call, kith_check(r)))
        await_or_cancel(r, p);
    check_results(p, y, 0, 0);
}

static void map_and_cancel(uint32_t call)
{
    const struct part p = all_of(call);
    double *x = take_room(0), *y = take_room(0);

    fill(&p, x, y);
    if (draw(2))
        sizes_and_cancel(&p, x);
    else
        bytes_and_cancel(&p, x, y);
    leave_room(x, 0);
    leave_room(y, 0);
}

void make_call(uint32_t call)
{
    static void (*const ways[KINDS])(uint32_t call) = {
        [BYTES] = map_bytes,
        [IN_PLACE] = map_in_place,
        [SUM] = sum,
        [REDUCE] = reduce,
        [LOOP] = loop,
        [CANCELLED] = map_and_cancel,
        [ANY_SIZE] = map_sizes,
        [AT_ONCE] = map_at_once,
        [SINGLE] = single_tasks,
        [GIVEN_UP] = single_tasks,
        [ONE_BY_ONE] = iterate,
        [AS_THEY_COME] = iterate,
    };

    ways[play.calls[call].kind](call);
}

void check_units(void)
{
    for (uint32_t k = 0; k < CALLS; k++) {
        const struct part p = all_of(k);

        for (uint64_t i = 0; i < play.units; i++) {
            uint32_t ran = play.calls[k].ran[i];

            if (play.calls[k].ended && play.calls[k].kind != CANCELLED &&
                (is_whole(&p) || play.calls[k].kind >= SINGLE) && ran == 0)
                wrong("unit %llu of call %u was not run", (unsigned long long)i, k);
            if (runs_once() && ran > 1)
                wrong("unit %llu of call %u was run %u times", (unsigned long long)i, k, ran);
        }
    }
}
