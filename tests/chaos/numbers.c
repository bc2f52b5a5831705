/* numbers.c: calls whose tasks have numbers for arguments and results. A number holds the action and its run.
 */
#include "config.h"
#include "kinds.h"
#include "memory.h"

#include <string.h>

int play_int_gives(int x)
{
    return x ^ 0x5a5a;
}

int play_int(int x)
{
    return act((enum action)(x >> 24), (uint32_t)x & 0xffffff, NULL) ? -1 : play_int_gives(x);
}

static long play_long(long x, long y)
{
    return act((enum action)(x >> 24), (uint32_t)x & 0xffffff, NULL) ? -1 : x * 3 + y;
}

static double play_double(double x)
{
    return act((enum action)((long)x >> 24), (uint32_t)(long)x & 0xffffff, NULL) ? -1.0 : x / 2;
}

static long packed(const struct call *c, size_t i)
{
    return (long)c->actions[i] << 24 | (long)run_of(c, i);
}

struct numbers {
    size_t n, size; /* size: of one number */
    enum memory in_kind, out_kind;
    void *in, *out;
};

/* Of n tasks, with columns numbers each. 1: there is memory for them. */
static int begin_numbers(struct numbers *x, struct call *c, const char *what, size_t columns, size_t size,
                         int below, struct dice *d)
{
    x->n = below ? 1 + roll(d, 6) : some_count(c, d);
    x->size = size;
    x->in_kind = some_memory(d);
    x->out_kind = some_memory(d);
    x->in = give(x->n * columns * size, x->in_kind);
    x->out = give(x->n * size, x->out_kind);
    begin_call(c, what, x->n, 0, 0, 0, d);
    if (!x->in || !x->out)
        return 0;
    memset(x->out, 0xee, x->n * size);
    return 1;
}

/* Result i is what it must be; that of a task with a fault, what it was before. */
static void look_at_number(const struct numbers *x, const struct call *c, size_t i, const void *must)
{
    unsigned char untouched[sizeof(double)];

    if (c->actions[i] == FAULTY) {
        if (x->out_kind == KITHS && disturbed())
            return; /* it may have been killed when it had written there */
        memset(untouched, 0xee, sizeof untouched);
        must = untouched;
    }
    CHECK(memcmp(must, (const char *)x->out + i * x->size, x->size) == 0,
          "%s: result %zu of %zu (action %d) is wrong", c->what, i, x->n, c->actions[i]);
}

static void end_numbers(struct numbers *x)
{
    take_back(x->in, x->in_kind);
    take_back(x->out, x->out_kind);
}

void map_ints(struct call *c, int below, struct dice *d)
{
    struct numbers x;
    int *in, *out;

    if (begin_numbers(&x, c, "map_ints", 1, sizeof *in, below, d)) {
        in = x.in;
        out = x.out;
        for (size_t i = 0; i < x.n; i++)
            in[i] = (int)packed(c, i);
        c->rc = x.n == 1 && x.in_kind == MALLOCED
                    ? kith_apply((kith_pool){ c->handle }, play_int, out, in[0])
                    : kith_map((kith_pool){ c->handle }, play_int, in, out, x.n);
        count_runs(c);
        if (end_call(c))
            for (size_t i = 0; i < x.n; i++)
                look_at_number(&x, c, i, &(int){ play_int_gives(in[i]) });
    }
    end_numbers(&x);
}

void starmap_longs(struct call *c, int below, struct dice *d)
{
    struct numbers x;
    long(*in)[2], *out;

    if (begin_numbers(&x, c, "starmap_longs", 2, sizeof *out, below, d)) {
        in = x.in;
        out = x.out;
        for (size_t i = 0; i < x.n; i++) {
            in[i][0] = packed(c, i);
            in[i][1] = (long)i * 7;
        }
        c->rc = kith_starmap((kith_pool){ c->handle }, play_long, in, out, x.n);
        count_runs(c);
        if (end_call(c))
            for (size_t i = 0; i < x.n; i++)
                look_at_number(&x, c, i, &(long){ in[i][0] * 3 + in[i][1] });
    }
    end_numbers(&x);
}

void map_doubles(struct call *c, int below, struct dice *d)
{
    struct numbers x;
    double *in, *out;

    if (begin_numbers(&x, c, "map_doubles", 1, sizeof *in, below, d)) {
        in = x.in;
        out = x.out;
        for (size_t i = 0; i < x.n; i++)
            in[i] = (double)packed(c, i);
        c->rc = kith_map((kith_pool){ c->handle }, play_double, in, out, x.n);
        count_runs(c);
        if (end_call(c))
            for (size_t i = 0; i < x.n; i++)
                look_at_number(&x, c, i, &(double){ in[i] / 2 });
    }
    end_numbers(&x);
}
