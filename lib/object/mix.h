/* mix.h: functions of handles, strings and numbers in any order, which kith_start and kith_apply take.
 *
 * Their arguments go to another process as a row: a word for each, and behind these the strings. The kinds of
 * the arguments stand in the upper byte of the shape (kith.h), which is 0 in all other shapes. */
#ifndef KITH_MIX_H
#define KITH_MIX_H

#include "code/token.h"

#include <stddef.h>
#include <stdint.h>

enum { KITH__MIX_MOST = 4 }; /* arguments */

static inline int kith__is_mix(int shape)
{
    return (uint32_t)shape >> 24 != 0;
}

/* The shape of a call with these n arguments. */
int kith__mix_shape(int shape, size_t n, const struct kith__arg *args);

/* Their row, from malloc; NULL: there is no memory. Its size is rounded up if there are strings, since a pool
 * keeps something for each size that its tasks have had. */
void *kith__mix_row(int shape, const struct kith__arg *args, size_t *size);

/* Calls fn with them. *result is what it returned, a number of the type that the shape says; nothing for
 * void. */
void kith__mix_call(int shape, kith__anyfn *fn, const void *row, void *result);

/* Writes the number arg, converted as in a call, as one of the type of that letter: its size. */
size_t kith__convert(const struct kith__arg *arg, int letter, void *out);

#endif
