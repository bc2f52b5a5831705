/* vouch.c: see vouch.h. */
#include "config.h"
#include "object/vouch.h"
#include "base/error.h"
#include "object/process.h"
#include "rpc/mailbox.h"

#include <string.h>

/* 1: its agent tells of its end, and not its janitor. */
static int is_told(uint32_t node)
{
    return node != kith__shared->node || kith__shared->through_net;
}

static struct kith__deaths *deaths_of(uint32_t node)
{
    return &kith__agent_shared()->deaths[node];
}

/* ------------------------------------------------------------------ at the object's home */

/* The number before the walk, so that who does not see it is seen by that. */
void kith__death_told(const struct kith__caller *who, kith__hears_later *later, void *context)
{
    struct kith__deaths *d = deaths_of(who->node);
    uint64_t told = atomic_load(&d->told);

    if (who->member == 0)
        atomic_store(&d->told, KITH__NODE_ENDED);
    else if (told != KITH__NODE_ENDED) {
        atomic_store(&d->last[told % KITH__DEATHS_KNOWN], who->member);
        atomic_store(&d->told, told + 1);
    }
    kith__objects_died_but(who, later, context);
}

enum fate { LIVES, HAS_ENDED, UNKNOWN };

/* Of a process that lived when its node had told of so many deaths. While we are in the guard one more may be
 * noted, but not walked with: in the place of one that was before those. */
static enum fate look(const struct kith__caller *who, uint64_t before)
{
    const struct kith__deaths *d = deaths_of(who->node);
    uint64_t told = atomic_load(&d->told);

    if (told == KITH__NODE_ENDED)
        return HAS_ENDED;
    if (told > before && told - before >= KITH__DEATHS_KNOWN)
        return UNKNOWN;
    for (uint64_t i = before; i < told; i++)
        if (atomic_load(&d->last[i % KITH__DEATHS_KNOWN]) == who->member)
            return HAS_ENDED;
    return LIVES;
}

int kith__named(const struct kith__args *in, struct kith__caller *who)
{
    enum fate fate;
    uint64_t before;

    *who = (struct kith__caller){ (uint32_t)(in->number >> 32), (uint32_t)in->number, 0 };
    if (who->node >= kith__shared->nodes || in->size != sizeof before)
        return kith__fail(KITH_EINVAL, "a process of node %u is named: two versions of kith?", who->node);
    memcpy(&before, in->bytes, sizeof before);
    if (who->member == 0)
        return 0;
    fate = is_told(who->node) ? look(who, before) : kith__member_of(who->member) ? LIVES : HAS_ENDED;
    if (fate == HAS_ENDED)
        who->member = 0;
    return fate == UNKNOWN ? KITH__ASK_AGAIN : 0;
}

/* ----------------------------------------------------------------- where it is named */

/* How many deaths its node has told the home of id, and 1; 0: it has ended; a code. */
static int64_t vouch(uint64_t id, uint64_t holder)
{
    struct kith__args in = { .number = (uint64_t)kith__handle_home(id) << 32 | (uint32_t)holder };

    return kith__ask_node((uint32_t)(holder >> 32), KITH__NODE_KIND, KITH__NODE_VOUCH, &in);
}

/* holder: its node << 32 | serial number. */
static int64_t name_once(uint64_t id, enum kith__kind kind, unsigned method, uint64_t holder)
{
    int is_here = holder >> 32 == kith__handle_home(id) && !kith__shared->through_net;
    int64_t told = (uint32_t)holder == 0 ? 0 : is_here ? 1 : vouch(id, holder);
    uint64_t before = (uint64_t)told - 1;
    struct kith__args in = { .bytes = &before, .size = sizeof before, .number = holder };
    struct kith__result out = { 0 };

    if (told < 0)
        return told;
    if (told == 0)
        in.number = holder >> 32 << 32;
    kith__failpoint("name: vouched for");
    return kith__invoke(id, kind, method, &in, &out, KITH_FOREVER);
}

int64_t kith__name_process(uint64_t id, enum kith__kind kind, unsigned method, kith_process p)
{
    int64_t serial = kith__handle_usable(id, kith__classes[kind]->noun), rc;
    uint64_t node = (uint64_t)kith__handle_home(p.id) << 32;

    if (serial < 0 || (serial = kith__process_member(p)) < 0)
        return serial;
    do
        rc = name_once(id, kind, method, node | (uint64_t)serial);
    while (rc == KITH__ASK_AGAIN);
    return rc;
}
