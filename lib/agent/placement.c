/* placement.c: see placement.h. Node 0 chooses for all; each node tells with its signs of life what is busy
 * there. */
#include "config.h"
#include "agent/placement.h"
#include "agent/alloc.h"
#include "base/log.h"
#include "object/class.h"
#include "object/process.h"
#include "object/vouch.h"
#include "object/watch.h"
#include "base/system.h"

#include <stdlib.h>

static const int64_t told_ns = 800 * KITH__MS;

struct kith__placement {
    struct kith__proto *proto;
    struct kith__requests *requests;
    uint32_t node, nodes;
    int64_t now;
    struct place {
        uint32_t cpus;
        uint32_t placed;   /* Processes that were sent there, ever */
        int64_t placed_at; /* the last of them */
    } of[];
};

static struct kith__placement *mine; /* of the agent whose turn it is */

/* Processes that were placed here and have come << 32 | CPUs << 16 | what is busy. */
static uint64_t own_load(void)
{
    uint64_t came =
        atomic_load(&kith__shared->placed); /* before those who are busy: each of them is among those */

    return came << 32 | (uint64_t)(kith__shared->usable_cpus & 0xffff) << 16 | (kith__node_busy() & 0xffff);
}

void kith__placement_tell(struct kith__placement *self)
{
    kith__proto_set_load(self->proto, own_load());
}

/* What node k has told last; before it has told anything, what its contact says. */
static uint64_t load_of(const struct kith__placement *self, uint32_t k)
{
    uint64_t load = k == self->node ? own_load() : kith__proto_load(self->proto, k);

    return load ? load : (uint64_t)(self->of[k].cpus & 0xffff) << 16;
}

/* What is busy there, with those that are on their way. Some never come, when who asked for them has died, or
 * late. */
static int64_t count_busy(struct kith__placement *self, uint32_t k, uint64_t load)
{
    struct place *p = &self->of[k];
    uint32_t came = (uint32_t)(load >> 32);

    if (self->now - p->placed_at > told_ns || (int32_t)(p->placed - came) < 0)
        p->placed = came;
    return (int64_t)(load & 0xffff) + (p->placed - came);
}

static int is_there(const struct kith__placement *self, uint32_t k)
{
    enum kith__link_state state = kith__proto_state(self->proto, k);

    return k == self->node || state == KITH__LINK_OPEN || state == KITH__LINK_CLOSED;
}

/* The node with most CPUs free: a Process is about to start there. When no node has any, the least crowded
 * one. */
static int64_t place(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    struct kith__placement *self = mine;
    uint32_t best = self->node;
    int64_t best_score = INT64_MIN;

    (void)o;
    (void)who;
    (void)in;
    (void)out;
    for (uint32_t k = 0; k < self->nodes; k++) {
        uint64_t load = load_of(self, k);
        int64_t cpus = (int64_t)(load >> 16 & 0xffff), busy = count_busy(self, k, load);
        int64_t score = cpus == 0 || !is_there(self, k) ? INT64_MIN
                        : busy < cpus                   ? (cpus - busy) * 65536
                                                        : -busy * 65536 / cpus;

        if (score > best_score) {
            best = k;
            best_score = score;
        }
    }
    self->of[best].placed++;
    self->of[best].placed_at = self->now;
    return best;
}

/* A process of the node that asks has died. What it held here is free: pending.c, which knows what else it
 * has asked for, has told the objects. */
static int64_t died(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    (void)o;
    (void)who;
    (void)in;
    (void)out;
    return 0;
}

/* A process of this node has something at another one, or is about to. The number: that node << 32 | its
 * serial number. See kith__requests_vouch. Not before that node was heard: it knows us then, and learns of
 * our end, too. */
static int64_t vouch(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    uint32_t peer = (uint32_t)(in->number >> 32), serial = (uint32_t)in->number;
    struct kith__placement *self = mine;
    int rc;

    (void)o;
    (void)who;
    (void)out;
    if (serial == 0)
        return 0;
    if ((rc = kith__proto_open(self->proto, peer, self->now)) < 0)
        return rc;
    if (peer != self->node && kith__proto_load(self->proto, peer) == 0)
        return KITH__PARKED;
    return kith__requests_vouch(self->requests, serial, peer);
}

/* The level of the log, for all processes of this node. */
static int64_t set_log(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    (void)o;
    (void)who;
    (void)out;
    if (in->number > 0 && in->number <= INT32_MAX)
        kith__log_set((int)in->number);
    return 0;
}

/* The program has a handler of faults of its own. */
static int64_t set_faults(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                          struct kith__result *out)
{
    (void)o;
    (void)who;
    (void)in;
    (void)out;
    atomic_store(&kith__shared->faults_have_handler, 1);
    return 0;
}

/* Which of a list of objects are ready, of those that are at home here: a code for each. */
static int64_t look(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    int32_t codes[KITH__WATCH_MOST];
    int count = kith__watch_count(in->size), rc;

    (void)o;
    if (count < 0)
        return count;
    kith__watch_look(in->bytes, count, who, codes);
    if ((rc = kith__give_bytes(out, codes, (uint64_t)count * sizeof codes[0])) < 0)
        return rc;
    return (int64_t)out->size;
}

/* Waits until one of them is. */
static int64_t watch(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    int count = kith__watch_count(in->size);

    (void)o;
    (void)out;
    if (count < 0)
        return count;
    return kith__watch_look(in->bytes, count, who, NULL) > 0 ? 0 : KITH__PARKED;
}

static const struct kith__method methods[] = {
    [KITH__NODE_PLACE] = { "place", place, -1, KITH__NO_OBJECT },
    [KITH__NODE_DIED] = { "died", died, -1, KITH__NO_OBJECT },
    [KITH__NODE_LOG] = { "log", set_log, -1, KITH__NO_OBJECT },
    [KITH__NODE_LOOK] = { "look", look, -1, KITH__NO_OBJECT | KITH__HOLDS | KITH__LOOKS },
    [KITH__NODE_WATCH] = { "watch", watch, KITH__MANY_SIDES,
                           KITH__NO_OBJECT | KITH__EACH | KITH__HOLDS | KITH__LOOKS },
    [KITH__NODE_VOUCH] = { "vouch", vouch, -1, KITH__NO_OBJECT | KITH__EACH },
    [KITH__NODE_FAULTS] = { "faults", set_faults, -1, KITH__NO_OBJECT },
};

const struct kith__class kith__node_class = {
    .noun = "node",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
};

struct kith__placement *kith__placement_new(struct kith__proto *p, struct kith__requests *requests,
                                            uint32_t node, uint32_t nodes, const uint32_t *cpus)
{
    struct kith__placement *self = kith__agent_alloc(sizeof *self + nodes * sizeof self->of[0]);

    self->proto = p;
    self->requests = requests;
    self->node = node;
    self->nodes = nodes;
    for (uint32_t k = 0; k < nodes; k++)
        self->of[k].cpus = cpus[k];
    return self;
}

void kith__placement_use(struct kith__placement *self, int64_t now)
{
    self->now = now;
    mine = self;
}

void kith__placement_free(struct kith__placement *self)
{
    if (mine == self)
        mine = NULL;
    free(self);
}
