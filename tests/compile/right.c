/* What must compile without a word: each kind of function, in each form of a call. */
#include <kith.h>
#include <math.h>
#include <stdlib.h>

#define KINDS(X)                                                                            \
    X(int, int, i) X(unsigned, unsigned, u) X(long, long, l) X(unsigned long, unsigned long, ul)    \
    X(long long, long long, ll) X(float, float, f) X(double, double, d) X(double, int, di)  \
    X(double, long, dl) X(long, int, li)

#define FUNCTIONS(R, A, name)                                                               \
    static R one_##name(A a) { return (R)a; }                                               \
    static R two_##name(A a, A b) { return (R)(a + b); }                                    \
    static R three_##name(A a, A b, A c) { return (R)(a + b + c); }
KINDS(FUNCTIONS)

#define CALLS(R, A, name)                                                                   \
    static int call_##name(kith_pool pool)                                                  \
    {                                                                                       \
        const A in[4] = { 1, 2, 3, 4 };                                                     \
        A rows[4][3] = { { 1, 2, 3 } }, pairs[4][2] = { { 1, 2 } }, single[4][1] = { { 1 } };   \
        R out[4], y;                                                                        \
                                                                                            \
        return kith_map(pool, one_##name, in, out, 4)                                       \
            || kith_starmap(pool, one_##name, single, out, 4)                               \
            || kith_starmap(pool, two_##name, pairs, out, 4)                                \
            || kith_starmap(pool, three_##name, rows, out, 4)                               \
            || kith_apply(pool, one_##name, &y, 1)                                          \
            || kith_apply(pool, two_##name, &y, 1, 2)                                       \
            || kith_apply(pool, three_##name, &y, in[0], in[1], rows[0][2]);                \
    }
KINDS(CALLS)

static int square(const void *in, void *out)
{
    *(int *)out = *(const int *)in * *(const int *)in;
    return *(int *)out < 0 ? kith_fail(1, "%d overflows", *(const int *)in) : 0;
}

/* Memory of kith_alloc and malloc, pointers to functions, statements without braces. */
static int forms(kith_pool pool, size_t n, double (*choice)(double))
{
    double *in = kith_alloc(n * sizeof *in);
    void *anything = malloc(n * sizeof *in);
    double (*rows)[2] = calloc(n, sizeof *rows);
    const char *sentence = kith_last_error();
    int rc;

    if (in)
        rc = kith_map(pool, choice, in, in, n);
    else
        rc = kith_map(pool, &sqrt, anything, anything, n);
    if (rc == 0)
        rc = kith_starmap(pool, pow, rows, in, n);
    if (rc == 0)
        rc = kith_apply(pool, square, &rc, KITH_ARG(n));
    rc += kith_map(pool, n > 2 ? sin : cos, in + 1, &in[1], n - 1);
    free(rows);
    free(anything);
    return rc + kith_free(in) + (sentence[0] != 0);
}

struct job { int length; kith_queue out; };

static int target(const void *arg)
{
    const struct job *job = arg;

    return kith_queue_put(job->out, job, kith_arg_size(), KITH_FOREVER);
}

static int times(const void *in, void *out, const void *factor)
{
    *(int *)out = *(const int *)in * *(const int *)factor;
    return 0;
}

static int fill(uint64_t lo, uint64_t hi, const void *arg)
{
    return lo >= hi || arg == NULL;
}

static double partial(uint64_t lo, uint64_t hi, const void *arg)
{
    return (double)(hi - lo) * *(const double *)arg;
}

static int parts(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    *(uint64_t *)part = hi - lo;
    return arg != NULL;
}

static void fold(void *total, const void *part)
{
    *(uint64_t *)total += *(const uint64_t *)part;
}

static int takes_handles(kith_queue q, const kith_value v, kith_pipe end, int n)
{
    return kith_check(q) + kith_check(v) + kith_check(end) + n;
}

static void takes_texts(const char *text, kith_lock lock, double x)
{
    if (text && x > 0)
        kith_lock_release(lock);
}

static double gives_double(const char *text, kith_value v, float x)
{
    return kith_check(v) + (text ? (double)x : 0);
}

static int applies(kith_pool pool, kith_value v)
{
    double y;
    float gauge = 1;
    kith_result later = kith_apply_async(pool, takes_texts, "text", (kith_lock){ 0 }, 5);
    kith_pipe ends[2];

    kith_pipe_open(ends);
    if (kith_apply(pool, gives_double, &y, NULL, v, gauge))
        return kith_check(kith_apply_async(pool, gives_double, "text", v, 3));
    return kith_apply(pool, takes_handles, &(int){ 0 }, kith_queue_open(0), v, ends[0], 'x') + kith_check(later);
}

static int starts(kith_queue (*open)(size_t), const kith_lock lock)
{
    kith_pipe ends[2];
    char text[] = "text";
    short few = 3;
    unsigned long long many = 4;

    kith_pipe_open(ends);
    kith_start(takes_texts, text, lock, few);
    kith_start(&takes_texts, "text", lock, many);
    kith_start(takes_texts, NULL, (kith_lock){ 0 }, 0.5L);
    if (kith_check(lock))
        kith_start(takes_texts, text + 1, lock, (float)few);
    return kith_check(kith_start(takes_handles, open(0), kith_value_of(1), ends[few > 1], 'x'));
}

static int others(kith_pool pool)
{
    struct job job = { 5, kith_queue_open(0) };
    int in[3] = { 1, 2, 3 }, out[3], key[2] = { 1, 2 };
    double step = 0.5, sum;
    uint64_t total = 0;
    kith_process p = kith_process_start(target, KITH_ARG(job));
    kith_process plain = kith_start(pow, 2, 3);
    struct kith_waitable things[] = { kith_on(plain), kith_on(job.out), kith_on_fd(0) };
    kith_process named = kith_process_start_with(target, KITH_ARG(job), .name = "loader", .daemon = 1);
    kith_process placed = kith_process_start_with(target, NULL, 0, .node = KITH_NODE(1));
    kith_pool other = kith_pool_open_with(2, .init = target, .arg = &job, .arg_size = sizeof job, .limit_ms = 500);
    kith_queue copy = job.out;
    kith_value value = kith_value_of(0.5), hits = kith_value_open_with('L', NULL, sizeof(long), .name = "hits");
    kith_array array = kith_array_of(in), grid = kith_array_open_with('d', 100, .name = "grid");
    unsigned long ticket;
    kith_dict dict = kith_dict_open();
    kith_list list = kith_list_open();
    kith_ns ns = kith_ns_open();
    const char *text = "text";
    struct kith_fault fault;

    kith_on_fault(NULL);
    if (kith_check(p) || kith_check(named) || kith_check(placed) || kith_check(other))
        return kith_check(copy);
    kith_put(copy, job);
    kith_put(copy, key);
    kith_get(copy, &job);
    kith_get(copy, &key);
    kith_load(value, &sum);
    kith_store(value, sum + 1);
    kith_add(value, 1.0);
    kith_set(dict, "sum", sum);
    kith_set(dict, 5, "five");
    kith_set(list, -1, 'x');
    kith_set(ns, text, 2.5f);
    kith_fetch(dict, text, &sum);
    kith_fetch(list, 0, &in[0]);
    kith_inc(ns, "hits", 1UL);
    kith_append(list, text);
    kith_extend(list, in, 3);
    kith_dict_set(dict, KITH_TEXT("sum"), KITH_ARG(sum));
    kith_update(hits, KITH_ADD, 1UL, &ticket);
    kith_compare_exchange(hits, &ticket, 3UL);
    kith_load_at(grid, 3, &sum);
    kith_store_at(grid, 3, sum / 2);
    kith_add_at(array, 0, 1);
    kith_update_at(array, 0, KITH_MIN, 2, &out[0]);
    kith_compare_exchange_at(array, 0, &out[0], 5);
    kith_load_slice(array, 0, out, 3);
    kith_store_slice(array, 0, in, 3);
    return kith_map(pool, square, in, out, 3) + kith_map_with(pool, times, in, out, 3, KITH_ARG(key[0]))
        + kith_map_with(pool, times, in, out, 3, NULL, 0) + kith_for(pool, fill, KITH_ARG(key), UINT64_C(1000000000000))
        + kith_for(pool, fill, NULL, 0, 10) + kith_sum(pool, partial, KITH_ARG(step), 100, &sum)
        + kith_reduce(pool, parts, NULL, 0, 100, fold, &total) + kith_last_fault(&fault, 0);
}

int main(int argc, char **argv)
{
    int rc = kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(0);

#define RUN(R, A, name) rc += call_##name(pool);
    KINDS(RUN)
    return rc + forms(pool, 10, exp) + others(pool) + starts(kith_queue_open, kith_lock_open())
        + applies(pool, kith_value_of(1)) + kith_finalize();
}
