/* mix.c: see mix.h. Called by start.c, and for the tasks of a pool. */
#include "config.h"
#include "object/mix.h"

#include <stdlib.h>
#include <string.h>

enum kind { HANDLE = 1, STRING, NUMBER };

static enum kind kind_of(int shape, size_t i)
{
    return (enum kind)((uint32_t)shape >> (24 + 2 * i) & 3);
}

static int letter_of(int shape)
{
    return shape >> 8 & 0xff;
}

static size_t count_of(int shape)
{
    return (size_t)shape & 0xff;
}

/* ---- numbers */

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

size_t kith__convert(const struct kith__arg *arg, int letter, void *out)
{
    switch (arg->type) {
    case 'i': return convert_signed(*(const int *)arg->at, letter, out);
    case 'I': return convert_unsigned(*(const unsigned *)arg->at, letter, out);
    case 'l': return convert_signed(*(const long *)arg->at, letter, out);
    case 'L': return convert_unsigned(*(const unsigned long *)arg->at, letter, out);
    case 'q': return convert_signed(*(const long long *)arg->at, letter, out);
    case 'f': return convert_floating((double)*(const float *)arg->at, letter, out);
    default: return convert_floating(*(const double *)arg->at, letter, out);
    }
}

/* An integer as a register has it; a floating-point number as its bytes. */
static uint64_t word_of_number(const struct kith__arg *arg, int letter)
{
    uint64_t word = 0;
    int x;

    if (letter != 'i') {
        kith__convert(arg, letter, &word);
        return word;
    }
    kith__convert(arg, letter, &x);
    return (uint64_t)(int64_t)x;
}

/* ---- the row */

static const char *text_of(const struct kith__arg *arg)
{
    return arg->type == 's' ? *(const char *const *)arg->at : NULL;
}

int kith__mix_shape(int shape, size_t n, const struct kith__arg *args)
{
    uint32_t kinds = 0;

    for (size_t i = 0; i < n; i++)
        kinds |= (uint32_t)(args[i].type == 'h' ? HANDLE : args[i].type == 's' ? STRING : NUMBER) << 2 * i;
    return (int)(kinds << 24 | (uint32_t)shape);
}

static size_t size_of(size_t n, const struct kith__arg *args)
{
    size_t size = n * sizeof(uint64_t);

    for (size_t i = 0; i < n; i++)
        if (text_of(&args[i]))
            size += strlen(text_of(&args[i])) + 1;
    return size;
}

/* A string's word is where it is in the row; 0: NULL. */
static void fill(void *row, int shape, const struct kith__arg *args)
{
    uint64_t *words = row, end = count_of(shape) * sizeof *words;

    for (size_t i = 0; i < count_of(shape); i++) {
        const char *text = text_of(&args[i]);
        size_t size = text ? strlen(text) + 1 : 0;

        if (args[i].type == 'h')
            memcpy(&words[i], args[i].at, sizeof words[i]);
        else if (args[i].type != 's')
            words[i] = word_of_number(&args[i], letter_of(shape));
        else
            words[i] = text ? end : 0;
        if (text)
            memcpy((char *)row + end, text, size);
        end += size;
    }
}

void *kith__mix_row(int shape, const struct kith__arg *args, size_t *size)
{
    size_t needed = size_of(count_of(shape), args), room = 64;
    void *row;

    while (room < needed)
        room *= 2;
    *size = needed > count_of(shape) * sizeof(uint64_t) ? room : needed;
    if ((row = calloc(1, *size)))
        fill(row, shape, args);
    return row;
}

/* ---- the call */

typedef uint64_t word;

static word word_at(const void *row, int shape, size_t i)
{
    word w = ((const word *)row)[i];

    return kind_of(shape, i) == STRING && w ? (word)(uintptr_t)((const char *)row + w) : w;
}

static float float_at(const void *row, size_t i)
{
    float x;

    memcpy(&x, (const word *)row + i, sizeof x);
    return x;
}

static double double_at(const void *row, size_t i)
{
    double x;

    memcpy(&x, (const word *)row + i, sizeof x);
    return x;
}

/* A bit for each place of a floating-point number. */
static unsigned floating(int shape)
{
    const int letter = letter_of(shape);
    unsigned places = 0;

    for (size_t i = 0; i < count_of(shape); i++)
        places |= (unsigned)(kind_of(shape, i) == NUMBER && (letter == 'd' || letter == 'f')) << i;
    return places;
}

/* A handle is one word, and 64-bit ABIs pass a struct of one word as they pass the word, a pointer, and an
 * integer that is widened to it. Floating-point numbers differ, and some ABIs count them with the words: so
 * there is a call for each set of places where they may stand. An argument too many is not looked at. */
#define TYPE_0(F) word
#define TYPE_1(F) F
#define PASS_0(i, F) i < n ? word_at(row, shape, i) : 0
#define PASS_1(i, F) F##_at(row, i)
#define CALL_AT(R, F, p, q, r, s)                                              \
    case p | q << 1 | r << 2 | s << 3:                                         \
        return ((R(*)(TYPE_##p(F), TYPE_##q(F), TYPE_##r(F), TYPE_##s(F)))fn)( \
            PASS_##p(0, F), PASS_##q(1, F), PASS_##r(2, F), PASS_##s(3, F));
#define CALL_2(R, F, r, s) \
    CALL_AT(R, F, 0, 0, r, s) CALL_AT(R, F, 1, 0, r, s) CALL_AT(R, F, 0, 1, r, s) CALL_AT(R, F, 1, 1, r, s)
#define CALL(R, F)                                                          \
    static R call_##R##_of_##F(int shape, kith__anyfn *fn, const void *row) \
    {                                                                       \
        const size_t n = count_of(shape);                                   \
                                                                            \
        switch (floating(shape)) {                                          \
            CALL_2(R, F, 0, 0)                                              \
            CALL_2(R, F, 1, 0) CALL_2(R, F, 0, 1) CALL_2(R, F, 1, 1)        \
        }                                                                   \
        return 0;                                                           \
    }
CALL(word, double)
CALL(word, float)
CALL(float, double)
CALL(float, float)
CALL(double, double)
CALL(double, float)

#define CALL_FOR(R) \
    (letter_of(shape) == 'f' ? call_##R##_of_float(shape, fn, row) : call_##R##_of_double(shape, fn, row))

void kith__mix_call(int shape, kith__anyfn *fn, const void *row, void *result)
{
    const int returns = shape >> 16 & 0xff;

    if (returns == 'd')
        memcpy(result, &(double){ CALL_FOR(double) }, sizeof(double));
    else if (returns == 'f')
        memcpy(result, &(float){ CALL_FOR(float) }, sizeof(float));
    else
        convert_unsigned(CALL_FOR(word), returns, result);
}
