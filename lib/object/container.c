/* container.c: see container.h. */
#include "config.h"
#include "object/container.h"
#include "base/error.h"
#include "base/system.h"
#include "object/units.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = sizeof(struct kith__cell_block), SMALL = 512 };

_Static_assert(HEAD == 2 * sizeof(uint64_t), "the numbers of a parcel stand in the head of a cell's block");

#define KEY_SIZE ((UINT64_C(1) << 48) - 1)

static void pack(char *bytes, const struct kith__parcel *p)
{
    memcpy(bytes, &p->a, sizeof p->a);
    memcpy(bytes + sizeof p->a, &p->b, sizeof p->b);
    if (p->size > 0)
        memcpy(bytes + HEAD, p->value, p->size);
    if (p->key_size > 0)
        memcpy(bytes + HEAD + p->size, p->key, p->key_size);
}

int64_t kith__send_parcel(uint64_t id, enum kith__kind kind, unsigned method, const struct kith__parcel *p,
                          struct kith__result *out)
{
    struct kith__args in = { .size = HEAD + p->size + p->key_size,
                             .number = (p->key_size & KEY_SIZE) | (uint64_t)(p->key_type & 255) << 48 |
                                       (uint64_t)(p->type & 255) << 56 };
    char small[SMALL], *bytes = in.size <= sizeof small ? small : malloc(in.size);
    int64_t rc;

    if (!bytes)
        return kith__fail(KITH_ENOMEM, "no memory to send %llu bytes", (unsigned long long)in.size);
    pack(bytes, p);
    in.bytes = bytes;
    rc = kith__invoke(id, kind, method, &in, out, KITH_FOREVER);
    if (bytes != small)
        free(bytes);
    return rc;
}

int kith__open_parcel(const struct kith__args *in, struct kith__parcel *p)
{
    const char *bytes = in->block ? kith__at(in->block) : in->bytes;

    p->key_size = in->number & KEY_SIZE;
    p->key_type = (int)(in->number >> 48 & 255);
    p->type = (int)(in->number >> 56);
    if (in->size < HEAD || p->key_size > in->size - HEAD)
        return kith__fail(KITH_EINVAL, "a request of %llu bytes with a key of %llu",
                          (unsigned long long)in->size, (unsigned long long)p->key_size);
    memcpy(&p->a, bytes, sizeof p->a);
    memcpy(&p->b, bytes + sizeof p->a, sizeof p->b);
    p->size = in->size - HEAD - p->key_size;
    p->value = bytes + HEAD;
    p->key = bytes + HEAD + p->size;
    return 0;
}

int kith__hold_parcel(struct kith__args *in, const struct kith__parcel *p, struct kith__held *h)
{
    return in->block ? kith__held_from_block(h, p->type, &in->block, p->size)
                     : kith__held_make(h, p->type, p->value, p->size);
}

int kith__check_bytes(enum kith__kind kind, const void *bytes, uint64_t size)
{
    return bytes || size == 0 ? 0
                              : kith__fail(KITH_EINVAL, "a %s was given NULL for %llu bytes",
                                           kith__classes[kind]->noun, (unsigned long long)size);
}

/* ------------------------------------------------------------------------------ update */

struct seen { /* what LOOK gives, before the value */
    uint64_t mark, meta;
    uint64_t is_locked;
};

int64_t kith__look(struct kith__object *o, const struct kith__held *h, uint64_t room,
                   struct kith__result *out)
{
    struct seen seen = { h ? kith__held_mark(h) : 0, h ? h->meta : 0, (uint64_t)kith__unit_is_held(o) };
    uint64_t size = h ? kith__held_size(h) : 0;
    int rc = h ? kith__held_fits(h, 0, room) : 0;
    char *buf;

    if (rc < 0)
        return rc;
    if (!(buf = kith__give_buffer(out, sizeof seen + size)))
        return KITH_ENOMEM;
    memcpy(buf, &seen, sizeof seen);
    if (size > 0)
        memcpy(buf + sizeof seen, kith__held_bytes(h), size);
    return (int64_t)(sizeof seen + size);
}

int kith__is_unchanged(const struct kith__held *h, const struct kith__parcel *p)
{
    return h ? kith__held_mark(h) == p->a && h->meta == p->b : p->b == 0;
}

struct attempt {
    const struct kith__updated *u;
    kith_update_fn *fn;
    void *arg;
    char *buffer; /* struct seen, the value */
    struct kith_entry entry;
    int has_lock, left; /* left: what the function gave when it left the value as it was */
};

enum outcome { DONE, AGAIN, LEFT };

static int64_t fetch(struct attempt *a, struct seen *seen)
{
    struct kith__parcel p = { .a = a->entry.room, .key = a->u->key, .key_size = a->u->key_size };
    struct kith__result out = { .buf = a->buffer, .room = sizeof *seen + a->entry.room };
    int64_t rc = kith__send_parcel(a->u->id, a->u->kind, a->u->look, &p, &out);

    if (rc >= 0 && rc < (int64_t)sizeof *seen)
        rc = kith__fail(KITH_EPEER, "a node has sent %d bytes in place of a value", (int)rc);
    if (rc < 0)
        return rc;
    memcpy(seen, a->buffer, sizeof *seen);
    a->entry.value = a->buffer + sizeof *seen;
    a->entry.size = (size_t)rc - sizeof *seen;
    a->entry.exists = seen->meta != 0;
    return rc;
}

static int64_t store(struct attempt *a, const struct seen *seen, int type)
{
    struct kith__parcel p = { .a = seen->mark,
                              .b = seen->meta,
                              .value = a->entry.value,
                              .size = a->entry.size,
                              .key = a->u->key,
                              .key_size = a->u->key_size,
                              .key_type = a->u->key_type,
                              .type = type };
    struct kith__result out = { 0 };

    if (!a->entry.exists) {
        p.size = 0;
        p.type = KITH__REMOVE;
    }
    return kith__send_parcel(a->u->id, a->u->kind, a->u->swap, &p, &out);
}

/* An enum outcome, or a code. */
static int64_t attempt(struct attempt *a)
{
    struct seen seen;
    int64_t rc = fetch(a, &seen);

    if (rc < 0)
        return rc;
    if (seen.is_locked && !a->has_lock)
        return AGAIN;
    if ((a->left = a->fn(&a->entry, a->arg)) != 0)
        return LEFT;
    if (a->entry.exists && (a->entry.size > a->entry.room || a->entry.value != a->buffer + sizeof seen))
        return kith__fail(KITH_EINVAL, "an update made a value of %zu bytes where there is room for %zu",
                          a->entry.size, a->entry.room);
    rc = store(a, &seen, seen.meta ? (int)(seen.meta & 255) : 'b');
    return rc < 0 ? rc : rc == 1 ? DONE : AGAIN;
}

static int64_t own(struct attempt *a, unsigned method, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    int64_t rc = kith__invoke(a->u->id, a->u->kind, method, &in, &out, timeout_ms);

    return rc == KITH_EOWNERDEAD ? 0
                                 : rc; /* nothing was left half done: the value is the old or the new one */
}

static int rest_of(int64_t deadline, int timeout_ms)
{
    int64_t rest = (deadline - kith__now_ns() + KITH__MS - 1) / KITH__MS;

    return timeout_ms == KITH_FOREVER ? KITH_FOREVER : rest > 0 ? (int)rest : 0;
}

static int64_t attempts(struct attempt *a, int timeout_ms)
{
    enum { WITHOUT_LOCK = 3 };
    int64_t deadline = timeout_ms > 0 ? kith__now_ns() + timeout_ms * KITH__MS : 0, rc;

    for (int tries = 0; (rc = attempt(a)) == AGAIN; tries++) {
        if (a->has_lock && rest_of(deadline, timeout_ms) == 0)
            return kith__fail(KITH_ETIMEDOUT, "the timeout expired: the value changes all the time");
        if (a->has_lock || tries + 1 < WITHOUT_LOCK)
            continue;
        if ((rc = own(a, a->u->lock, rest_of(deadline, timeout_ms))) < 0)
            return rc;
        a->has_lock = 1;
    }
    return rc;
}

int kith__update(const struct kith__updated *u, size_t room, kith_update_fn *fn, void *arg, int timeout_ms)
{
    char small[SMALL];
    struct attempt a = { .u = u, .fn = fn, .arg = arg, .buffer = small, .entry = { .room = room } };
    int64_t rc = kith__check_bytes(u->kind, u->key, u->key_size), unlocked;

    if (rc == 0 && !fn)
        rc = kith__fail(KITH_EINVAL, "an update without a function");
    if (rc == 0)
        rc = kith__check_timeout(timeout_ms);
    if (rc == 0 && room > sizeof small - sizeof(struct seen) &&
        (room > SIZE_MAX / 2 || !(a.buffer = malloc(sizeof(struct seen) + room))))
        rc = kith__fail(KITH_ENOMEM, "no memory for a value of %zu bytes", room);
    if (rc == 0)
        rc = attempts(&a, timeout_ms);
    if (a.has_lock && (unlocked = own(&a, u->unlock, KITH_FOREVER)) < 0 && rc >= 0)
        rc = unlocked;
    if (a.buffer != small)
        free(a.buffer);
    return rc == LEFT ? a.left : rc == DONE ? 0 : kith__report((int)rc);
}
