/* result.c: kith_apply_async and the results of what goes on while the caller does something else.
 *
 * A result belongs to the process that made the call. Its handle tells which process that is, and either a
 * task in a row (feed.h) or a call with a job of its own (later.h).
 */
#include "config.h"
#include "pool/result.h"
#include "pool/service.h"
#include "pool/attend.h"
#include "pool/local.h"
#include "pool/map.h"
#include "pool/serial.h"
#include "base/error.h"
#include "base/system.h"
#include "object/mix.h"

#include <stdlib.h>
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

int kith__result_find(kith_result r, struct kith__found *f)
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

void kith__result_put(struct kith__found *f)
{
    if (f->call)
        kith__later_put(f->call);
    else if (f->item)
        kith__feed_put(f->feed, f->unit);
}

int kith__result_is_ready(const struct kith__found *f)
{
    return f->call ? kith__later_is_ready(f->call) : kith__feed_is_ready(f->feed, f->item);
}

/* ------------------------------------------------------------------ beginning */

/* A task of a row, where there is one. */
static int begin_task(const struct kith__call_spec *s, kith_result *r)
{
    uint64_t unit;
    uint32_t tag;
    int rc = kith__call_depth(s->pool);

    if (rc == 0 && (rc = kith__feed_give_shared(s, &tag, &unit)) == 0)
        r->id = task_handle(tag, unit);
    return rc;
}

int kith__result_begin(const struct kith__call_spec *given, kith_result *r)
{
    struct kith__call_spec s = *given;
    uint64_t number;
    int rc = KITH__FEED_SERIAL;

    if (kith__attend_is_needed(s.pool))
        kith__attend_place(&s, 0);
    if (s.is_task && !kith__attend_is_needed(s.pool))
        rc = begin_task(&s, r);
    if (rc == KITH__FEED_SERIAL && (rc = kith__later_begin(&s, &number)) == 0)
        r->id = call_handle(number);
    return rc == KITH_ESTALE && kith__attend_ended(s.far) < 0 ? KITH_EPEER : rc;
}

static kith_result fail(int rc)
{
    return (kith_result){ kith__failed_handle(kith__report(rc)) };
}

static const char nowhere; /* the results of tasks are kept where kith says */

kith_result kith__apply_async(kith_pool pool, const char *name, kith__fn *fn, int shape, const void *in,
                              size_t in_size, size_t out_size)
{
    struct kith__call_spec s =
        kith__call_of_map(pool, name, fn, shape, in, in_size, (void *)(uintptr_t)&nowhere, out_size, 1);
    kith_result r = { 0 };
    int rc = 0;

    if (shape != KITH__SHAPE_BYTES)
        rc = kith__call_numbers(&s, "kith_apply_async");
    if (rc < 0 || (rc = kith__call_check(&s, "kith_apply_async")) < 0)
        return fail(rc);
    s.out = NULL;
    s.is_task = 1;
    return (rc = kith__result_begin(&s, &r)) < 0 ? fail(rc) : r;
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

kith_result kith__apply_async_mix(kith_pool p, const char *name, kith__fn *fn, int shape, size_t n,
                                  const struct kith__arg *args)
{
    kith_result r;
    size_t size;
    void *row;

    shape = kith__mix_shape(shape, n, args);
    if (!(row = kith__mix_row(shape, args, &size)))
        return fail(kith__fail(KITH_ENOMEM, "no memory for the arguments of kith_apply_async"));
    r = kith__apply_async(p, name, fn, shape, row, size, 0);
    free(row);
    return r;
}

kith_result kith__apply_async_bytes(kith_pool pool, const char *name, kith_map_fn *fn, const void *in,
                                    size_t in_size, size_t out_size)
{
    return kith__apply_async(pool, name, (kith__fn *)fn, KITH__SHAPE_BYTES, in, in_size, out_size);
}

static kith_result begin_call(struct kith__call_spec *s, const char *what)
{
    kith_result r = { 0 };
    int rc = kith__call_check(s, what);

    if (rc < 0 || (rc = kith__call_clear(s, what)) < 0 || (rc = kith__result_begin(s, &r)) < 0)
        return fail(rc);
    return r;
}

kith_result kith__map_async(kith_pool pool, const char *name, kith__fn *fn, int shape, const void *in,
                            size_t in_size, void *out, size_t out_size, size_t n)
{
    struct kith__call_spec s = kith__call_of_map(pool, name, fn, shape, in, in_size, out, out_size, n);
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
    struct kith__call_spec s = kith__call_of_map(pool, name, fn, shape, rows, 0, out, 0, n);
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

int kith__result_await(struct kith__found *f, int timeout_ms)
{
    if (f->call)
        return kith__later_wait(f->call, timeout_ms);
    return kith__feed_wait(f->feed, f->unit, has_ended, f->item, timeout_ms);
}

int kith_result_wait(kith_result r, int timeout_ms)
{
    struct kith__found f;
    int rc;

    if ((rc = kith__check_timeout(timeout_ms)) == 0 && (rc = kith__result_find(r, &f)) == 0) {
        rc = kith__result_await(&f, timeout_ms);
        kith__result_put(&f);
    }
    return kith__report(rc == KITH_ECANCELLED ? 0 : rc);
}

int kith_result_ready(kith_result r)
{
    struct kith__found f;
    int rc = kith__result_find(r, &f);

    if (rc < 0)
        return kith__report(rc);
    if (!(rc = kith__result_is_ready(&f)) && kith_worker() >= 0) {
        if (f.item)
            kith__feed_help(f.feed, 1);
        else
            kith__later_help(1);
        rc = kith__result_is_ready(&f);
    }
    kith__result_put(&f);
    return rc;
}

int kith_result_successful(kith_result r)
{
    struct kith__found f;
    int rc = kith__result_find(r, &f);

    if (rc < 0)
        return kith__report(rc);
    if (!kith__result_is_ready(&f))
        rc = kith__fail(KITH_ERUNNING, "the call has not ended yet");
    else
        rc = f.call ? kith__later_code(f.call) == 0 : kith__item_state(f.item) == KITH__ITEM_DONE;
    kith__result_put(&f);
    return rc;
}

/* exact: size is the size of *out, else nothing is said of it. */
static int get_size(const struct kith__found *f, const void *out, size_t size)
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

static int take(struct kith__found *f, void *out)
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
    struct kith__found f;
    int rc;

    if ((rc = kith__check_timeout(timeout_ms)) < 0 || (rc = kith__local_usable(r.id, "Result")) < 0)
        return kith__report(rc);
    if ((r.id & TASK) && kith__feed_take_ready(tag_of(r), r.id & LOW, out, size))
        return 0;
    if ((rc = kith__result_find(r, &f)) < 0)
        return kith__report(rc);
    if ((rc = get_size(&f, out, size)) == 0 && (rc = kith__result_await(&f, timeout_ms)) == 0)
        rc = take(&f, out);
    else if (rc == KITH_ECANCELLED && f.item) {
        rc = kith__feed_why_ended(f.feed);
        kith__feed_forget(f.feed, f.unit);
    }
    kith__result_put(&f);
    return kith__report(rc);
}

int kith__result_get(kith_result r, void *out, size_t size, int timeout_ms)
{
    return kith_result_get(r, out, size, timeout_ms);
}

int kith_result_drop(kith_result r)
{
    struct kith__found f;
    int rc = kith__result_find(r, &f);

    if (rc < 0)
        return kith__report(rc);
    if (f.item)
        kith__feed_drop(f.feed, f.unit);
    else
        kith__later_drop(f.call);
    kith__result_put(&f);
    return 0;
}

int kith_result_cancel(kith_result r)
{
    struct kith__found f;
    int rc = kith__result_find(r, &f);

    if (rc == 0)
        rc = f.call ? kith__later_cancel(f.call) : kith__feed_cancel(f.feed, f.unit);
    kith__result_put(&f);
    return kith__report(rc);
}

int kith_result_notify(kith_result r, kith_ready_fn *fn, void *arg)
{
    struct kith__found f;
    int rc = kith__result_find(r, &f);

    if (rc == 0 && !fn)
        rc = kith__fail(KITH_EINVAL, "kith_result_notify was given no function");
    if (rc == 0)
        rc = f.call ? kith__later_notify(f.call, r, fn, arg)
                    : kith__later_notify_task(f.feed, f.unit, r, fn, arg);
    kith__result_put(&f);
    return kith__report(rc);
}
