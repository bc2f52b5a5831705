/* share.h: what tests change of share.c. */
#ifndef KITH_SHARE_H
#define KITH_SHARE_H

#include <stdint.h>

extern uint64_t kith__share_piece; /* bytes that are read at a time */
extern int kith__share_readers;    /* threads that read, 1 or 2 */

#endif
