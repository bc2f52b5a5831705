/* map.c: kith_map and its relatives, each a check and a call (call.c). Of each there is the plain function
 * with sizes and what the macro of kith.h calls, which knows the function's name and types. */
#include "config.h"
#include "pool/map.h"
#include "pool/chunk.h"
#include "base/error.h"
#include "object/mix.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

struct kith__call_spec kith__call_of_map(kith_pool pool, const char *name, kith__fn *fn, int shape,
                                         const void *in, size_t in_size, void *out, size_t out_size, size_t n)
{
    return (struct kith__call_spec){
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
}

int kith__call_check(const struct kith__call_spec *s, const char *what)
{
    int rc = kith__handle_usable(s->pool.id, "Pool");
    uint64_t most = SIZE_MAX / 2, outs = kith__is_map(s->kind) ? s->n : kith__block_count(s->n);
    char buf[64];

    if (rc < 0)
        return rc;
    if (!s->fn)
        return kith__fail(KITH_EINVAL, "%s was given no function", what);
    if (s->n > 0 && ((!s->in && s->in_size) || (kith__is_map(s->kind) && !s->out && s->out_size)))
        return kith__fail(KITH_EINVAL, "%s(%s) was given NULL for %llu elements", what,
                          kith__call_name(s, buf, sizeof buf), (unsigned long long)s->n);
    if (!s->arg && s->arg_size)
        return kith__fail(KITH_EINVAL, "%s(%s) was given %llu bytes of context at NULL", what,
                          kith__call_name(s, buf, sizeof buf), (unsigned long long)s->arg_size);
    if (s->n > UINT64_C(1) << 47 && kith__is_map(s->kind))
        return kith__fail(KITH_EINVAL, "%s(%s) over %llu elements: at most 2^47", what,
                          kith__call_name(s, buf, sizeof buf), (unsigned long long)s->n);
    if (s->n > 0 && ((s->in_size && s->n > most / s->in_size) || (s->out_size && outs > most / s->out_size)))
        return kith__fail(KITH_EINVAL, "%s(%s): %llu elements of %zu bytes are more than memory can hold",
                          what, kith__call_name(s, buf, sizeof buf), (unsigned long long)outs,
                          (size_t)(s->out_size > s->in_size ? s->out_size : s->in_size));
    return 0;
}

int kith__call_clear(const struct kith__call_spec *s, const char *what)
{
    uintptr_t in = (uintptr_t)s->in, out = (uintptr_t)s->out;

    if (s->kind != KITH__JOB_VARIABLE || s->n == 0)
        return 0;
    if (s->in_size && in < out + s->n * s->out_size && out < in + s->n * s->in_size)
        return kith__fail(KITH_EINVAL, "%s: results of any size cannot take the place of their arguments",
                          what);
    memset(s->out, 0, s->n * s->out_size);
    return 0;
}

static int call(const struct kith__call_spec *s, const char *what)
{
    int rc = kith__call_check(s, what);

    if (rc == 0)
        rc = kith__call_clear(s, what);
    return rc < 0 || s->n == 0 ? rc : kith__call(s, NULL, NULL);
}

/* ---------------------------------------------------------------- functions of numbers */

int kith__call_numbers(struct kith__call_spec *s, const char *what)
{
    int arguments = s->shape & 255;

    s->kind = KITH__JOB_NUMBERS;
    s->out_size = kith__number_size(s->shape >> 16 & 255);
    if (kith__is_mix(s->shape))
        return 0;
    s->in_size = kith__number_size(s->shape >> 8 & 255) * (size_t)arguments;
    if (s->in_size == 0 || s->out_size == 0 || arguments > 3)
        return kith__fail(KITH_ETYPE,
                          "%s(%s): a function of a shape (%#x) that this version of kith does not know", what,
                          s->name, (unsigned)s->shape);
    return 0;
}

int kith__call_shape(struct kith__call_spec *s, const char *what)
{
    if (s->shape == KITH__SHAPE_BYTES)
        return 0;
    if (s->shape != KITH__SHAPE_VARIABLE)
        return kith__call_numbers(s, what);
    s->kind = KITH__JOB_VARIABLE;
    if (s->out_size == sizeof(kith_bytes))
        return 0;
    return kith__fail(KITH_ESIZE, "%s: results of any size are a kith_bytes each, of %zu bytes, not %zu",
                      what, sizeof(kith_bytes), (size_t)s->out_size);
}

static int map_numbers(struct kith__call_spec *s, const char *what)
{
    int rc = kith__call_numbers(s, what);

    return rc < 0 ? rc : call(s, what);
}

int kith__call_columns(const struct kith__call_spec *s, size_t columns)
{
    size_t arguments = (size_t)(s->shape & 255);

    if (columns == arguments)
        return 0;
    return kith__fail(KITH_ESIZE, "%s takes %zu argument%s, but the rows have %zu column%s", s->name,
                      arguments, arguments == 1 ? "" : "s", columns, columns == 1 ? "" : "s");
}

static int starmap(struct kith__call_spec *s, size_t columns)
{
    int rc = kith__call_columns(s, columns);

    return rc < 0 ? rc : map_numbers(s, "kith_starmap");
}

int kith__starmap(kith_pool pool, const char *name, kith__fn *fn, int shape, size_t columns, const void *rows,
                  void *out, size_t n)
{
    struct kith__call_spec s = kith__call_of_map(pool, name, fn, shape, rows, 0, out, 0, n);

    return kith__report(starmap(&s, columns));
}

static int apply(kith_pool pool, const char *name, kith__fn *fn, int shape, const void *row, size_t size,
                 void *result)
{
    struct kith__call_spec s = kith__call_of_map(pool, name, fn, shape, row, size, result, 0, 1);

    if (!result)
        return kith__report(kith__fail(KITH_EINVAL, "kith_apply(%s) was given NULL for the result", name));
    return kith__report(map_numbers(&s, "kith_apply"));
}

#define APPLY(r, a, R, A)                                                                                  \
    int kith__apply_##r##a##1(kith_pool p, const char *name, R (*fn)(A), size_t size, R *y, A x0)          \
    {                                                                                                      \
        const A row[1] = { x0 };                                                                           \
        (void)size;                                                                                        \
        return apply(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 1), row, 0, y);                       \
    }                                                                                                      \
    int kith__apply_##r##a##2(kith_pool p, const char *name, R (*fn)(A, A), size_t size, R *y, A x0, A x1) \
    {                                                                                                      \
        const A row[2] = { x0, x1 };                                                                       \
        (void)size;                                                                                        \
        return apply(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 2), row, 0, y);                       \
    }                                                                                                      \
    int kith__apply_##r##a##3(kith_pool p, const char *name, R (*fn)(A, A, A), size_t size, R *y, A x0,    \
                              A x1, A x2)                                                                  \
    {                                                                                                      \
        const A row[3] = { x0, x1, x2 };                                                                   \
        (void)size;                                                                                        \
        return apply(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 3), row, 0, y);                       \
    }
KITH__SHAPES(APPLY)

int kith__apply_mix(kith_pool p, const char *name, kith__fn *fn, int shape, void *y, size_t n,
                    const struct kith__arg *args)
{
    size_t size;
    void *row;
    int rc;

    shape = kith__mix_shape(shape, n, args);
    if (!(row = kith__mix_row(shape, args, &size)))
        return kith__report(kith__fail(KITH_ENOMEM, "no memory for the arguments of kith_apply"));
    rc = apply(p, name, fn, shape, row, size, y);
    free(row);
    return rc;
}

/* ---------------------------------------------------------------- functions of bytes */

int kith__map(kith_pool pool, const char *name, kith__fn *fn, int shape, const void *in, size_t in_size,
              void *out, size_t out_size, size_t n)
{
    return kith__map_costs(pool, name, fn, shape, in, in_size, out, out_size, n, NULL);
}

int kith__map_costs(kith_pool pool, const char *name, kith__fn *fn, int shape, const void *in, size_t in_size,
                    void *out, size_t out_size, size_t n, const double *costs)
{
    struct kith__call_spec s = kith__call_of_map(pool, name, fn, shape, in, in_size, out, out_size, n);
    int rc = kith__call_shape(&s, "kith_map");

    s.costs = costs;
    return kith__report(rc < 0 ? rc : call(&s, "kith_map"));
}

int kith_pool_map_bytes(kith_pool pool, kith_bytes_fn *fn, const void *in, size_t in_size, kith_bytes *out,
                        size_t n)
{
    return kith__map(pool, NULL, (kith__fn *)fn, KITH__SHAPE_VARIABLE, in, in_size, out, sizeof *out, n);
}

int kith_pool_map(kith_pool pool, kith_map_fn *fn, const void *in, size_t in_size, void *out, size_t out_size,
                  size_t n)
{
    return kith__map(pool, NULL, (kith__fn *)fn, KITH__SHAPE_BYTES, in, in_size, out, out_size, n);
}

int kith_pool_map_costs(kith_pool pool, kith_map_fn *fn, const void *in, size_t in_size, void *out,
                        size_t out_size, size_t n, const double *costs)
{
    return kith__map_costs(pool, NULL, (kith__fn *)fn, KITH__SHAPE_BYTES, in, in_size, out, out_size, n,
                           costs);
}

int kith__apply_bytes(kith_pool pool, const char *name, kith_map_fn *fn, size_t size, void *y, const void *in,
                      size_t in_size)
{
    return kith__map(pool, name, (kith__fn *)fn, KITH__SHAPE_BYTES, in, in_size, y, size, 1);
}

int kith_pool_apply(kith_pool pool, kith_map_fn *fn, const void *in, size_t in_size, void *out,
                    size_t out_size)
{
    return kith_pool_map(pool, fn, in, in_size, out, out_size, 1);
}

int kith__map_with(kith_pool pool, const char *name, kith_map_with_fn *fn, const void *in, size_t in_size,
                   void *out, size_t out_size, size_t n, const void *arg, size_t size)
{
    struct kith__call_spec s =
        kith__call_of_map(pool, name, (kith__fn *)fn, 0, in, in_size, out, out_size, n);

    s.kind = KITH__JOB_WITH;
    s.arg = arg;
    s.arg_size = size;
    return kith__report(call(&s, "kith_map_with"));
}

int kith_pool_map_with(kith_pool pool, kith_map_with_fn *fn, const void *in, size_t in_size, void *out,
                       size_t out_size, size_t n, const void *arg, size_t size)
{
    return kith__map_with(pool, NULL, fn, in, in_size, out, out_size, n, arg, size);
}

/* ---------------------------------------------------------------- ranges */

static struct kith__call_spec of_range(kith_pool pool, const char *name, kith__anyfn *fn,
                                       enum kith__job_kind kind, const void *arg, size_t size, uint64_t n)
{
    return (struct kith__call_spec){
        .pool = kith__pool_here(pool),
        .name = name,
        .fn = fn,
        .kind = kind,
        .n = n,
        .arg = arg,
        .arg_size = size,
    };
}

int kith__for(kith_pool pool, const char *name, kith_for_fn *fn, const void *arg, size_t size, uint64_t n)
{
    struct kith__call_spec s = of_range(pool, name, (kith__anyfn *)fn, KITH__JOB_FOR, arg, size, n);

    return kith__report(call(&s, "kith_for"));
}

int kith_pool_for(kith_pool pool, kith_for_fn *fn, const void *arg, size_t size, uint64_t n)
{
    return kith__for(pool, NULL, fn, arg, size, n);
}

static void add_up(struct kith__call *c, void *context)
{
    const double *part = kith__at(c->job->out);
    double sum = 0.0;

    for (uint64_t b = 0; b < c->job->units; b++)
        sum += part[b];
    *(double *)context = sum;
}

int kith__sum(kith_pool pool, const char *name, kith_sum_fn *fn, const void *arg, size_t size, uint64_t n,
              double *sum)
{
    struct kith__call_spec s = of_range(pool, name, (kith__anyfn *)fn, KITH__JOB_SUM, arg, size, n);
    char buf[64];
    int rc;

    s.out_size = sizeof(double);
    rc = kith__call_check(&s, "kith_sum");
    if (rc == 0 && !sum)
        rc = kith__fail(KITH_EINVAL, "kith_sum(%s) was given NULL for the sum",
                        kith__call_name(&s, buf, sizeof buf));
    if (rc == 0 && n == 0)
        *sum = 0.0;
    return kith__report(rc < 0 || n == 0 ? rc : kith__call(&s, add_up, sum));
}

int kith_pool_sum(kith_pool pool, kith_sum_fn *fn, const void *arg, size_t size, uint64_t n, double *sum)
{
    return kith__sum(pool, NULL, fn, arg, size, n, sum);
}

struct folding {
    kith_fold_fn *fold;
    void *total;
};

static void fold_up(struct kith__call *c, void *context)
{
    const struct folding *f = context;

    for (uint64_t b = 0; b < c->job->units; b++)
        f->fold(f->total, (const char *)kith__at(c->job->out) + b * c->job->out_size);
}

int kith__reduce(kith_pool pool, const char *name, kith_reduce_fn *fn, const void *arg, size_t size,
                 uint64_t n, kith_fold_fn *fold, void *total, size_t total_size)
{
    struct folding f = { fold, total };
    struct kith__call_spec s = of_range(pool, name, (kith__anyfn *)fn, KITH__JOB_REDUCE, arg, size, n);
    char buf[64];
    int rc;

    s.out_size = total_size;
    rc = kith__call_check(&s, "kith_reduce");
    if (rc == 0 && (!fold || !total || total_size == 0))
        rc = kith__fail(KITH_EINVAL, "kith_reduce(%s) needs a function that folds and a total",
                        kith__call_name(&s, buf, sizeof buf));
    return kith__report(rc < 0 || n == 0 ? rc : kith__call(&s, fold_up, &f));
}

int kith_pool_reduce(kith_pool pool, kith_reduce_fn *fn, const void *arg, size_t size, uint64_t n,
                     kith_fold_fn *fold, void *total, size_t total_size)
{
    return kith__reduce(pool, NULL, fn, arg, size, n, fold, total, total_size);
}
