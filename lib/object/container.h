/* container.h: what Dicts, Namespaces and Lists have in common: how a key or index and a value go to a
 * method, and the update of an entry by a function.
 */
#ifndef KITH_CONTAINER_H
#define KITH_CONTAINER_H

#include "object/cell.h"

/* What goes to a method: two numbers, the value, and the key, which of a List is an index (int64_t). The
 * numbers stand where a block of a cell has its head: so a block that came with a large value becomes the
 * value's. */
struct kith__parcel {
    uint64_t a, b;
    const void *value, *key;
    uint64_t size, key_size;
    int type, key_type; /* of the value, 0: none, or any; of the key */
};

enum { KITH__REMOVE = 255 }; /* a type: there is to be no value */

/* Calls the method with it. */
int64_t kith__send_parcel(uint64_t id, enum kith__kind kind, unsigned method, const struct kith__parcel *p,
                          struct kith__result *out);

/* In the method. 0; KITH_EINVAL: it is none. */
int kith__open_parcel(const struct kith__args *in, struct kith__parcel *p);

/* Its value, in the block that came, if one did. 0; KITH_ENOMEM. */
int kith__hold_parcel(struct kith__args *in, const struct kith__parcel *p, struct kith__held *h);

/* 0; KITH_EINVAL: NULL for more than none. */
int kith__check_bytes(enum kith__kind kind, const void *bytes, uint64_t size);

/* ---- update
 *
 * The value is fetched, the function makes another one of it, and that is stored if the value is still the
 * one that was fetched; else all of that again. Who fails some times takes the lock of the container
 * (owned.h), which holds up those who begin to update something in it meanwhile: so everybody gets his
 * turn.
 *
 * LOOK is sent .a, the room for the value; it gives a mark and a meta, both 0 for no value, whether the lock
 * is held, and the value. SWAP is sent the two as .a and .b, and the new value; its result is 1, or 0: it is
 * another value now. */
struct kith__updated {
    uint64_t id;
    enum kith__kind kind;
    unsigned look, swap, lock, unlock; /* methods */
    const void *key;
    uint64_t key_size;
    int key_type;
};

int64_t kith__look(struct kith__object *o, const struct kith__held *h, uint64_t room,
                   struct kith__result *out);

/* In SWAP: *h is still what LOOK has seen. */
int kith__is_unchanged(const struct kith__held *h, const struct kith__parcel *p);

/* Reports. */
int kith__update(const struct kith__updated *u, size_t room, kith_update_fn *fn, void *arg, int timeout_ms);

#endif
