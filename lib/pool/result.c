/* result.c: kith_apply_async and the results of what goes on while the caller does something else.
 *
 * A result belongs to the process that made the call. Its handle tells which process that is, and either a
 * task in a row (feed.h) or a call with a job of its own (later.h).
 */
#include "config.h"
#include "pool/crowd.h"
#include "pool/feed.h"
#include "pool/later.h"
#include "pool/local.h"
#include "pool/serial.h"
#include "base/error.h"
#include "base/system.h"

#include <string.h>

/* Bit 62: a task of a row: its tag, the process, its unit. Else a call: the process, its number. */
#define TASK (UINT64_C(1) << 62)
#define LOW ((UINT64_C(1) << KITH__UNIT_BITS) - 1)

static uint64_t task_handle(uint32_t tag, uint64_t unit)
{
    return TASK | (uint64_t)tag << 48 | kith__local_process() | (unit & LOW);
}

static uint32_t tag_of(kith_result r)
{
    return (uint32_t)(r.id >> 48 & ((1 << KITH__TAG_BITS) - 1));
}

static uint64_t call_handle(uint64_t number)
{
    return kith__local_process() | number;
}

static int stale(void)
{
    return kith__fail(KITH_ESTALE, "this Result was taken, or dropped");
}

/* What a handle leads to: an item, or a call; it stays until put, also when another thread takes the result.
 */
struct found {
    struct kith__item *item;
    struct kith__feed *feed;
    uint64_t unit;
    struct kith__later *call;
};

static int find(kith_result r, struct found *f)
{
    int rc = kith__local_usable(r.id, "Result");

    memset(f, 0, sizeof *f);
    if (rc < 0)
        return rc;
    if (r.id & TASK) {
        f->unit = r.id & LOW;
        f->item = kith__feed_find(tag_of(r), &f->feed, &f->unit);
        kith__failpoint("result: found");
        return f->item ? 0 : stale();
    }
    f->call = kith__later_get(r.id & LOW);
    return f->call ? 0 : stale();
}

static void put(struct found *f)
{
    if (f->call)
        kith__later_put(f->call);
    else if (f->item)
        kith__feed_put(f->feed, f->unit);
}

static int is_ready(const struct found *f)
{
    return f->call ? kith__later_is_ready(f->call) : kith__feed_is_ready(f->feed, f->item);
}

/* ------------------------------------------------------------------ beginning */

static kith_result begin_task(struct kith__call_spec *s)
{
    kith_result r = { 0 };
    uint64_t unit, number;
    uint32_t tag;
    int rc;

    if ((rc = kith__call_depth(s->pool)) == 0 && (rc = kith__feed_give_shared(s, &tag, &unit)) == 0)
        r.id = task_handle(tag, unit);
    else if (rc == KITH__FEED_SERIAL && (rc = kith__later_begin(s, &number)) == 0)
        r.id = call_handle(number);
    if (rc < 0)
        r.id = kith__failed_handle(kith__report(rc));
    return r;
}

static kith_result fail(int rc)
{
    return (kith_result){ kith__failed_handle(kith__report(rc)) };
}

static const char nowhere; /* the results of tasks are kept where kith says */

kith_result kith__apply_async(kith_pool pool, const char *name, kith__fn *fn, int shape, const void *in,
                              size_t in_size, size_t out_size)
{
    struct kith__call_spec s = {
        .pool = kith__pool_here(pool),
        .name = name,
        .fn = (kith__anyfn *)fn,
        .kind = KITH__JOB_BYTES,
        .shape = shape,
        .n = 1,
        .in = in,
        .out = (void *)(uintptr_t)&nowhere,
        .in_size = in_size,
        .out_size = out_size,
    };
    int rc = 0;

    if (shape != KITH__SHAPE_BYTES) {
        s.kind = KITH__JOB_NUMBERS;
        rc = kith__call_numbers(&s, "kith_apply_async");
    }
    if (rc < 0 || (rc = kith__call_check(&s, "kith_apply_async")) < 0)
        return fail(rc);
    s.out = NULL;
    return begin_task(&s);
}

kith_result kith_pool_apply_async(kith_pool pool, kith_map_fn *fn, const void *in, size_t in_size,
                                  size_t out_size)
{
    return kith__apply_async(pool, NULL, (kith__fn *)fn, KITH__SHAPE_BYTES, in, in_size, out_size);
}

#define APPLY(r, a, R, A)                                                                                \
    kith_result kith__apply_async_##r##a##1(kith_pool p, const char *name, R (*fn)(A), A x0)             \
    {                                                                                                    \
        const A row[1] = { x0 };                                                                         \
        return kith__apply_async(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 1), row, 0, 0);         \
    }                                                                                                    \
    kith_result kith__apply_async_##r##a##2(kith_pool p, const char *name, R (*fn)(A, A), A x0, A x1)    \
    {                                                                                                    \
        const A row[2] = { x0, x1 };                                                                     \
        return kith__apply_async(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 2), row, 0, 0);         \
    }                                                                                                    \
    kith_result kith__apply_async_##r##a##3(kith_pool p, const char *name, R (*fn)(A, A, A), A x0, A x1, \
                                            A x2)                                                        \
    {                                                                                                    \
        const A row[3] = { x0, x1, x2 };                                                                 \
        return kith__apply_async(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 3), row, 0, 0);         \
    }
KITH__SHAPES(APPLY)

kith_result kith__apply_async_bytes(kith_pool pool, const char *name, kith_map_fn *fn, const void *in,
                                    size_t in_size, size_t out_size)
{
    return kith__apply_async(pool, name, (kith__fn *)fn, KITH__SHAPE_BYTES, in, in_size, out_size);
}

static kith_result begin_call(struct kith__call_spec *s, const char *what)
{
    uint64_t number;
    int rc = kith__call_check(s, what);

    if (rc < 0 || (rc = kith__call_clear(s, what)) < 0 || (rc = kith__later_begin(s, &number)) < 0)
        return fail(rc);
    return (kith_result){ call_handle(number) };
}

kith_result kith__map_async(kith_pool pool, const char *name, kith__fn *fn, int shape, const void *in,
                            size_t in_size, void *out, size_t out_size, size_t n)
{
    struct kith__call_spec s = {
        .pool = kith__pool_here(pool),
        .name = name,
        .fn = (kith__anyfn *)fn,
        .kind = KITH__JOB_BYTES,
        .shape = shape,
        .n = n,
        .in = in,
        .out = out,
        .in_size = in_size,
        .out_size = out_size,
    };
    int rc = kith__call_shape(&s, "kith_map_async");

    return rc < 0 ? fail(rc) : begin_call(&s, "kith_map_async");
}

kith_result kith_pool_map_bytes_async(kith_pool pool, kith_bytes_fn *fn, const void *in, size_t in_size,
                                      kith_bytes *out, size_t n)
{
    return kith__map_async(pool, NULL, (kith__fn *)fn, KITH__SHAPE_VARIABLE, in, in_size, out, sizeof *out,
                           n);
}

kith_result kith__starmap_async(kith_pool pool, const char *name, kith__fn *fn, int shape, size_t columns,
                                const void *rows, void *out, size_t n)
{
    struct kith__call_spec s = {
        .pool = kith__pool_here(pool),
        .name = name,
        .fn = (kith__anyfn *)fn,
        .kind = KITH__JOB_NUMBERS,
        .shape = shape,
        .n = n,
        .in = rows,
        .out = out,
    };
    int rc = kith__call_columns(&s, columns);

    if (rc < 0 || (rc = kith__call_numbers(&s, "kith_starmap_async")) < 0)
        return fail(rc);
    return begin_call(&s, "kith_starmap_async");
}

kith_result kith_pool_map_async(kith_pool pool, kith_map_fn *fn, const void *in, size_t in_size, void *out,
                                size_t out_size, size_t n)
{
    return kith__map_async(pool, NULL, (kith__fn *)fn, KITH__SHAPE_BYTES, in, in_size, out, out_size, n);
}

/* ------------------------------------------------------------------ waiting and taking */

/* Or another thread has taken its result. */
static int has_ended(struct kith__feed *feed, void *item)
{
    (void)feed;
    return kith__item_has_ended(item) || kith__item_state(item) == KITH__ITEM_NONE;
}

static int await(struct found *f, int timeout_ms)
{
    if (f->call)
        return kith__later_wait(f->call, timeout_ms);
    return kith__feed_wait(f->feed, f->unit, has_ended, f->item, timeout_ms);
}

int kith_result_wait(kith_result r, int timeout_ms)
{
    struct found f;
    int rc;

    if ((rc = kith__check_timeout(timeout_ms)) == 0 && (rc = find(r, &f)) == 0) {
        rc = await(&f, timeout_ms);
        put(&f);
    }
    return kith__report(rc == KITH_ECANCELLED ? 0 : rc);
}

int kith_result_ready(kith_result r)
{
    struct found f;
    int rc = find(r, &f);

    if (rc < 0)
        return kith__report(rc);
    if (!(rc = is_ready(&f)) && kith_worker() >= 0) {
        if (f.item)
            kith__feed_help(f.feed, 1);
        else
            kith__later_help(1);
        rc = is_ready(&f);
    }
    put(&f);
    return rc;
}

int kith_result_successful(kith_result r)
{
    struct found f;
    int rc = find(r, &f);

    if (rc < 0)
        return kith__report(rc);
    if (!is_ready(&f))
        rc = kith__fail(KITH_ERUNNING, "the call has not ended yet");
    else
        rc = f.call ? kith__later_code(f.call) == 0 : kith__item_state(f.item) == KITH__ITEM_DONE;
    put(&f);
    return rc;
}

/* exact: size is the size of *out, else nothing is said of it. */
static int get_size(const struct found *f, const void *out, size_t size)
{
    uint64_t has = 0;

    if (f->item)
        has = kith__item_size(f->item);
    else if (!kith__later_value(f->call, &has))
        has = 0;
    if (!out && size == 0)
        return 0;
    if (has == size)
        return 0;
    if (has == 0)
        return kith__fail(
            KITH_ESIZE, "the results of this call are where it was told to leave them: get it with NULL, 0");
    return kith__fail(KITH_ESIZE, "the result has %zu bytes, the place for it %zu", (size_t)has, size);
}

static int take(struct found *f, void *out)
{
    const void *value;
    uint64_t size;

    if (f->item)
        return kith__feed_take(f->feed, f->unit, out);
    if (out && (value = kith__later_value(f->call, &size)) && kith__later_code(f->call) == 0)
        memcpy(out, value, size);
    return kith__later_take(f->call);
}

int kith_result_get(kith_result r, void *out, size_t size, int timeout_ms)
{
    struct found f;
    int rc;

    if ((rc = kith__check_timeout(timeout_ms)) < 0 || (rc = kith__local_usable(r.id, "Result")) < 0)
        return kith__report(rc);
    if ((r.id & TASK) && kith__feed_take_ready(tag_of(r), r.id & LOW, out, size))
        return 0;
    if ((rc = find(r, &f)) < 0)
        return kith__report(rc);
    if ((rc = get_size(&f, out, size)) == 0 && (rc = await(&f, timeout_ms)) == 0)
        rc = take(&f, out);
    else if (rc == KITH_ECANCELLED && f.item)
        kith__feed_forget(f.feed, f.unit);
    put(&f);
    return kith__report(rc);
}

int kith__result_get(kith_result r, void *out, size_t size, int timeout_ms)
{
    return kith_result_get(r, out, size, timeout_ms);
}

int kith_result_drop(kith_result r)
{
    struct found f;
    int rc = find(r, &f);

    if (rc < 0)
        return kith__report(rc);
    if (f.item)
        kith__feed_drop(f.feed, f.unit);
    else
        kith__later_drop(f.call);
    put(&f);
    return 0;
}

int kith_result_cancel(kith_result r)
{
    struct found f;
    int rc = find(r, &f);

    if (rc == 0)
        rc = f.call ? kith__later_cancel(f.call) : kith__feed_cancel(f.feed, f.unit);
    put(&f);
    return kith__report(rc);
}

int kith_result_notify(kith_result r, kith_ready_fn *fn, void *arg)
{
    struct found f;
    int rc = find(r, &f);

    if (rc == 0 && !fn)
        rc = kith__fail(KITH_EINVAL, "kith_result_notify was given no function");
    if (rc == 0)
        rc = f.call ? kith__later_notify(f.call, r, fn, arg)
                    : kith__later_notify_task(f.feed, f.unit, r, fn, arg);
    put(&f);
    return kith__report(rc);
}

/* ------------------------------------------------------------------ many at once */

/* 1: it is a new one. */
static int meet(struct kith__crowd *c, struct kith__feed *feed)
{
    for (int i = c->count; i-- > 0;)
        if (c->feeds[i] == feed)
            return 0;
    if (c->count == KITH__CROWD_FEEDS) {
        c->others = 1;
        return 0;
    }
    kith__feed_watch(feed);
    c->feeds[c->count++] = feed;
    return 1;
}

int kith__crowd_look(struct kith__crowd *c, size_t i, int *met)
{
    struct found f;
    int rc = find(c->list[i], &f);

    if (rc < 0)
        return rc;
    if (!(rc = is_ready(&f)) && f.feed)
        *met |= meet(c, f.feed);
    put(&f);
    return rc;
}

void kith__crowd_join(struct kith__crowd *c, struct kith__wait *w)
{
    kith__later_join(w);
    for (int i = 0; i < c->count; i++)
        kith__feed_join(c->feeds[i], w);
    if (c->others)
        w->look_at = kith__now_ns() + KITH__MS; /* nobody wakes it for those */
}

void kith__crowd_leave(struct kith__crowd *c, struct kith__wait *w)
{
    kith__later_leave(w);
    for (int i = 0; i < c->count; i++)
        kith__feed_leave(c->feeds[i], w);
}

void kith__crowd_end(struct kith__crowd *c)
{
    for (int i = 0; i < c->count; i++)
        kith__feed_unwatch(c->feeds[i]);
}

/* A pool that ends has made its results ready. */
int kith__crowd_help(struct kith__crowd *c, int polls)
{
    int rc = 0;

    kith__later_help(polls);
    for (int i = 0; i < c->count && rc == 0; i++)
        if ((rc = kith__feed_help(c->feeds[i], polls)) == KITH_ECANCELLED)
            rc = 0;
    return rc;
}

/* How many have ended, or a code. */
static int64_t count_ended(struct kith__crowd *c, int *met)
{
    int64_t ended = 0;

    *met = 0;
    for (size_t i = 0; i < c->n; i++) {
        int rc = kith__crowd_look(c, i, met);

        if (rc < 0)
            return rc;
        ended += rc;
    }
    return ended;
}

static int64_t await_some(struct kith__crowd *c, struct kith__wait *w, int64_t enough, int timeout_ms)
{
    for (;;) {
        int64_t ended;
        int met, rc;

        kith__crowd_join(c, w);
        if ((ended = count_ended(c, &met)) < 0 || ended >= enough)
            return ended;
        if (met)
            continue;
        if ((rc = kith__crowd_help(c, timeout_ms == 0)) < 0)
            return rc;
        if ((rc = kith__wait_sleep(w)) < 0)
            return rc;
    }
}

static int64_t wait_for_some(const kith_result *list, size_t n, size_t enough, int timeout_ms)
{
    struct kith__crowd c = { .list = list, .n = n };
    struct kith__wait w;
    int64_t ended;
    int rc = kith__wait_begin(&w, NULL, timeout_ms);

    if (rc < 0)
        return rc;
    ended = await_some(&c, &w, (int64_t)enough, timeout_ms);
    kith__crowd_leave(&c, &w);
    kith__crowd_end(&c);
    kith__wait_end(&w, 1);
    return ended;
}

/* One after the other: each is looked at once. */
static int64_t wait_for_all(const kith_result *list, size_t n, int timeout_ms)
{
    int64_t end = kith__now_ns() + timeout_ms * KITH__MS, left;
    struct found f;
    int rc;

    for (size_t i = 0; i < n; i++) {
        if ((rc = find(list[i], &f)) < 0)
            return rc;
        left = timeout_ms == KITH_FOREVER ? KITH_FOREVER : (end - kith__now_ns() + KITH__MS - 1) / KITH__MS;
        rc = await(&f, timeout_ms != KITH_FOREVER && left < 0 ? 0 : (int)left);
        put(&f);
        if (rc < 0 && rc != KITH_ECANCELLED)
            return rc;
    }
    return (int64_t)n;
}

int64_t kith_results_wait(const kith_result *list, size_t n, size_t enough, int timeout_ms)
{
    int rc = kith__check_timeout(timeout_ms);

    if (rc == 0 && !list && n > 0)
        rc = kith__fail(KITH_EINVAL, "kith_results_wait was given NULL for %zu Results", n);
    if (rc == 0 && enough > n)
        rc = kith__fail(KITH_EINVAL, "kith_results_wait was to wait for %zu of %zu Results", enough, n);
    if (rc < 0)
        return kith__report(rc);
    return kith__report64(enough == n ? wait_for_all(list, n, timeout_ms)
                                      : wait_for_some(list, n, enough, timeout_ms));
}
