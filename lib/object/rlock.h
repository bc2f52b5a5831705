/* rlock.h: what a Condition asks of the RLock that it was given. */
#ifndef KITH_RLOCK_H
#define KITH_RLOCK_H

#include "object/owned.h"

enum {
    KITH__RLOCK_ACQUIRE = KITH__FIRST_METHOD,
    KITH__RLOCK_RELEASE,
    KITH__RLOCK_LOCKED,
    KITH__RLOCK_READY,
    KITH__RLOCK_MUST_HAVE,  /* 0; KITH_EOWNER: the caller has not got it */
    KITH__RLOCK_GIVE_ALL,   /* all levels: how many there were */
    KITH__RLOCK_TAKE_AGAIN, /* the number: so many levels */
    KITH__RLOCK_METHODS
};

#endif
