/* local.c: see local.h. Called by later.c, service.c, elsewhere.c, result.c and imap.c. */
#include "config.h"
#include "pool/local.h"
#include "base/error.h"
#include "member/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SLOT_BITS = 24 };

static size_t slot_of(uint64_t number)
{
    return number & ((UINT64_C(1) << SLOT_BITS) - 1);
}

static int grow(struct kith__locals *t)
{
    size_t room = t->room ? 2 * t->room : 64;
    void **things = realloc(t->things, room * sizeof(*things));
    uint16_t *generations = things ? realloc(t->generations, room * sizeof(*generations)) : NULL;
    size_t *unused = generations ? realloc(t->unused, room * sizeof(*unused)) : NULL;

    if (things)
        t->things = things;
    if (generations)
        t->generations = generations;
    if (unused)
        t->unused = unused;
    if (!unused || room > UINT64_C(1) << SLOT_BITS)
        return kith__fail(KITH_ENOMEM, "no memory for one more than %zu", t->count);
    t->room = room;
    return 0;
}

int kith__local_take(struct kith__locals *t, void *thing, uint64_t *number)
{
    size_t slot;

    if (t->unused_count == 0) {
        if (t->count == t->room && grow(t) < 0)
            return KITH_ENOMEM;
        t->generations[t->count] = 0;
        t->unused[t->unused_count++] = t->count++;
    }
    slot = t->unused[--t->unused_count];
    if (++t->generations[slot] == 0)
        t->generations[slot] = 1;
    t->things[slot] = thing;
    *number = (uint64_t)t->generations[slot] << SLOT_BITS | slot;
    return 0;
}

void *kith__local_find(const struct kith__locals *t, uint64_t number)
{
    size_t slot = slot_of(number);

    return slot < t->count && t->generations[slot] == number >> SLOT_BITS ? t->things[slot] : NULL;
}

void kith__local_let_go(struct kith__locals *t, uint64_t number)
{
    t->things[slot_of(number)] = NULL;
    t->unused[t->unused_count++] = slot_of(number);
}

uint64_t kith__local_process(void)
{
    return (uint64_t)(kith__member(kith__me)->serial & 255) << KITH__LOCAL_BITS;
}

int kith__local_usable(uint64_t id, const char *noun)
{
    char what[64];
    int rc;

    if (!kith__base || kith__me == 0) {
        snprintf(what, sizeof what, "a %s was used", noun);
        return kith__not_in_job(what);
    }
    if (id == 0)
        return kith__fail(KITH_ESTALE, "the handle of a %s is zero: none was begun into it", noun);
    if ((rc = kith__handle_code(id)) < 0)
        return rc;
    if ((id & UINT64_C(255) << KITH__LOCAL_BITS) != kith__local_process())
        return kith__fail(
            KITH_EINVAL, "a %s was used in process %d, which did not make it: it belongs to the one that did",
            noun, (int)getpid());
    return 0;
}
