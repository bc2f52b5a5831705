/* table.h: elements that are found by a key, and gone through in the order of coming. Each has its links in
 * itself, as in a list (list.h).
 *
 *     struct client {
 *         KITH__TABLE_LINK(struct client) link;
 *         uint32_t peer, seat;
 *     };
 *     KITH__TABLE(struct client) clients; // zeros: it is empty
 *
 *     uint32_t hash = kith__hash(peer, seat);
 *     struct client *c = kith__table_at(&clients, hash);
 *
 *     while (c && (c->peer != peer || c->seat != seat))
 *         c = c->link.same.next;
 *     if (!c) {
 *         ...
 *         kith__table_link(&clients, c, hash, link);
 *     }
 *     for (c = clients.all.first; c; c = c->link.all.next)
 *         ...
 *     kith__table_unlink(&clients, c, link);
 *
 * It does not grow: as many elements as it has buckets, and some times that, are found quickly.
 */
#ifndef KITH_BASE_TABLE_H
#define KITH_BASE_TABLE_H

#include "base/list.h"

#include <stdint.h>

enum { KITH__TABLE_BUCKETS = 1024 };

#define KITH__TABLE(type)                              \
    struct {                                           \
        KITH__LIST(type) all;                          \
        KITH__LIST(type) buckets[KITH__TABLE_BUCKETS]; \
    }

#define KITH__TABLE_LINK(type)                                \
    struct {                                                  \
        KITH__LINK(type) all, same; /* same: in its bucket */ \
        uint32_t hash;                                        \
    }

/* Of a key of two words. */
static inline uint32_t kith__hash(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) ^ b;

    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(x >> 32);
}

/* The first of those that may have the key with that hash; NULL: there is none. */
#define kith__table_at(table, hash) ((table)->buckets[(hash) % KITH__TABLE_BUCKETS].first)

#define kith__table_link(table, element, its_hash, link)                                                  \
    do {                                                                                                  \
        __typeof__(table) table_ = (table);                                                               \
        __typeof__(table_->all.first) linked_ = (element);                                                \
                                                                                                          \
        linked_->link.hash = (its_hash);                                                                  \
        kith__link_last(&table_->all, linked_, link.all);                                                 \
        kith__link_first(&table_->buckets[linked_->link.hash % KITH__TABLE_BUCKETS], linked_, link.same); \
    } while (0)

#define kith__table_unlink(table, element, link)                                                      \
    do {                                                                                              \
        __typeof__(table) table_ = (table);                                                           \
        __typeof__(table_->all.first) linked_ = (element);                                            \
                                                                                                      \
        kith__unlink(&table_->all, linked_, link.all);                                                \
        kith__unlink(&table_->buckets[linked_->link.hash % KITH__TABLE_BUCKETS], linked_, link.same); \
    } while (0)

#endif
