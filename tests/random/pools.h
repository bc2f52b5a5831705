/* pools.h: calls of pools for test_random_calls: those that wait, those that do not, Results and Iterators.
 * No task fails by itself, so none may be reported to have failed: also not when others, beside it, are
 * cancelled with their workers. */
#ifndef RANDOM_POOLS_H
#define RANDOM_POOLS_H

#include "actor.h"
#include "../anyjob.h"

enum { SLOTS = 4096 }; /* of maps that do not wait: more than can be under way */

struct task {
    kith_array table;
    uint64_t seed;
};

static const int numbers[4] = { 1, 2, 3, 4 };
static atomic_uint drawn, called;

static int acts_too(const void *in, void *out); /* as an actor, in a task */

static inline int adds_one(const void *in, void *out)
{
    *(int *)out = *(const int *)in + 1;
    return 0;
}

static inline int adds_context(const void *in, void *out, const void *arg)
{
    *(int *)out = *(const int *)in + *(const int *)arg;
    return 0;
}

static inline int writes_bytes(const void *in, kith_bytes *out)
{
    return kith_bytes_set(out, in, sizeof(int)) < 0;
}

static inline int looks_at_block(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return lo >= hi;
}

static inline double adds_block(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return (double)(hi - lo);
}

static inline int reduces_block(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    (void)arg;
    *(double *)part = (double)(hi - lo);
    return 0;
}

static inline void folds(void *total, const void *part)
{
    *(double *)total += *(const double *)part;
}

/* Whatever these handles name. */
static inline int touches(kith_queue q, int x, kith_value v, kith_list l)
{
    kith_queue_size(q);
    kith_add(v, x);
    kith_append(l, x);
    return x;
}

static inline void reads(const char *text, kith_dict d)
{
    kith_inc(d, text, 1);
}

/* It ends every 50 items, and now and then it fails. */
static inline int next_number(void *item, void *arg)
{
    unsigned n = atomic_fetch_add(&drawn, 1);

    (void)arg;
    *(int *)item = (int)(n & 255);
    return n % 997 == 0 ? KITH_EMISSING : n % 50 != 49;
}

/* A handle may hold any code, also that of a failed task. */
static inline void well(int of_handle, int64_t rc, const char *call)
{
    seen(rc, call);
    if (rc == KITH_ETASK && of_handle != KITH_ETASK)
        fprintf(stderr, "\n    %s: %s\n", call, kith_last_error());
    REQUIRE(rc != KITH_ETASK || of_handle == KITH_ETASK);
}

#define WELL(handle, call) well(kith_check(handle), (int64_t)(call), #call)

/* ---- calls that wait */

static inline void map_tasks(struct actor *a, kith_pool pool)
{
    struct task in[4];
    int out[4];

    for (int i = 0; i < 4; i++)
        in[i] = (struct task){ a->table, draw(a, UINT64_MAX) };
    if (THREADS_ONLY)
        WELL(pool, kith_map(pool, successor, (int[4]){ 0 }, out, 4));
    else
        WELL(pool, kith_map(pool, acts_too, in, out, draw(a, 5)));
}

static inline void map_bytes(kith_pool pool)
{
    kith_bytes out[4];

    memset(out, 0, sizeof out);
    WELL(pool, kith_pool_map_bytes(pool, writes_bytes, numbers, sizeof numbers[0], out, 4));
    TRY(kith_bytes_free(out, 4));
}

static inline void call_pool(struct actor *a, kith_pool pool)
{
    const double costs[] = { 1, 3, 2, 4 };
    double sum = 0;
    int out[4], x = 1;

    switch (draw(a, 9)) {
    case 0:
        WELL(pool, kith_apply(pool, touches, &x, SOME(a, kith_queue, QUEUE), 5, SOME(a, kith_value, VALUE),
                              SOME(a, kith_list, LIST)));
        break;
    case 8: WELL(pool, kith_pool_apply(pool, adds_one, KITH_ARG(x), KITH_ARG(out[0]))); break;
    case 1: WELL(pool, kith_pool_map(pool, adds_one, numbers, sizeof x, out, sizeof x, draw(a, 5))); break;
    case 2:
        WELL(pool, kith_pool_map_with(pool, adds_context, numbers, sizeof x, out, sizeof x, 4, KITH_ARG(x)));
        break;
    case 3:
        WELL(pool, kith_pool_map_costs(pool, adds_one, numbers, sizeof x, out, sizeof x, 4,
                                       draw(a, 2) ? costs : NULL));
        break;
    case 4: map_bytes(pool); break;
    case 5: WELL(pool, kith_pool_for(pool, looks_at_block, NULL, 0, draw(a, 300))); break;
    case 6: WELL(pool, kith_pool_sum(pool, adds_block, NULL, 0, draw(a, 300), &sum)); break;
    default: WELL(pool, kith_pool_reduce(pool, reduces_block, NULL, 0, draw(a, 300), folds, KITH_ARG(sum)));
    }
}

static inline void look_at_pool(struct actor *a, kith_pool pool)
{
    struct kith_pool_stats all;
    struct kith_worker_stats one;
    struct kith_fault fault;

    switch (draw(a, 6)) {
    case 0: TRY(kith_pool_workers(pool)); break;
    case 1: TRY(kith_pool_progress(pool, 0)); break;
    case 2: TRY(kith_pool_read_stats(pool, &all, sizeof all)); break;
    case 3: TRY(kith_pool_read_worker_stats(pool, (int)draw(a, 3) - 1, &one, sizeof one)); break;
    case 4: TRY(kith_last_fault(&fault, draw(a, 3))); break;
    default: TRY(kith_priority((int)draw(a, 11) - 5));
    }
}

/* Tasks call no pool: two of them could wait for each other. */
static inline void use_pool(struct actor *a)
{
    kith_pool pool = SOME(a, kith_pool, POOL);

    if (a->is_task)
        return;
    switch (draw(a, 4)) {
    case 0: look_at_pool(a, pool); break;
    case 1: call_pool(a, pool); break;
    default: map_tasks(a, pool);
    }
}

/* ---- calls that do not */

static inline uint64_t begin_map(struct actor *a, kith_pool pool)
{
    static int out[SLOTS][4];
    static kith_bytes bytes[SLOTS][4];
    unsigned slot = atomic_fetch_add(&drawn, 1) % SLOTS;

    switch (draw(a, 3)) {
    case 0: return kith_map_async(pool, successor, numbers, out[slot], draw(a, 5)).id;
    case 1:
        return kith_pool_map_async(pool, adds_one, numbers, sizeof numbers[0], out[slot], sizeof(int), 4).id;
    default:
        TRY(kith_bytes_free(bytes[slot], 4));
        return kith_pool_map_bytes_async(pool, writes_bytes, numbers, sizeof numbers[0], bytes[slot], 4).id;
    }
}

static inline uint64_t begin_call(struct actor *a)
{
    struct task task = { a->table, draw(a, UINT64_MAX) };
    kith_pool pool = SOME(a, kith_pool, POOL);

    if (a->is_task)
        return 0;
    switch (draw(a, 5)) {
    case 0: return kith_apply_async(pool, successor, 4).id;
    case 4: return kith_apply_async(pool, reads, &"a name"[draw(a, 7)], SOME(a, kith_dict, DICT)).id;
    case 1:
        if (!THREADS_ONLY)
            return kith_pool_apply_async(pool, acts_too, KITH_ARG(task), sizeof(int)).id;
        /* fallthrough */
    default: return begin_map(a, pool);
    }
}

static inline uint64_t open_iter(struct actor *a)
{
    const size_t n = sizeof numbers[0];
    kith_pool pool = SOME(a, kith_pool, POOL);

    if (a->is_task)
        return 0;
    switch (draw(a, 8)) {
    case 0: return kith_pool_imap(pool, adds_one, numbers, n, n, 4).id;
    case 1: return kith_pool_imap_unordered(pool, adds_one, numbers, n, n, 4).id;
    case 2: return kith_pool_imap_from(pool, adds_one, next_number, NULL, n, n).id;
    case 3: return kith_pool_imap_unordered_from(pool, adds_one, next_number, NULL, n, n).id;
    case 4: return kith_pool_imap_bytes(pool, writes_bytes, numbers, n, 4).id;
    case 5: return kith_pool_imap_bytes_unordered(pool, writes_bytes, numbers, n, 4).id;
    case 6: return kith_pool_imap_bytes_from(pool, writes_bytes, next_number, NULL, n).id;
    default: return kith_pool_imap_bytes_unordered_from(pool, writes_bytes, next_number, NULL, n).id;
    }
}

/* A new one takes the place of one that is dropped, or not: somebody may be waiting for it. */
static inline void keep(struct actor *a, enum thing what, uint64_t id)
{
    uint64_t old = atomic_exchange(&own[what - RESULT][draw(a, EACH)], id);

    if (old == 0)
        return;
    if (what == RESULT)
        TRY(kith_result_drop((kith_result){ old }));
    else
        TRY(kith_iter_close((kith_iter){ old }));
}

static inline void is_ready(kith_result r, void *arg)
{
    (void)arg;
    TRY(kith_result_ready(r));
    if (atomic_fetch_add(&called, 1) % 2)
        TRY(kith_result_drop(r));
}

static inline void use_result(struct actor *a)
{
    kith_result r = SOME(a, kith_result, RESULT);
    kith_result list[3] = { SOME(a, kith_result, RESULT), SOME(a, kith_result, RESULT), r };
    int y;

    switch (draw(a, 9)) {
    case 0: TRY(kith_result_wait(r, timeout(a))); break;
    case 1: TRY(kith_result_ready(r)); break;
    case 2: TRY(kith_result_successful(r)); break;
    case 3: WELL(r, kith_result_get(r, KITH_ARG(y), timeout(a))); break;
    case 4: WELL(r, kith_result_get(r, NULL, 0, timeout(a))); break;
    case 5: WELL(r, kith_result_get(r, a->bytes, size(a), timeout(a))); break;
    case 6: TRY(kith_result_cancel(r)); break;
    case 7: TRY(kith_result_notify(r, draw(a, 9) ? is_ready : NULL, NULL)); break;
    default: TRY(kith_results_wait(list, draw(a, 4), draw(a, 5), timeout(a)));
    }
}

static inline void use_iter(struct actor *a)
{
    kith_iter it = SOME(a, kith_iter, ITER);
    kith_bytes bytes = { NULL, 0 };
    int y;

    switch (draw(a, 8)) {
    case 0: TRY(kith_iter_close(it)); break;
    case 1: TRY(kith_iter_next(it, a->bytes, 10, timeout(a))); break;
    case 2:
    case 3:
        WELL(it, kith_iter_next(it, KITH_ARG(bytes), timeout(a)));
        TRY(kith_bytes_free(&bytes, 1));
        break;
    default: WELL(it, kith_iter_next(it, KITH_ARG(y), timeout(a)));
    }
}

#endif
