/* grow.h: how the files of the arena become larger. They never become smaller: a seal sees to that, so nobody
 * can cut them under the others. */
#ifndef KITH_GROW_H
#define KITH_GROW_H

#include "base/descriptors.h"

#include <stdint.h>
#include <sys/types.h>

/* Makes the file size bytes large, if it is smaller. -1 and errno; EFBIG: RLIMIT_FSIZE. */
int kith__file_resize(int fd, uint64_t size);

/* The same in a process that may have lost the descriptor: then by that of the process keeper, which is
 * number there. */
int kith__file_grow(const struct kith__descriptor *file, uint64_t size, pid_t keeper, int number);

#endif
