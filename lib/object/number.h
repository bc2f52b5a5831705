/* number.h: the numbers that Values and Arrays hold, by the letters that kith.h has for their types, and what
 * is done to one of them by a single instruction: so whoever dies has done it, or has not. */
#ifndef KITH_NUMBER_H
#define KITH_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { KITH__NUMBER_MOST = 8, KITH__BYTES_LETTER = 'b', KITH__STRING_LETTER = 's' };

struct kith__number {
    const char *name; /* as in C */
    size_t size;
    /* *at = op of *at and *by. *old: what it was. 0; KITH_EINVAL, KITH_ETYPE: there is no such op for it. */
    int (*update)(void *at, int op, const void *by, void *old);
    /* Whole, each of them: */
    void (*load)(const void *at, void *out, size_t n);
    void (*store)(void *at, const void *in, size_t n);
    /* *at = *desired if its bits are those of *expected: 1. Else 0, and *expected is what it was. */
    int (*compare_exchange)(void *at, void *expected, const void *desired);
};

extern const struct kith__number *const kith__numbers[128];

/* NULL: that letter is no number's. */
static inline const struct kith__number *kith__number(int letter)
{
    return letter >= 0 && letter < 128 ? kith__numbers[letter] : NULL;
}

/* For messages: "double", "bytes", "an unknown type". */
const char *kith__type_name(int letter);

#endif
