/* start.c: kith_start; see start.h and kith.h.
 *
 * Numbers alone go to the Process as an array of their type, and a string alone as its bytes; all else as a
 * row of mix.h. */
#include "config.h"
#include "object/start.h"
#include "object/mix.h"
#include "object/process.h"
#include "object/target.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- in the program */

static kith_process run(kith__fn *fn, int shape, const void *row, size_t size)
{
    return kith__process_run(&(struct kith__run){ (kith__anyfn *)fn, shape, row, size, 0 }, NULL);
}

static kith_process start_string(kith__fn *fn, int shape, const struct kith__arg *arg)
{
    const char *text = *(const char *const *)arg->at;

    return run(fn, (shape & ~0xff00) | KITH__IS_s << 8, text, text ? strlen(text) + 1 : 0);
}

static kith_process start_numbers(kith__fn *fn, int shape, size_t n, const struct kith__arg *args)
{
    char row[KITH__MIX_MOST * sizeof(double)];
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += kith__convert(&args[i], shape >> 8 & 0xff, row + size);
    return run(fn, shape, row, size);
}

static kith_process start_mix(kith__fn *fn, int shape, size_t n, const struct kith__arg *args)
{
    kith_process p;
    size_t size;
    void *row;

    shape = kith__mix_shape(shape, n, args);
    if (!(row = kith__mix_row(shape, args, &size)))
        return (kith_process){ kith__failed_handle(
            kith__report(kith__fail(KITH_ENOMEM, "no memory for the arguments of kith_start"))) };
    p = run(fn, shape, row, size);
    free(row);
    return p;
}

#define IS_ROW(r, a, R, A) || (shape >= KITH__SHAPE_CODE(r, a, 1) && shape <= KITH__SHAPE_CODE(r, a, 3))

/* Numbers alone, of one of these shapes. */
static int is_row(int shape, size_t n, const struct kith__arg *args)
{
    for (size_t i = 0; i < n; i++)
        if (args[i].type == 'h' || args[i].type == 's')
            return 0;
    return n == 0 KITH__SHAPES(IS_ROW) KITH__VOID_SHAPES(IS_ROW);
}

kith_process kith__start(kith__fn *fn, int shape, size_t n, const struct kith__arg *args)
{
    if (n == 1 && args[0].type == 's')
        return start_string(fn, shape, &args[0]);
    return is_row(shape, n, args) ? start_numbers(fn, shape, n, args) : start_mix(fn, shape, n, args);
}

/* ---- in the Process */

/* The exit code is that of a target: what a function returns that does not mean one is nobody's. */
#define TAKE(R, call)                                            \
    {                                                            \
        R result = call;                                         \
        return _Generic(result, int : (int)result, default : 0); \
    }
#define CALL(r, a, R, A)                                                    \
    if (shape == KITH__SHAPE_CODE(r, a, 1))                                 \
        TAKE(R, ((R(*)(A))fn)(((const A *)row)[0]))                         \
    if (shape == KITH__SHAPE_CODE(r, a, 2))                                 \
        TAKE(R, ((R(*)(A, A))fn)(((const A *)row)[0], ((const A *)row)[1])) \
    if (shape == KITH__SHAPE_CODE(r, a, 3))                                 \
    TAKE(R, ((R(*)(A, A, A))fn)(((const A *)row)[0], ((const A *)row)[1], ((const A *)row)[2]))

static int call_numbers(int shape, kith__anyfn *fn, const void *row)
{
    KITH__SHAPES(CALL)
    return 0;
}

#define CALL_VOID(r, a, R, A)                                       \
    if (shape == KITH__SHAPE_CODE(r, a, 1))                         \
        ((R(*)(A))fn)(((const A *)row)[0]);                         \
    else if (shape == KITH__SHAPE_CODE(r, a, 2))                    \
        ((R(*)(A, A))fn)(((const A *)row)[0], ((const A *)row)[1]); \
    else if (shape == KITH__SHAPE_CODE(r, a, 3))                    \
        ((R(*)(A, A, A))fn)(((const A *)row)[0], ((const A *)row)[1], ((const A *)row)[2]);

static void call_void(int shape, kith__anyfn *fn, const void *row)
{
    KITH__VOID_SHAPES(CALL_VOID)
}

static int call(int shape, kith__anyfn *fn, const void *row)
{
    if (shape == KITH__SHAPE_CODE(i, v, 0))
        return ((int (*)(void))fn)();
    if (shape == KITH__SHAPE_CODE(i, s, 1))
        return ((int (*)(const char *))fn)(row);
    if (shape == KITH__SHAPE_CODE(v, v, 0))
        ((void (*)(void))fn)();
    else if (shape == KITH__SHAPE_CODE(v, s, 1))
        ((void (*)(const char *))fn)(row);
    else if (shape >> 16 == 'v')
        call_void(shape, fn, row);
    else
        return call_numbers(shape, fn, row);
    return 0;
}

static int call_mix(int shape, kith__anyfn *fn, const void *row)
{
    char result[sizeof(uint64_t)];
    int rc = 0;

    kith__mix_call(shape, fn, row, result);
    if ((shape >> 16 & 0xff) == 'i')
        memcpy(&rc, result, sizeof rc);
    return rc;
}

int kith__call_shaped(int shape, kith__anyfn *fn, const void *row, size_t size)
{
    kith__task_begin(size);
    return kith__task_end(kith__is_mix(shape) ? call_mix(shape, fn, row) : call(shape, fn, row));
}
