/* map.h: what a map is given becomes a call (call.h), and is checked. For all that call a function on each of
 * many elements. */
#ifndef KITH_MAP_H
#define KITH_MAP_H

#include "pool/call.h"

/* What a map over n elements is given, of functions of bytes so far: see kith__call_shape. */
struct kith__call_spec kith__call_of_map(kith_pool pool, const char *name, kith__fn *fn, int shape,
                                         const void *in, size_t in_size, void *out, size_t out_size,
                                         size_t n);

/* 0, or what is wrong with it. what: the public function, for the sentence. */
int kith__call_check(const struct kith__call_spec *s, const char *what);

/* Sizes of a function of numbers, by its shape. 0 or KITH_ETYPE. */
int kith__call_numbers(struct kith__call_spec *s, const char *what);
/* Kind and sizes by the shape, of any function that kith_map takes. 0; KITH_ETYPE; KITH_ESIZE. */
int kith__call_shape(struct kith__call_spec *s, const char *what);
/* Of a map that was checked: its results, when they are of any size, are nothing at first. 0; KITH_EINVAL. */
int kith__call_clear(const struct kith__call_spec *s, const char *what);

/* 0 or KITH_ESIZE: the rows of a starmap have another number of columns than its function has arguments. */
int kith__call_columns(const struct kith__call_spec *s, size_t columns);

#endif
