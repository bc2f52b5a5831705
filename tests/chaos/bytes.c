/* bytes.c: calls whose tasks have bytes of any size for arguments and results; and those that have none. */
#include "config.h"
#include "kinds.h"
#include "memory.h"
#include "queues.h"

#include <string.h>

/* An argument begins with this; behind it the bytes count up from mark. */
struct task {
    uint32_t action, run, in_size, out_size;
    uint64_t mark;
    struct place at;
};

static unsigned char result_of(uint64_t mark)
{
    return mark & 127;
}

static int play_bytes(const void *in, void *out)
{
    const struct task *t = in;
    const unsigned char *rest = (const unsigned char *)(t + 1);
    int rc;

    for (size_t i = sizeof *t; i < t->in_size; i += 997)
        CHECK(rest[i - sizeof *t] == (unsigned char)(t->mark + i), "byte %zu of %u of an argument is wrong",
              i, t->in_size);
    if ((rc = act((enum action)t->action, t->run, &t->at)) != 0)
        return rc;
    memset(out, result_of(t->mark), t->out_size);
    return 0;
}

/* The same with a context: the first run of the call, so that one meets no other call's. */
struct context {
    uint32_t run;
    char rest[60];
};

static int play_with(const void *in, void *out, const void *arg)
{
    const struct context *context = arg;
    const struct task *t = in;

    CHECK(kith_arg_size() == sizeof *context && t->mark - context->run < 1000,
          "a task with mark %llu met the context of run %u", (unsigned long long)t->mark, context->run);
    return play_bytes(in, out);
}

struct bytes {
    size_t n, in_size, out_size; /* sizes: of one task */
    enum memory in_kind, out_kind;
    char *in, *out;
};

static void draw_bytes(struct bytes *b, int below, struct dice *d)
{
    static const size_t extras[] = { 0, 8, 100, 5000, 70000 };
    size_t extra = now.big && roll(d, 4) == 0 ? 1500000 : extras[roll(d, 5)];

    b->out_size = roll(d, 3) ? extras[roll(d, 5)] : now.big ? extra : 1;
    b->in_size = (sizeof(struct task) + extra + 7) & ~(size_t)7;
    b->n = 1 + roll(d, extra + b->out_size > 10000 ? 12 : 150);
    if (below)
        b->n = 1 + b->n % 5;
    b->in_kind = some_memory(d);
    b->out_kind = some_memory(d);
    b->in = give(b->n * b->in_size, b->in_kind);
    b->out = give(b->n * b->out_size, b->out_kind);
}

static uint64_t mark_of(const struct call *c, size_t i)
{
    return i + c->run;
}

static void fill_bytes(const struct bytes *b, const struct call *c, const struct place *at)
{
    memset(b->out, 0xee, b->n * b->out_size);
    for (size_t i = 0; i < b->n; i++) {
        struct task *t = (struct task *)(void *)(b->in + i * b->in_size);

        *t = (struct task){ c->actions[i],         run_of(c, i),  (uint32_t)b->in_size,
                            (uint32_t)b->out_size, mark_of(c, i), *at };
        for (size_t k = sizeof *t; k < b->in_size; k++)
            b->in[i * b->in_size + k] = (char)(t->mark + k);
    }
}

static void look_at_result(const struct bytes *b, const struct call *c, size_t i)
{
    const unsigned char *out = (const unsigned char *)b->out + i * b->out_size;
    unsigned char must = c->actions[i] == FAULTY ? 0xee : result_of(mark_of(c, i));

    if (c->actions[i] == FAULTY && b->out_kind == KITHS && disturbed())
        return; /* it may have been killed when it had written there */
    for (size_t k = 0; k<b->out_size; k += b->out_size> 100 ? 97 : 1)
        if (out[k] != must) {
            wrong("%s: byte %zu of %zu of result %zu of %zu (action %d) is %d, not %d", c->what, k,
                  b->out_size, i, b->n, c->actions[i], out[k], must);
            return;
        }
}

void map_bytes(struct call *c, int below, struct dice *d)
{
    struct place at = { c->pool, c->life, 0, 0 };
    struct context context = { 0 };
    struct bytes b;

    draw_bytes(&b, below, d);
    choose_queue(&at, d);
    begin_call(c, "map_bytes", b.n, 0, 1, 1, d);
    if (b.in && b.out) {
        kith_pool pool = { c->handle };

        fill_bytes(&b, c, &at);
        context.run = c->run;
        c->rc = roll(d, 2) ? kith_pool_map(pool, play_bytes, b.in, b.in_size, b.out, b.out_size, b.n)
                           : kith_pool_map_with(pool, play_with, b.in, b.in_size, b.out, b.out_size, b.n,
                                                KITH_ARG(context));
        count_runs(c);
        if (end_call(c))
            for (size_t i = 0; i < b.n; i++)
                look_at_result(&b, c, i);
    }
    take_back(b.in, b.in_kind);
    take_back(b.out, b.out_kind);
}

/* ---- tasks without bytes: they cannot be told which they are, so each actor has a function of its own and
 * counts its runs */

#define ZERO(k)                                         \
    static int play_zero_##k(const void *in, void *out) \
    {                                                   \
        (void)in;                                       \
        (void)out;                                      \
        atomic_fetch_add(&world->zeros[k], 1);          \
        return 0;                                       \
    }

/* clang-format off */
ZERO(0)
ZERO(1)
ZERO(2)
ZERO(3)
ZERO(4)
ZERO(5)
ZERO(6)
/* clang-format on */

static int (*const play_zero[])(const void *in, void *out) = { play_zero_0, play_zero_1, play_zero_2,
                                                               play_zero_3, play_zero_4, play_zero_5,
                                                               play_zero_6 };
_Static_assert(sizeof play_zero / sizeof play_zero[0] == THREADS + PROCESSES, "one for each actor");

void map_nothing(struct call *c, struct dice *d)
{
    size_t n = some_count(c, d);
    uint32_t before = atomic_load(&world->zeros[my_actor]), runs;

    begin_call(c, "map_nothing", 0, 0, 0, 0, d);
    c->rc = kith_pool_map((kith_pool){ c->handle }, play_zero[my_actor], NULL, 0, NULL, 0, n);
    runs = atomic_load(&world->zeros[my_actor]) - before;
    if (end_call(c) && !disturbed())
        CHECK(runs == n, "of %zu tasks without bytes %u were run", n, runs);
}
