/* opening.h: from the options of a pool to one that has workers, here and on other nodes. */
#ifndef KITH_OPENING_H
#define KITH_OPENING_H

#include "pool/spread.h"

/* Opens a pool that is spread so, whatever .nodes says. 0; a code. */
int kith__pool_open_spread(struct kith__spread *plan, const struct kith_pool_options *o, uint64_t *id);

/* Opens a branch of a pool of another node, with options of that. 0; a code. */
int kith__pool_open_branch(const struct kith__trunk *trunk, int workers, const struct kith_pool_options *o,
                           uint64_t *id);

#endif
