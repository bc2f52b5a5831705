/* singles.c: single tasks, and those of Iterators: each result is taken once; some are cancelled, or dropped.
 */
#include "config.h"
#include "world.h"

static int with_much(const void *in, void *out)
{
    double x[MUCH];
    int rc = with_bytes(in, x);

    for (int i = 1; i < MUCH; i++)
        x[i] = x[0];
    if (rc == 0)
        memcpy(out, x, sizeof x);
    return rc;
}

static int is_much(uint64_t unit)
{
    return unit % 5 == 4;
}

static kith_result give(uint32_t call, uint64_t unit)
{
    double x[MUCH] = { argument(call, unit) };

    if (is_much(unit))
        return kith_pool_apply_async(play.pool, with_much, x, sizeof x, sizeof x);
    if (unit % 2)
        return kith_pool_apply_async(play.pool, with_bytes, x, sizeof *x, sizeof *x);
    return kith_apply_async(play.pool, with_number, x[0]);
}

/* What a task has come to, and its result, when that is there. */
static void check_task(uint32_t call, uint64_t unit, int rc, const double *y)
{
    struct kith_fault f = { 0 };

    if (is_unknown(call, rc))
        return;
    if (rc != (fails(unit) ? KITH_ETASK : 0))
        wrong("task %llu of call %u gives %d", (unsigned long long)unit, call, rc);
    if (rc == 0 && *y != result_of(argument(call, unit)))
        wrong("result %llu of call %u is %g", (unsigned long long)unit, call, *y);
    if (rc == 0 && play.calls[call].ran[unit] == 0)
        wrong("result %llu of call %u is nobody's", (unsigned long long)unit, call);
    if (rc == KITH_ETASK && (kith_last_fault(&f, 0) < 0 || f.code != 9 || kith_last_fault(&f, 1) == 0))
        wrong("task %llu of call %u has failed with %d", (unsigned long long)unit, call, f.code);
    if (play.calls[call].over[unit]++)
        wrong("task %llu of call %u ends twice", (unsigned long long)unit, call);
    counted.tasks++;
}

struct given {
    kith_result result;
    uint64_t unit;
    int cancelled;
};

/* 0: it has not ended. */
static int take(uint32_t call, const struct given *g)
{
    double y[MUCH] = { 0 };
    uint64_t size = sizeof y[0] * (is_much(g->unit) ? MUCH : 1);
    int rc;

    if (draw(4) == 0 && (rc = kith_result_ready(g->result)) < 1) {
        PASS(rc);
        return 0;
    }
    rc = kith_result_get(g->result, y, size, draw(2) ? KITH_FOREVER : (int)draw(100));
    if (rc == KITH_ETIMEDOUT)
        return 0;
    if (!g->cancelled) {
        check_task(call, g->unit, rc, y);
        if (rc == 0 && is_much(g->unit) && y[MUCH - 1] != y[0])
            wrong("the result of task %llu has %g at its end", (unsigned long long)g->unit, y[MUCH - 1]);
    } else if (rc != KITH_ECANCELLED && !is_unknown(call, rc))
        wrong("task %llu of call %u gives %d, and was cancelled", (unsigned long long)g->unit, call, rc);
    play.calls[call].over[g->unit] = rc != KITH_EPEER;
    FAILS_WITH(KITH_ESTALE, kith_result_get(g->result, y, size, 0));
    return 1;
}

/* What has ended stays as it is. */
static void cancel(struct given *g)
{
    int rc = kith_result_cancel(g->result);

    if (rc == 0)
        g->cancelled = 1;
    else
        FAILS_WITH(KITH_EEND, rc);
    counted.tasks_cancelled += rc == 0;
}

/* Until so many are under way at most. */
static uint64_t take_some(uint32_t call, struct given *all, uint64_t count, uint64_t most)
{
    const int gives_up = play.calls[call].kind == GIVEN_UP;

    while (count > most) {
        uint64_t i = draw(3) ? 0 : draw(count);

        if (gives_up && draw(8) == 0 && !all[i].cancelled)
            cancel(&all[i]);
        if (gives_up && draw(30) == 0)
            PASS(kith_result_drop(all[i].result));
        else if (!take(call, &all[i]))
            continue;
        memmove(&all[i], &all[i + 1], (--count - i) * sizeof *all);
    }
    return count;
}

void single_tasks(uint32_t call)
{
    struct given *all = calloc(UNITS, sizeof *all);
    uint64_t count = 0, most = draw(2) ? UNITS : 1 + draw(50);

    REQUIRE(all != NULL);
    play.calls[call].partly = play.calls[call].kind == GIVEN_UP;
    for (uint64_t i = 0; i < play.units; i++) {
        all[count] = (struct given){ give(call, i), i, 0 };
        if (is_begun(call, kith_check(all[count].result)))
            count = take_some(call, all, count + 1, most - 1);
    }
    take_some(call, all, count, 0);
    free(all);
}

static int next_argument(void *item, void *arg)
{
    struct context *at = arg;
    double x = argument(at->call, at->at);

    if (at->at == play.units)
        return 0;
    at->at++;
    memcpy(item, &x, sizeof x);
    return 1;
}

/* The unit of a result that has come as the n-th: of one that has failed the fault tells it. */
static uint64_t unit_of(int rc, double y, uint32_t call)
{
    struct kith_fault f = { 0 };

    if (rc == KITH_ETASK && kith_last_fault(&f, 0) == 0)
        return f.task;
    return (uint64_t)(-y - 1) - call * UNITS;
}

static kith_iter open_iterator(struct context *at, int sizes)
{
    const int in_order = play.calls[at->call].kind == ONE_BY_ONE;

    if (sizes)
        return (in_order ? kith_pool_imap_bytes_from : kith_pool_imap_bytes_unordered_from)(
            play.pool, with_some_size, next_argument, at, sizeof(double));
    return (in_order ? kith_pool_imap_from : kith_pool_imap_unordered_from)(
        play.pool, with_bytes, next_argument, at, sizeof(double), sizeof(double));
}

/* The next result, which is the n-th, if it comes in time; its number, if it has one. */
static int next_result(kith_iter it, int sizes, double *y)
{
    const int timeout_ms = draw(2) ? KITH_FOREVER : (int)draw(100);
    kith_bytes got = { 0 };
    int rc;

    if (!sizes)
        return kith_iter_next(it, y, sizeof *y, timeout_ms);
    rc = kith_iter_next(it, &got, sizeof got, timeout_ms);
    if (rc == 0 && got.size >= sizeof *y) {
        memcpy(y, got.data, sizeof *y);
        take_size(&got, (uint64_t)(-*y - 1) % UNITS, 1);
    }
    PASS(kith_bytes_free(&got, 1));
    return rc;
}

void iterate(uint32_t call)
{
    const int in_order = play.calls[call].kind == ONE_BY_ONE, sizes = (int)draw(2);
    const uint64_t enough = draw(4) ? play.units : draw(play.units);
    struct context at = { call, 0 };
    kith_iter it = open_iterator(&at, sizes);
    double y = 0;

    if (!is_begun(call, kith_check(it)))
        return;
    play.calls[call].partly = enough < play.units;
    for (uint64_t n = 0; n < enough;) {
        int rc = next_result(it, sizes, &y);
        uint64_t unit;

        if (rc == KITH_ETIMEDOUT)
            continue;
        if (is_unknown(call, rc))
            break;
        unit = in_order ? n : unit_of(rc, y, call);
        if (unit >= play.units) {
            wrong("a result of call %u is %g, or its code %d", call, y, rc);
            break;
        }
        check_task(call, unit, rc, &y);
        n++;
    }
    if (!play.calls[call].partly)
        FAILS_WITH(KITH_EEND, kith_iter_next(it, &y, sizes ? sizeof(kith_bytes) : sizeof y, KITH_FOREVER));
    PASS(kith_iter_close(it));
}
