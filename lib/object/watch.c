/* watch.c: see watch.h. */
#include "config.h"
#include "object/watch.h"
#include "base/error.h"

int kith__watch_count(uint64_t size)
{
    uint64_t count = size / sizeof(struct kith__watched);

    if (count == 0 || count > KITH__WATCH_MOST || size % sizeof(struct kith__watched) != 0)
        return kith__fail(KITH_EINVAL, "a list of %llu bytes to wait for: two versions of kith?",
                          (unsigned long long)size);
    return (int)count;
}

int kith__watch_look_at(const struct kith__watched *w, const struct kith__caller *who)
{
    const struct kith__class *c =
        w->kind > KITH__NOTHING && w->kind < KITH__KINDS ? kith__classes[w->kind] : NULL;
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    int64_t rc;

    if (!c || !c->ready)
        return kith__fail(KITH_EINVAL, "objects of class %u cannot be waited for", w->kind);
    rc = kith__attempt(w->id, w->kind, c->ready + (w->part != 0), who, &in, &out);
    return rc == KITH__PARKED ? 0 : rc < 0 ? (int)rc : 1;
}

struct kith__waiters *kith__watch_set(const struct kith__watched *w)
{
    const struct kith__class *c = kith__classes[w->kind];

    return kith__object_waiters(kith__object_slot(w->id), c->methods[c->ready + (w->part != 0)].side);
}

int kith__watch_look(const struct kith__watched *list, int count, const struct kith__caller *who,
                     int32_t *codes)
{
    int ready = 0;

    for (int i = 0; i < count; i++) {
        int code = kith__watch_is_here(&list[i]) ? kith__watch_look_at(&list[i], who) : 0;

        if (codes)
            codes[i] = code;
        ready += code != 0;
    }
    return ready;
}
