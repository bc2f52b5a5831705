/* moves.h: a word of shared memory that says in which state something is. It changes by a table, which can be
 * read as a drawing: in this state, on this event, to that one. */
#ifndef KITH_MOVES_H
#define KITH_MOVES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct kith__move {
    uint32_t from, on, to;
};

/* 1: moved; 0: there is nothing in the table for that event in the state that it has. */
int kith__move(_Atomic uint32_t *state, uint32_t event, const struct kith__move *moves, size_t count);

#define KITH__MOVE(state, event, moves) kith__move(state, event, moves, sizeof(moves) / sizeof *(moves))

#endif
