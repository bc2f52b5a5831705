/* signals.c: see signals.h. */
#include "config.h"
#include "object/signals.h"

/* 1: that was the object's. */
static int look(struct kith__object *o, uint64_t ident, uint64_t *word)
{
    *word = atomic_load(&o->signals);
    return atomic_load(&o->ident) == ident;
}

int64_t kith__signals_add(struct kith__object *o, uint64_t ident, uint32_t most)
{
    uint64_t word;

    while (look(o, ident, &word)) {
        if (kith__signals(word) >= most)
            return 0;
        if (kith__signals_change(o, word, 1))
            return 1;
    }
    return KITH__GONE;
}

int64_t kith__signals_set(struct kith__object *o, uint64_t ident, int n)
{
    uint64_t word;

    while (look(o, ident, &word)) {
        int by = n - (int)kith__signals(word);

        if (by == 0 || kith__signals_change(o, word, by))
            return 0;
    }
    return KITH__GONE;
}

int kith__signals_take(struct kith__object *o)
{
    uint64_t word;

    while (kith__signals(word = atomic_load(&o->signals)) > 0)
        if (kith__signals_change(o, word, -1))
            return 1;
    return 0;
}
