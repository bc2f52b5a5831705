/* nested.c: calls that tasks make in their own pool, also such ones of theirs: what each gives is right, or
 * it fails as its caller does. Who makes one may die in it, or be ended with the call that its task belongs
 * to. */
#include "config.h"
#include "world.h"
#include "object/memory.h"

enum { MOST = 8, DEPTH = 3, BLOCKS = 300 };

struct inner {
    double x;
    int64_t depth; /* no gap behind it, in which there would be what was on the stack, perhaps an address */
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
    live((int)i.depth);
    i.x = result_of(i.x);
    memcpy(out, &i.x, sizeof i.x);
    return 0;
}

static unsigned char byte_of(double x, uint64_t i)
{
    return (unsigned char)((uint64_t)x + i * 13 + i / 256);
}

static uint64_t size_of(double x)
{
    return sizeof x + (uint64_t)x % 7 * 700;
}

/* A result of any size: its number, and bytes that follow from its argument. What the task takes for it would
 * be passed on by a call. */
static int inner_size(const void *in, kith_bytes *out)
{
    unsigned char *bytes;
    struct inner i;
    double y;

    memcpy(&i, in, sizeof i);
    live((int)i.depth);
    REQUIRE(kith_bytes_set(out, NULL, size_of(i.x)) == 0);
    bytes = out->data;
    y = result_of(i.x);
    memcpy(bytes, &y, sizeof y);
    for (uint64_t k = sizeof y; k < out->size; k++)
        bytes[k] = byte_of(i.x, k);
    return 0;
}

static double inner_blocks(uint64_t lo, uint64_t hi, const void *arg)
{
    const struct inner *i = arg;
    double sum = 0;

    if (draw(20) == 0)
        live((int)i->depth);
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

/* One, which may be missing when not all were to be there. */
static void check_bytes(const struct inner *in, const kith_bytes *got, int all)
{
    const unsigned char *bytes = got->data;
    double y = 0;

    if (got->size == 0 && !all)
        return;
    if (got->size == size_of(in->x))
        memcpy(&y, bytes, sizeof y);
    if (y != result_of(in->x))
        wrong("a result of a call of a task is %g, of %llu bytes", y, (unsigned long long)got->size);
    for (uint64_t i = sizeof y; i < got->size; i++)
        if (bytes[i] != byte_of(in->x, i)) {
            wrong("a result of a call of a task has a wrong byte %llu", (unsigned long long)i);
            break;
        }
}

static void check_all_bytes(const struct inner *in, kith_bytes *got, uint64_t n, int all)
{
    for (uint64_t i = 0; i < n; i++)
        check_bytes(&in[i], &got[i], all);
    PASS(kith_bytes_free(got, n));
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

static void sizes_inside(int depth)
{
    kith_bytes got[MOST] = { 0 };
    struct inner in[MOST];
    uint64_t n = draw_arguments(in, depth);
    int all;

    play.sizes_inside = 1;
    all = is_done(kith_pool_map_bytes(play.pool, inner_size, in, sizeof in[0], got, n));
    check_all_bytes(in, got, n, all);
    counted.sizes_inside += (uint64_t)all;
}

/* The call is given up when it has not ended after a while. 1: all of it was done. */
static int is_done_in_time(kith_result r)
{
    int rc = kith_result_get(r, NULL, 0, (int)draw(draw(4) ? 2 : 100)), cancelled;

    if (rc != KITH_ETIMEDOUT)
        return is_done(rc);
    play.gives_up = 1;
    cancelled = kith_result_cancel(r);
    rc = kith_result_get(r, NULL, 0, KITH_FOREVER);
    if (cancelled == 0)
        counted.cancelled_inside++;
    else
        FAILS_WITH(KITH_EEND, cancelled);
    return !(cancelled == 0 && rc == KITH_ECANCELLED) && is_done(rc);
}

static void cancel_inside(int depth)
{
    const double none = 1;
    struct inner in[MOST];
    uint64_t n = draw_arguments(in, depth);
    double out[MOST];
    kith_result r;
    int all;

    for (uint64_t i = 0; i < n; i++)
        out[i] = none;
    r = kith_pool_map_async(play.pool, inner_bytes, in, sizeof in[0], out, sizeof out[0], n);
    if (!is_done(kith_check(r)))
        return;
    all = is_done_in_time(r);
    for (uint64_t i = 0; i < n; i++)
        if (all || out[i] != none)
            check(&in[i], &out[i], 1);
}

static void cancel_sizes_inside(int depth)
{
    kith_bytes got[MOST] = { 0 };
    struct inner in[MOST];
    uint64_t n = draw_arguments(in, depth);
    kith_result r;

    play.sizes_inside = 1;
    r = kith_pool_map_bytes_async(play.pool, inner_size, in, sizeof in[0], got, n);
    if (is_done(kith_check(r)))
        check_all_bytes(in, got, n, is_done_in_time(r));
}

static kith_iter open_inside(const struct inner *in, uint64_t n, int in_order, int sizes)
{
    if (sizes)
        return (in_order ? kith_pool_imap_bytes : kith_pool_imap_bytes_unordered)(play.pool, inner_size, in,
                                                                                  sizeof *in, n);
    return (in_order ? kith_pool_imap : kith_pool_imap_unordered)(play.pool, inner_bytes, in, sizeof *in,
                                                                  sizeof(double), n);
}

/* The argument of which that is the result; it is no other one's then. n: of none. */
static uint64_t whose(const struct inner *in, unsigned char *seen, uint64_t n, double y)
{
    uint64_t i = 0;

    while (i < n && (seen[i] || result_of(in[i].x) != y))
        i++;
    if (i < n)
        seen[i] = 1;
    return i;
}

/* 1: there was one more. */
static int iterate_once(kith_iter it, const struct inner *in, unsigned char *seen, uint64_t n, uint64_t next,
                        int in_order, int sizes)
{
    kith_bytes got = { 0 };
    uint64_t at;
    double y = 0;

    if (!is_done(sizes ? kith_iter_next(it, &got, sizeof got, KITH_FOREVER)
                       : kith_iter_next(it, &y, sizeof y, KITH_FOREVER)))
        return 0;
    if (sizes && got.size >= sizeof y)
        memcpy(&y, got.data, sizeof y);
    at = whose(in, seen, n, y);
    if (at == n || (in_order && result_of(in[next].x) != y))
        wrong("result %llu of an Iterator of a task is %g", (unsigned long long)next, y);
    else if (sizes)
        check_bytes(&in[at], &got, 1);
    PASS(kith_bytes_free(&got, 1));
    return 1;
}

/* Some are closed before their end. */
static void iterate_inside(int depth)
{
    const int in_order = (int)draw(2), sizes = (int)draw(2);
    unsigned char seen[MOST] = { 0 };
    struct inner in[MOST];
    uint64_t n = draw_arguments(in, depth), enough = draw(3) ? n : draw(n), i = 0;
    kith_iter it = open_inside(in, n, in_order, sizes);

    if (!is_done(kith_check(it)))
        return;
    play.sizes_inside |= sizes;
    while (i < enough && iterate_once(it, in, seen, n, i, in_order, sizes))
        i++;
    counted.iterated_inside += i == n;
    play.gives_up |= i < n;
    PASS(kith_iter_close(it));
}

/* Memory that the task has taken would be passed on by a call. */
void call_again(int depth)
{
    static void (*const ways[])(int depth) = { map_inside,   map_inside,    sum_inside,
                                               give_inside,  cancel_inside, cancel_sizes_inside,
                                               sizes_inside, iterate_inside };

    if (atomic_load(&kith__taken) == 0)
        ways[draw(sizeof ways / sizeof ways[0])](depth);
}
