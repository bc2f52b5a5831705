/* setup.h: what a Process is to find when it begins: variables, a folder, files for its output, and its limit
 * of memory. They travel behind its argument as one piece of bytes. */
#ifndef KITH_SETUP_H
#define KITH_SETUP_H

#include "kith.h"

#include <stddef.h>
#include <stdint.h>

/* Packs them into bytes, as far as room allows. How many bytes it takes, 0 when there is nothing; or
 * KITH_EINVAL. */
int64_t kith__setup_pack(const struct kith_process_options *o, char *bytes, size_t room);

/* In the new Process: does as they say. 0; a code, and nothing that its messages need is changed. */
int kith__setup_apply(const char *bytes, size_t size);

/* This process, a Process or worker, gets so many bytes of its own, beyond what it has now. 0, or a code. */
int kith__setup_limit_memory(uint64_t bytes);

#endif
