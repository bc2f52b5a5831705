/* delivery.c: see delivery.h. */
#include "config.h"
#include "agent/delivery.h"
#include "agent/alloc.h"
#include "shm/heap.h"

#include <stdlib.h>

struct delivery {
    struct delivery *next;
    uint32_t peer, op;
    uint64_t id, object;
    struct kith__caller who;
    struct kith__result given;
};

static struct delivery **bucket(struct kith__deliveries *self, uint32_t peer, uint64_t id)
{
    return &self->buckets[(id ^ id >> 48 ^ (uint32_t)(peer * 2654435761u)) % KITH__DELIVERY_BUCKETS];
}

void kith__deliveries_add(struct kith__deliveries *self, uint32_t peer, uint64_t id, uint64_t object,
                          uint32_t op, const struct kith__caller *who, const struct kith__result *given)
{
    struct delivery *d = kith__agent_alloc(sizeof *d), **at = bucket(self, peer, id);

    *d = (struct delivery){ *at, peer, op, id, object, *who, *given };
    *at = d;
}

/* Puts it back. 0: its place is taken; later. */
static int put_back(struct delivery *d)
{
    if (kith__undo(d->object, d->op >> 8, d->op & 255, &d->who, &d->given) == KITH__PARKED)
        return 0;
    kith__heap_free(d->given.block); /* the object was closed, or has no use for it */
    return 1;
}

/* 1: it is kept, as it cannot be put back now. */
static int refuse(struct kith__deliveries *self, struct delivery *d)
{
    if (put_back(d)) {
        free(d);
        return 0;
    }
    d->next = self->refused;
    self->refused = d;
    return 1;
}

int kith__deliveries_settled(struct kith__deliveries *self, uint32_t peer, uint64_t id, int taken)
{
    struct delivery **at = bucket(self, peer, id), *d;

    while (*at && ((*at)->id != id || (*at)->peer != peer))
        at = &(*at)->next;
    if (!(d = *at))
        return 0;
    *at = d->next;
    if (!taken)
        return refuse(self, d);
    kith__heap_free(d->given.block);
    free(d);
    return 0;
}

void kith__deliveries_ended(struct kith__deliveries *self, uint32_t peer)
{
    for (int i = 0; i < KITH__DELIVERY_BUCKETS; i++)
        for (struct delivery **at = &self->buckets[i]; *at;) {
            struct delivery *d = *at;

            if (d->peer != peer) {
                at = &d->next;
                continue;
            }
            *at = d->next;
            refuse(self, d);
        }
}

int kith__deliveries_put_back(struct kith__deliveries *self)
{
    for (struct delivery **at = &self->refused; *at;) {
        struct delivery *d = *at;

        if (!put_back(d)) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        free(d);
    }
    return self->refused != NULL;
}

static void free_all(struct delivery *first)
{
    for (struct delivery *next; first; first = next) {
        next = first->next;
        kith__heap_free(first->given.block);
        free(first);
    }
}

void kith__deliveries_free(struct kith__deliveries *self)
{
    for (int i = 0; i < KITH__DELIVERY_BUCKETS; i++)
        free_all(self->buckets[i]);
    free_all(self->refused);
}
