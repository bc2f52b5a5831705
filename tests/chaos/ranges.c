/* ranges.c: calls over a range of numbers: for, sum and reduce. A unit is a block of the range. */
#include "config.h"
#include "kinds.h"
#include "queues.h"
#include "pool/chunk.h"

#include <string.h>

/* The argument of such a call: its tasks see from their lo which action is theirs. */
struct range {
    uint64_t n, blocks;
    uint32_t run;
    struct place at;
    struct {
        uint64_t lo;
        uint32_t action;
    } special[64];
    int specials;
};

static uint64_t block_of(const struct range *r, uint64_t lo)
{
    uint64_t first = 0, behind = r->blocks, at, hi;

    while (behind - first > 1) {
        uint64_t b = (first + behind) / 2;

        kith__part(r->n, r->blocks, b, &at, &hi);
        *(at <= lo ? &first : &behind) = b;
    }
    return first;
}

static int play_block(const struct range *r, uint64_t lo)
{
    uint64_t b = block_of(r, lo);
    enum action action = WELL;

    for (int i = 0; i < r->specials; i++)
        if (r->special[i].lo == lo)
            action = (enum action)r->special[i].action;
    return act(action, r->run < RUNS ? r->run + (uint32_t)b : RUNS, &r->at);
}

static int play_for(uint64_t lo, uint64_t hi, const void *arg)
{
    CHECK(lo < hi && kith_arg_size() == sizeof(struct range), "a block from %llu to %llu",
          (unsigned long long)lo, (unsigned long long)hi);
    return play_block(arg, lo);
}

static double sum_of(uint64_t lo, uint64_t hi)
{
    double sum = 0;

    for (uint64_t i = lo; i < hi; i++)
        sum += (double)(i % 1000) / 7;
    return sum;
}

static double play_sum(uint64_t lo, uint64_t hi, const void *arg)
{
    play_block(arg, lo);
    return sum_of(lo, hi);
}

struct total {
    uint64_t next, sum;
};

static int play_reduce(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    struct total *t = part;
    int rc = play_block(arg, lo);

    t->next = lo;
    t->sum = (lo + hi - 1) * (hi - lo) / 2;
    return rc;
}

static void fold(void *total, const void *part)
{
    struct total *t = total;
    const struct total *p = part;

    CHECK(p->next >= t->next, "parts are folded in another order");
    t->next = p->next + 1;
    t->sum += p->sum;
}

/* Tells the actions of c; those that have no room are well. */
static void tell_deeds(struct range *r, struct call *c)
{
    r->run = c->run;
    for (size_t b = 0; b < c->units; b++)
        if (c->actions[b] != WELL && r->specials < 64) {
            r->special[r->specials].lo = task_of(c, b);
            r->special[r->specials++].action = c->actions[b];
        } else
            c->actions[b] = WELL;
}

/* Block for block: sums of doubles depend on the order. */
static void look_at_sum(const struct range *r, double sum)
{
    double must = 0;

    for (uint64_t b = 0; b < r->blocks; b++) {
        uint64_t lo, hi;

        kith__part(r->n, r->blocks, b, &lo, &hi);
        must += sum_of(lo, hi);
    }
    CHECK(memcmp(&sum, &must, sizeof sum) == 0, "a sum over %llu is %.17g, not %.17g",
          (unsigned long long)r->n, sum, must);
}

void range_call(struct call *c, int below, struct dice *d)
{
    enum { FOR, SUM, REDUCE };
    static const char *const names[] = { "for", "sum", "reduce" };
    int kind = (int)roll(d, 3);
    uint64_t n = below        ? 1 + roll(d, 20)
                 : roll(d, 8) ? some_count(c, d)
                              : few_workers(c, 65536 + roll(d, 200000));
    struct range r = { .n = n, .blocks = n ? kith__block_count(n) : 0, .at = { c->pool, c->life, 0, 0 } };
    kith_pool pool = { c->handle };
    struct total total = { 0, 0 };
    double sum = -1;

    choose_queue(&r.at, d);
    begin_call(c, names[kind], r.blocks, n, 1, kind != SUM, d);
    tell_deeds(&r, c);
    c->rc = kind == FOR   ? kith_for(pool, play_for, KITH_ARG(r), n)
            : kind == SUM ? kith_sum(pool, play_sum, KITH_ARG(r), n, &sum)
                          : kith_reduce(pool, play_reduce, KITH_ARG(r), n, fold, &total);
    count_runs(c);
    if (end_call(c) && c->rc == 0 && kind == SUM)
        look_at_sum(&r, sum);
    if (c->rc != 0)
        CHECK(sum == -1 && total.sum == 0 && total.next == 0, "%s: a total of a call that failed is changed",
              c->what);
    else if (kind == REDUCE)
        CHECK(n == 0 ? total.sum == 0 : total.sum == n * (n - 1) / 2, "a total over %llu is %llu",
              (unsigned long long)n, (unsigned long long)total.sum);
}
