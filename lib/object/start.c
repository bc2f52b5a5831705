/* start.c: kith_start; see start.h and kith.h. A function for each shape has the compiler count and convert
 * the arguments, as kith_apply has. */
#include "config.h"
#include "object/start.h"
#include "object/process.h"
#include "object/target.h"
#include "base/error.h"

#include <string.h>

/* ---- in the program */

kith_process kith__start(kith__fn *fn, int shape, const void *row, size_t size)
{
    return kith__process_run(&(struct kith__run){ (kith__anyfn *)fn, shape, row, size, 0 }, NULL);
}

#define START(r, a, R, A)                                                               \
    kith_process kith__start_##r##a##1(R(*fn)(A), A x0)                                 \
    {                                                                                   \
        const A row[] = { x0 };                                                         \
                                                                                        \
        return kith__start((kith__fn *)fn, KITH__SHAPE_CODE(r, a, 1), row, sizeof row); \
    }                                                                                   \
    kith_process kith__start_##r##a##2(R(*fn)(A, A), A x0, A x1)                        \
    {                                                                                   \
        const A row[] = { x0, x1 };                                                     \
                                                                                        \
        return kith__start((kith__fn *)fn, KITH__SHAPE_CODE(r, a, 2), row, sizeof row); \
    }                                                                                   \
    kith_process kith__start_##r##a##3(R(*fn)(A, A, A), A x0, A x1, A x2)               \
    {                                                                                   \
        const A row[] = { x0, x1, x2 };                                                 \
                                                                                        \
        return kith__start((kith__fn *)fn, KITH__SHAPE_CODE(r, a, 3), row, sizeof row); \
    }

KITH__SHAPES(START)
KITH__VOID_SHAPES(START)

#define START_PLAIN(r, R)                                                                                 \
    kith_process kith__start_##r##0(R(*fn)(void))                                                         \
    {                                                                                                     \
        return kith__start((kith__fn *)fn, KITH__SHAPE_CODE(r, v, 0), NULL, 0);                           \
    }                                                                                                     \
    kith_process kith__start_##r##s1(R (*fn)(const char *), const char *text)                             \
    {                                                                                                     \
        return kith__start((kith__fn *)fn, KITH__SHAPE_CODE(r, s, 1), text, text ? strlen(text) + 1 : 0); \
    }

START_PLAIN(i, int)
START_PLAIN(v, void)

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

int kith__call_shaped(int shape, kith__anyfn *fn, const void *row, size_t size)
{
    kith__task_begin(size);
    return kith__task_end(call(shape, fn, row));
}
