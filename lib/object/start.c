/* start.c: kith_start; see start.h and kith.h.
 *
 * Numbers alone go to the Process as an array of their type, and a string alone as its bytes. A mixture goes
 * as a struct mix, with strings behind it. */
#include "config.h"
#include "object/start.h"
#include "object/process.h"
#include "object/target.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 4, SHAPE_MIXED = 1 << 24 };

struct mix {
    char letters[MOST]; /* h, s or a number's */
    uint64_t strings;   /* bytes of them */
    union {
        uint64_t word; /* of a handle, or of an integer as wide as a register; of a string: where it is,
                        * counted from 1 in what follows the struct, 0: NULL */
        float f;
        double d;
    } at[MOST];
};

/* ---- in the program */

/* A number of one type as one of another, converted as in a call. */
#define STORE(letter, T)           \
    if (to == (#letter)[0]) {      \
        T y = (T)x;                \
                                   \
        memcpy(out, &y, sizeof y); \
        return sizeof y;           \
    }
#define CONVERT(from, X)                                 \
    static size_t convert_##from(X x, int to, void *out) \
    {                                                    \
        KITH__NUMBERS(STORE)                             \
        return 0;                                        \
    }
CONVERT(signed, long long)
CONVERT(unsigned, unsigned long long)
CONVERT(floating, double)

/* Its size as a number of type to. */
static size_t convert(const struct kith__arg *arg, int to, void *out)
{
    switch (arg->type) {
    case 'i': return convert_signed(*(const int *)arg->at, to, out);
    case 'I': return convert_unsigned(*(const unsigned *)arg->at, to, out);
    case 'l': return convert_signed(*(const long *)arg->at, to, out);
    case 'L': return convert_unsigned(*(const unsigned long *)arg->at, to, out);
    case 'q': return convert_signed(*(const long long *)arg->at, to, out);
    case 'f': return convert_floating((double)*(const float *)arg->at, to, out);
    default: return convert_floating(*(const double *)arg->at, to, out);
    }
}

static const char *text_of(const struct kith__arg *arg)
{
    return *(const char *const *)arg->at;
}

static kith_process run(kith__fn *fn, int shape, const void *row, size_t size)
{
    return kith__process_run(&(struct kith__run){ (kith__anyfn *)fn, shape, row, size, 0 }, NULL);
}

static kith_process start_string(kith__fn *fn, int shape, const char *text)
{
    return run(fn, (shape & ~0xff00) | KITH__IS_s << 8, text, text ? strlen(text) + 1 : 0);
}

static kith_process start_numbers(kith__fn *fn, int shape, size_t n, const struct kith__arg *args)
{
    char row[MOST * sizeof(double)];
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += convert(&args[i], shape >> 8 & 0xff, row + size);
    return run(fn, shape, row, size);
}

/* As a register has it. */
static uint64_t widen(int letter, const void *number)
{
    uint64_t word = 0;
    int x;

    memcpy(&word, number, letter == 'i' || letter == 'I' ? sizeof x : sizeof word);
    if (letter == 'i') {
        memcpy(&x, number, sizeof x);
        word = (uint64_t)(int64_t)x;
    }
    return word;
}

static void fill_number(struct mix *m, size_t i, int letter, const struct kith__arg *arg)
{
    char number[sizeof(uint64_t)];

    m->letters[i] = (char)letter;
    convert(arg, letter, number);
    if (letter == 'f')
        memcpy(&m->at[i].f, number, sizeof m->at[i].f);
    else
        m->at[i].word = widen(letter, number);
}

static void fill_string(struct mix *m, size_t i, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;

    m->letters[i] = 's';
    if (!text)
        return;
    memcpy((char *)(m + 1) + m->strings, text, size);
    m->at[i].word = m->strings + 1;
    m->strings += size;
}

static void fill(struct mix *m, int letter, size_t n, const struct kith__arg *args)
{
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < n; i++) {
        if (args[i].type == 's')
            fill_string(m, i, text_of(&args[i]));
        else if (args[i].type != 'h')
            fill_number(m, i, letter, &args[i]);
        else {
            m->letters[i] = 'h';
            memcpy(&m->at[i].word, args[i].at, sizeof m->at[i].word);
        }
    }
}

static kith_process start_mix(kith__fn *fn, int shape, size_t n, const struct kith__arg *args)
{
    size_t size = sizeof(struct mix);
    kith_process p;
    struct mix *m;

    for (size_t i = 0; i < n; i++)
        if (args[i].type == 's' && text_of(&args[i]))
            size += strlen(text_of(&args[i])) + 1;
    if (!(m = malloc(size)))
        return (kith_process){ kith__failed_handle(
            kith__report(kith__fail(KITH_ENOMEM, "no memory for the arguments of kith_start"))) };
    fill(m, shape >> 8 & 0xff, n, args);
    p = run(fn, shape | SHAPE_MIXED, m, size);
    free(m);
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
        return start_string(fn, shape, text_of(&args[0]));
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

static uint64_t word_of(const struct mix *m, int i)
{
    uint64_t word = m->at[i].word;

    if (m->letters[i] != 's' || word == 0)
        return word;
    return (uint64_t)(uintptr_t)((const char *)(m + 1) + word - 1);
}

/* A handle is one word, and 64-bit ABIs pass a struct of one word as they pass the word, a pointer, and an
 * integer that is widened to it. Floating-point numbers differ, and some ABIs count them with the words: so
 * there is a call for each set of places where they may stand. An argument too many is not looked at. */
#define TYPE_0(F) uint64_t
#define TYPE_1(F) F
#define PASS_0(i, field) word_of(m, i)
#define PASS_1(i, field) m->at[i].field
#define CALL_AT(F, field, p, q, r, s)                                             \
    case p | q << 1 | r << 2 | s << 3:                                            \
        return ((int (*)(TYPE_##p(F), TYPE_##q(F), TYPE_##r(F), TYPE_##s(F)))fn)( \
            PASS_##p(0, field), PASS_##q(1, field), PASS_##r(2, field), PASS_##s(3, field));
#define CALL_2(F, field, r, s)    \
    CALL_AT(F, field, 0, 0, r, s) \
    CALL_AT(F, field, 1, 0, r, s) CALL_AT(F, field, 0, 1, r, s) CALL_AT(F, field, 1, 1, r, s)
#define CALL_4(F, field) \
    CALL_2(F, field, 0, 0) CALL_2(F, field, 1, 0) CALL_2(F, field, 0, 1) CALL_2(F, field, 1, 1)

static int call_mix(int shape, kith__anyfn *fn, const struct mix *m)
{
    int letter = shape >> 8 & 0xff;
    unsigned floating = 0; /* a bit for each place */

    for (int i = 0; i < (shape & 0xff); i++)
        floating |= (unsigned)(m->letters[i] == 'd' || m->letters[i] == 'f') << i;
    if (letter == 'f')
        switch (floating) {
            CALL_4(float, f)
        }
    else
        switch (floating) {
            CALL_4(double, d)
        }
    return 0;
}

int kith__call_shaped(int shape, kith__anyfn *fn, const void *row, size_t size)
{
    int rc;

    kith__task_begin(size);
    if (!(shape & SHAPE_MIXED))
        rc = call(shape, fn, row);
    else if ((rc = call_mix(shape & ~SHAPE_MIXED, fn, row)) && (shape & ~SHAPE_MIXED) >> 16 != 'i')
        rc = 0;
    return kith__task_end(rc);
}
