/* moves.c: see moves.h. */
#include "config.h"
#include "base/moves.h"

int kith__move(_Atomic uint32_t *state, uint32_t event, const struct kith__move *moves, size_t count)
{
    uint32_t seen = atomic_load(state);

    for (size_t i = 0; i < count;) {
        if (moves[i].from != seen || moves[i].on != event)
            i++;
        else if (atomic_compare_exchange_strong(state, &seen, moves[i].to))
            return 1;
        else
            i = 0; /* somebody else has moved it */
    }
    return 0;
}
