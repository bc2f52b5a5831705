// The API in C++. What cxx_map.sh runs is not repeated here.
// wrong: error no matching function
#include <kith.h>
#include <kith.h>

struct job { int length; kith_queue out; };

extern "C" {
static int target(const void *arg)
{
    const job *j = static_cast<const job *>(arg);

    return kith_queue_put(j->out, j, kith_arg_size(), KITH_FOREVER);
}

static int square(const void *in, void *out)
{
    int x = *static_cast<const int *>(in);

    *static_cast<int *>(out) = x * x;
    return x < 0 ? kith_fail(1, "%d is negative", x) : 0;
}

static int times(const void *in, void *out, const void *factor)
{
    *static_cast<int *>(out) = *static_cast<const int *>(in) * *static_cast<const int *>(factor);
    return 0;
}

static double partial(uint64_t lo, uint64_t hi, const void *)
{
    return static_cast<double>(hi - lo);
}

static int parts(uint64_t lo, uint64_t hi, const void *, void *part)
{
    *static_cast<uint64_t *>(part) = hi - lo;
    return 0;
}

static void fold(void *total, const void *part)
{
    *static_cast<uint64_t *>(total) += *static_cast<const uint64_t *>(part);
}

static int add(int a, int b)
{
    return a + b;
}

static void greet(const char *) {}
static void nothing() {}
static int works(kith_queue, const kith_lock, const char *, double) { return 0; }

static int fill(uint64_t lo, uint64_t hi, const void *)
{
    return lo > hi;
}

#ifdef WRONG
static char *half(char *x)
{
    return x;
}
#endif
}

int main(int argc, char **argv)
{
    int in[3] = { 1, 2, 3 }, out[3];
    double sum = 0;
    uint64_t total = 0;

    kith_init(&argc, &argv);
    job j = { 1, kith_queue_open(0) };
    kith_pool pool = kith_pool_open(2);
    kith_process p = kith_process_start(target, KITH_ARG(j));
    if (kith_check(p))
        return 1;
    kith_pool_options options = {};
    options.limit_ms = 500;
    kith_pool_close(kith_pool_open_with(2, options));
    kith_process_options named = {};
    named.name = "loader";
    kith_process_join(kith_process_start_with(target, KITH_ARG(j), named), KITH_FOREVER);
    kith_process_join(kith_start(add, 1, 2.0F), KITH_FOREVER);
    kith_process_join(kith_start(greet, "you"), KITH_FOREVER);
    kith_process_join(kith_start(nothing), KITH_FOREVER);
    const kith_lock lock = kith_lock_open();
    kith_process_join(kith_start(works, j.out, lock, "text", 1), KITH_FOREVER);
    kith_process_join(kith_start(works, j.out, lock, nullptr, 0.5F), KITH_FOREVER);
    kith_waitable list[] = { kith_on(p), kith_on(j.out), kith_on(kith_sem_open(0)), kith_on_fd(0) };
    kith_wait(list, 4, 0);
    kith_get(j.out, &j);
    kith_put(j.out, in);
    kith_pool_map(pool, square, in, sizeof in[0], out, sizeof out[0], 3);
    kith_pool_apply(pool, square, &in[1], sizeof in[1], &out[1], sizeof out[1]);
    kith_apply(pool, square, &out[1], KITH_ARG(in[1]));
    kith_map_with(pool, times, in, out, 3, KITH_ARG(in[2]));
    kith_sum(pool, partial, nullptr, 0, 100, &sum);
    kith_for(pool, fill, KITH_ARG(in), 100);
    kith_pool_for(pool, fill, nullptr, 0, 100);
    kith_pool_sum(pool, partial, nullptr, 0, 100, &sum);
    kith_pool_reduce(pool, parts, KITH_ARG(in), 100, fold, &total, sizeof total);
    kith_reduce(pool, parts, KITH_ARG(in), 100, fold, &total);
#ifdef WRONG
    kith_map(pool, half, &sum, &sum, 1);        /* here */
#endif
    return kith_finalize();
}
