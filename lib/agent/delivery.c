/* delivery.c: see delivery.h. */
#include "config.h"
#include "agent/delivery.h"
#include "agent/alloc.h"
#include "shm/heap.h"

#include <stdlib.h>

struct kith__delivery {
    KITH__TABLE_LINK(struct kith__delivery) link;
    KITH__LINK(struct kith__delivery) refused;
    uint32_t peer, op;
    uint64_t id, object;
    struct kith__caller who;
    struct kith__result given;
};

void kith__deliveries_add(struct kith__deliveries *self, uint32_t peer, uint64_t id, uint64_t object,
                          uint32_t op, const struct kith__caller *who, const struct kith__result *given)
{
    struct kith__delivery *d = kith__agent_alloc(sizeof *d);

    d->peer = peer;
    d->op = op;
    d->id = id;
    d->object = object;
    d->who = *who;
    d->given = *given;
    kith__table_link(&self->given, d, kith__hash(id, peer), link);
}

static struct kith__delivery *find(struct kith__deliveries *self, uint32_t peer, uint64_t id)
{
    struct kith__delivery *d = kith__table_at(&self->given, kith__hash(id, peer));

    while (d && (d->id != id || d->peer != peer))
        d = d->link.same.next;
    return d;
}

/* Puts it back. 0: there is no room now; later. */
static int put_back(struct kith__delivery *d)
{
    if (kith__undo(d->object, d->op >> 8, d->op & 255, &d->who, &d->given) == KITH__PARKED)
        return 0;
    kith__heap_free(d->given.block); /* the object was closed, or has no use for it */
    return 1;
}

/* 1: it is kept, as it cannot be put back now. */
static int refuse(struct kith__deliveries *self, struct kith__delivery *d)
{
    if (put_back(d)) {
        free(d);
        return 0;
    }
    kith__link_last(&self->refused, d, refused);
    return 1;
}

int kith__deliveries_settled(struct kith__deliveries *self, uint32_t peer, uint64_t id, int taken)
{
    struct kith__delivery *d = find(self, peer, id);

    if (!d)
        return 0;
    kith__table_unlink(&self->given, d, link);
    if (!taken)
        return refuse(self, d);
    kith__heap_free(d->given.block);
    free(d);
    return 0;
}

/* The oldest first: a Queue and a Pipe have room for one at their front, and the others wait for it behind.
 */
void kith__deliveries_ended(struct kith__deliveries *self, uint32_t peer)
{
    for (struct kith__delivery *d = self->given.all.first, *next; d; d = next) {
        next = d->link.all.next;
        if (d->peer == peer) {
            kith__table_unlink(&self->given, d, link);
            refuse(self, d);
        }
    }
}

int kith__deliveries_put_back(struct kith__deliveries *self)
{
    for (struct kith__delivery *d = self->refused.first, *next; d; d = next) {
        next = d->refused.next;
        if (put_back(d)) {
            kith__unlink(&self->refused, d, refused);
            free(d);
        }
    }
    return self->refused.first != NULL;
}

static void free_it(struct kith__delivery *d)
{
    kith__heap_free(d->given.block);
    free(d);
}

void kith__deliveries_free(struct kith__deliveries *self)
{
    struct kith__delivery *d;

    while ((d = self->given.all.first)) {
        kith__table_unlink(&self->given, d, link);
        free_it(d);
    }
    while ((d = self->refused.first)) {
        kith__unlink(&self->refused, d, refused);
        free_it(d);
    }
}
