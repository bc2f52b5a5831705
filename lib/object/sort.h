/* sort.h: the order of what a view holds. */
#ifndef KITH_SORT_H
#define KITH_SORT_H

#include "kith.h"

/* Gives the numbers of the items of v, from 0, in the order of compare; equal ones stay as they are. NULL: in
 * their natural order. In memory of malloc, in *order. 0; KITH_ETYPE: they have none; KITH_ENOMEM. */
int kith__sort(struct kith_view *v, kith_compare_fn *compare, uint64_t **order);

#endif
