/* share.h: what tests use and change of share.c. */
#ifndef KITH_SHARE_H
#define KITH_SHARE_H

#include "object/class.h"

#include <stdint.h>

/* By which a node joins the chain: number: its copy; the bytes: the object that it cannot read from, or 0. */
enum { KITH__SHARE_JOIN = KITH__FIRST_METHOD + 8 };

extern uint64_t kith__share_piece; /* bytes that are read at a time */
extern int kith__share_readers;    /* threads that read, 1 or 2 */

#endif
