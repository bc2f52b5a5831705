/* nested.c: calls that tasks make in their own pool, also such ones of theirs: what each gives is right, or
 * it fails as its caller does. Who makes one may die in it, or be ended with the call that its task belongs
 * to. */
#include "config.h"
#include "world.h"
#include "object/memory.h"

enum { MOST = 8, DEPTH = 3, BLOCKS = 300 };

struct inner {
    double x;
    int depth;
};

/* What each task of such a call does besides its result. */
static void live(int depth)
{
    counted.nested++;
    if (draw(10) == 0)
        sim_rest((int64_t)draw(draw(20) ? 10 : 1000));
    if (draw(30) == 0)
        use_things(sim_current);
    if (depth < DEPTH && draw(10) == 0)
        call_again(depth + 1);
}

static int inner_bytes(const void *in, void *out)
{
    struct inner i;

    memcpy(&i, in, sizeof i);
    live(i.depth);
    i.x = result_of(i.x);
    memcpy(out, &i.x, sizeof i.x);
    return 0;
}

static double inner_blocks(uint64_t lo, uint64_t hi, const void *arg)
{
    const struct inner *i = arg;
    double sum = 0;

    if (draw(20) == 0)
        live(i->depth);
    for (uint64_t k = lo; k < hi; k++)
        sum += i->x * (double)k;
    return sum;
}

/* 0: nobody knows what has become of it, or it could not be made: nobody waits for the task either, when the
 * pool is closed, or the branch, whose foreman has died. */
static int is_done(int rc)
{
    const int elsewhere = sim_node(sim_current) != 0 && somebody_dies();

    if (rc < 0 && !(rc == KITH_EPEER && elsewhere) && !(rc == KITH_ESTALE && (elsewhere || play.closed)))
        wrong("a call of a task gives %d", rc);
    return rc == 0;
}

static void check(const struct inner *in, const double *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (out[i] != result_of(in[i].x))
            wrong("result %llu of %llu of a call of a task is %g", (unsigned long long)i,
                  (unsigned long long)n, out[i]);
}

static uint64_t draw_arguments(struct inner *in, int depth)
{
    uint64_t n = 1 + draw(MOST);

    for (uint64_t i = 0; i < n; i++)
        in[i] = (struct inner){ (double)draw(1000), depth };
    return n;
}

static void map_inside(int depth)
{
    struct inner in[MOST];
    uint64_t n = draw_arguments(in, depth);
    double out[MOST];

    if (is_done(kith_pool_map(play.pool, inner_bytes, in, sizeof in[0], out, sizeof out[0], n)))
        check(in, out, n);
}

static void sum_inside(int depth)
{
    const struct inner arg = { 3, depth };
    double sum = -1;

    if (is_done(kith_pool_sum(play.pool, inner_blocks, &arg, sizeof arg, BLOCKS, &sum)) &&
        sum != 3. * BLOCKS * (BLOCKS - 1) / 2)
        wrong("the sum of a call of a task is %g", sum);
}

/* Nobody may wait for some of them, or they are cancelled. */
static void give_inside(int depth)
{
    struct inner in[MOST];
    uint64_t n = draw_arguments(in, depth);
    double out[MOST];
    kith_result r[MOST];

    for (uint64_t i = 0; i < n; i++)
        r[i] = kith_pool_apply_async(play.pool, inner_bytes, &in[i], sizeof in[i], sizeof out[i]);
    for (uint64_t i = 0; i < n; i++) {
        if (!is_done(kith_check(r[i])))
            continue;
        if (draw(20) == 0)
            PASS(kith_result_drop(r[i]));
        else if (is_done(kith_result_get(r[i], &out[i], sizeof out[i], KITH_FOREVER)))
            check(&in[i], &out[i], 1);
    }
}

/* Memory that the task has taken would be passed on by a call. */
void call_again(int depth)
{
    static void (*const ways[])(int depth) = { map_inside, map_inside, sum_inside, give_inside };

    if (atomic_load(&kith__taken) == 0)
        ways[draw(4)](depth);
}
