/* dict.c: the Dict and the Namespace, which is a Dict whose keys are names; see class.h and kith.h.
 *
 * What there is stands in a table (table.h). At home a value is read under a pin, without the guard, so
 * readers wait for nobody; all else is done in the guard.
 */
#include "config.h"
#include "base/error.h"
#include "object/container.h"
#include "object/memory.h"
#include "object/owned.h"
#include "object/pin.h"
#include "object/table.h"
#include "object/view.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

enum { LOCKERS = KITH__TAKERS, SIDES };

struct dict {
    struct kith__table table;
};

_Static_assert(KITH__BODY_FITS(struct dict, SIDES), "it is the body of an object");

static struct kith__table *table_of(struct kith__object *o)
{
    return &((struct dict *)(void *)&o->body)->table;
}

/* The key, as far as it can be read: a text, a number of kith_set, or its size. */
static int missing(enum kith__kind kind, const void *key, uint64_t size)
{
    const char *noun = kith__classes[kind]->noun, *text = key;
    long long number;
    uint64_t n = 0;

    while (n < size && n < 64 && text[n] >= ' ' && text[n] < 127)
        n++;
    if (n > 0 && (n == size || n == 64))
        return kith__fail(KITH_EMISSING, "the %s has no \"%.*s\"", noun, (int)n, text);
    if (size != sizeof number)
        return kith__fail(KITH_EMISSING, "the %s has no such key (of %llu bytes)", noun,
                          (unsigned long long)size);
    memcpy(&number, key, sizeof number);
    return kith__fail(KITH_EMISSING, "the %s has no %lld", noun, number);
}

static enum kith__kind kind_of(const struct kith__object *o)
{
    return (enum kith__kind)(atomic_load(&o->ident) & 255);
}

static void tidy_a_lot(struct kith__object *o, struct kith__table *t)
{
    if (atomic_load(&t->trash.count) > KITH__TRASH_MOST)
        kith__table_tidy(o, t);
}

/* ---------------------------------------------------------------------------- methods */

#define METHOD(name)                                                                                    \
    static int64_t name(struct kith__object *o, const struct kith__caller *who __attribute__((unused)), \
                        struct kith__args *in __attribute__((unused)),                                  \
                        struct kith__result *out __attribute__((unused)))

/* Opens the parcel and finds its key: 0, *e NULL if there is none. */
static int look_up(struct kith__object *o, const struct kith__args *in, struct kith__parcel *p,
                   struct kith__entry **e)
{
    int rc = kith__open_parcel(in, p);

    *e = rc < 0 ? NULL : kith__table_find(table_of(o), p->key, p->key_size);
    return rc;
}

/* Likewise; KITH_EMISSING. */
static int need(struct kith__object *o, const struct kith__args *in, struct kith__parcel *p,
                struct kith__entry **e)
{
    int rc = look_up(o, in, p, e);

    return rc < 0 || *e ? rc : missing(kind_of(o), p->key, p->key_size);
}

static int set_value(struct kith__object *o, struct kith__entry *e, const struct kith__parcel *p,
                     struct kith__held *h)
{
    const struct kith__key key = { p->key, p->key_size, p->key_type };
    int rc = kith__table_set(o, table_of(o), e, &key, h);

    if (rc < 0)
        kith__held_drop(h);
    tidy_a_lot(o, table_of(o));
    return rc;
}

METHOD(get)
{
    struct kith__parcel p;
    struct kith__entry *e;
    struct kith__held h;
    int rc = need(o, in, &p, &e);

    if (rc < 0)
        return rc;
    h = kith__cell_look(&e->value);
    return p.b ? (int64_t)kith__held_size(&h) : kith__held_give(&h, p.type, p.a, out);
}

METHOD(has)
{
    struct kith__parcel p;
    struct kith__entry *e;
    int rc = look_up(o, in, &p, &e);

    return rc < 0 ? rc : e != NULL;
}

METHOD(set)
{
    struct kith__parcel p;
    struct kith__entry *e;
    struct kith__held h;
    int rc = look_up(o, in, &p, &e);

    if (rc == 0 && (rc = kith__hold_parcel(in, &p, &h)) == 0)
        rc = set_value(o, e, &p, &h);
    return rc;
}

/* What is there, or what is set then. Bytes are given in the first case only. */
METHOD(setdefault)
{
    struct kith__parcel p;
    struct kith__entry *e;
    struct kith__held h;
    int rc = look_up(o, in, &p, &e);

    if (rc < 0)
        return rc;
    if (e) {
        h = kith__cell_look(&e->value);
        return kith__held_give(&h, 0, p.a, out);
    }
    if ((rc = kith__hold_parcel(in, &p, &h)) == 0)
        rc = set_value(o, NULL, &p, &h);
    return rc < 0 ? rc : (int64_t)p.size;
}

METHOD(del)
{
    struct kith__parcel p;
    struct kith__entry *e;
    int rc = need(o, in, &p, &e);

    if (rc < 0)
        return rc;
    kith__table_remove(o, table_of(o), e);
    tidy_a_lot(o, table_of(o));
    return 0;
}

METHOD(pop)
{
    struct kith__parcel p;
    struct kith__entry *e;
    struct kith__held h;
    int64_t rc = need(o, in, &p, &e);

    if (rc < 0)
        return rc;
    h = kith__cell_look(&e->value);
    if ((rc = kith__held_give(&h, p.type, p.a, out)) < 0)
        return rc;
    kith__table_remove(o, table_of(o), e);
    tidy_a_lot(o, table_of(o));
    return rc;
}

/* The newest. There is room for .b bytes of its key and .a of its value. Gives the size of the key (64 bits),
 * the key, the value. */
METHOD(popitem)
{
    struct kith__table *t = table_of(o);
    struct kith__entry *e = kith__entry_at(atomic_load(&t->last));
    uint64_t key_size, size;
    struct kith__parcel p;
    struct kith__held h;
    char *buf;
    int rc = kith__open_parcel(in, &p);

    if (rc < 0)
        return rc;
    if (!e)
        return kith__fail(KITH_EMISSING, "the %s is empty", kith__classes[kind_of(o)]->noun);
    h = kith__cell_look(&e->value);
    if ((rc = kith__held_fits(&h, 0, p.a)) < 0)
        return rc;
    if (e->key_size > p.b)
        return kith__fail(KITH_ETOOBIG, "the key has %llu bytes, more than the %llu there is room for",
                          (unsigned long long)e->key_size, (unsigned long long)p.b);
    key_size = e->key_size;
    size = sizeof key_size + key_size + kith__held_size(&h);
    if (!(buf = kith__give_buffer(out, size)))
        return KITH_ENOMEM;
    memcpy(buf, &key_size, sizeof key_size);
    memcpy(buf + sizeof key_size, e->key, key_size);
    memcpy(buf + sizeof key_size + key_size, kith__held_bytes(&h), kith__held_size(&h));
    kith__table_remove(o, t, e);
    tidy_a_lot(o, t);
    return (int64_t)size;
}

METHOD(len)
{
    return (int64_t)atomic_load(&table_of(o)->count);
}

METHOD(clear)
{
    kith__table_clear(o, table_of(o));
    return kith__table_tidy(o, table_of(o));
}

/* 1: there is more to do. */
METHOD(tidy)
{
    return kith__table_tidy(o, table_of(o));
}

METHOD(view)
{
    struct kith__table *t = table_of(o);
    uint64_t size = KITH__VIEW_HEAD;
    struct kith__entry *e;
    struct kith__held h;
    char *at;

    for (e = kith__entry_at(atomic_load(&t->first)); e; e = kith__entry_at(atomic_load(&e->newer))) {
        h = kith__cell_look(&e->value);
        size += kith__view_need(e->key_size, kith__held_size(&h));
    }
    if (!(at = kith__give_buffer(out, size)))
        return KITH_ENOMEM;
    at = kith__view_begin(at, atomic_load(&t->count), atomic_load(&t->version));
    for (e = kith__entry_at(atomic_load(&t->first)); e; e = kith__entry_at(atomic_load(&e->newer))) {
        h = kith__cell_look(&e->value);
        at = kith__view_add(at, e->key, e->key_size, (int)e->key_type, &h);
    }
    return (int64_t)size;
}

METHOD(look)
{
    struct kith__parcel p;
    struct kith__entry *e;
    struct kith__held h;
    int rc = look_up(o, in, &p, &e);

    if (rc < 0)
        return rc;
    if (e)
        h = kith__cell_look(&e->value);
    return kith__look(o, e ? &h : NULL, p.a, out);
}

METHOD(swap)
{
    struct kith__parcel p;
    struct kith__entry *e;
    struct kith__held h;
    int rc = look_up(o, in, &p, &e);

    if (rc < 0)
        return rc;
    if (e)
        h = kith__cell_look(&e->value);
    if (!kith__is_unchanged(e ? &h : NULL, &p))
        return 0;
    if (p.type == KITH__REMOVE) {
        if (e)
            kith__table_remove(o, table_of(o), e);
        return 1;
    }
    if ((rc = kith__hold_parcel(in, &p, &h)) == 0)
        rc = set_value(o, e, &p, &h);
    return rc < 0 ? rc : 1;
}

/* The value: what it is computed with; .a: how. Gives what it was. */
METHOD(compute)
{
    struct kith__held h = { 0, 0 };
    struct kith__parcel p;
    struct kith__entry *e;
    uint64_t old;
    int rc = look_up(o, in, &p, &e);

    if (rc < 0)
        return rc;
    if (e)
        h = kith__cell_look(&e->value);
    if ((rc = kith__held_compute(&h, p.type, (int)p.a, p.value, p.size, &old)) < 0 ||
        (rc = set_value(o, e, &p, &h)) < 0)
        return rc;
    return kith__give_copy(out, &old, p.size);
}

/* --------------------------------------------------------------------------- hooks */

/* The seed differs from job to job, so that nobody can choose keys whose hashes collide. */
static int make(struct kith__object *o, const void *options, size_t size)
{
    (void)options;
    (void)size;
    table_of(o)->seed = kith__offset(o) * UINT64_C(0x9e3779b97f4a7c15) ^
                        (uint64_t)kith__shared->job_secret << 32 ^ atomic_load(&o->ident);
    kith__owned_open(o, 0, 0);
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    (void)o;
    (void)options;
    (void)size;
    return 0;
}

static void destroy(struct kith__object *o)
{
    kith__guard_enter(&o->guard);
    kith__table_free(o, table_of(o));
    kith__guard_leave(&o->guard);
}

enum {
    GET = KITH__FIRST_METHOD,
    HAS,
    SET,
    SETDEFAULT,
    DEL,
    POP,
    POPITEM,
    LEN,
    CLEAR,
    TIDY,
    VIEW,
    LOOK,
    SWAP,
    COMPUTE,
    LOCK,
    UNLOCK
};

static const struct kith__method methods[] = {
    [GET] = { "get", get, -1, KITH__GIVES },
    [HAS] = { "has", has, -1, KITH__GIVES },
    [SET] = { "set", set, -1, KITH__KEEPS },
    [SETDEFAULT] = { "setdefault", setdefault, -1, KITH__KEEPS },
    [DEL] = { "del", del, -1, KITH__TAKES },
    [POP] = { "pop", pop, -1, KITH__TAKES },
    [POPITEM] = { "popitem", popitem, -1, KITH__TAKES },
    [LEN] = { "len", len, -1, KITH__GIVES },
    [CLEAR] = { "clear", clear, -1, KITH__TAKES },
    [TIDY] = { "tidy", tidy, -1, KITH__TAKES },
    [VIEW] = { "view", view, -1, KITH__GIVES },
    [LOOK] = { "look", look, -1, KITH__GIVES },
    [SWAP] = { "swap", swap, -1, KITH__KEEPS },
    [COMPUTE] = { "compute", compute, -1, 0 },
    [LOCK] = KITH__OWNED_LOCK,
    [UNLOCK] = KITH__OWNED_UNLOCK,
};

#define CLASS(NOUN)                                                                                         \
    {                                                                                                       \
        .noun = NOUN, .methods = methods, .count = sizeof methods / sizeof methods[0], .sides = SIDES,      \
        .make = make, .same = same, .destroy = destroy, .undo = kith__owned_undo, .died = kith__units_died, \
        .left = kith__units_left,                                                                           \
    }

const struct kith__class kith__dict_class = CLASS("Dict");
const struct kith__class kith__ns_class = CLASS("Namespace");

/* ------------------------------------------------------ what a Dict and a Namespace do alike */

struct key_at { /* a key of one of them */
    uint64_t id;
    enum kith__kind kind;
    const void *key;
    size_t size;
    int type; /* of the key */
};

static int check(const struct key_at *at, const void *value, size_t size)
{
    int rc = kith__check_bytes(at->kind, at->key, at->size);

    return rc < 0 ? rc : kith__check_bytes(at->kind, value, size);
}

static int64_t call(const struct key_at *at, unsigned method, struct kith__parcel p, struct kith__result *out)
{
    p.key = at->key;
    p.key_size = at->size;
    p.key_type = at->type;
    return kith__send_parcel(at->id, at->kind, method, &p, out);
}

/* At home, under a pin: what kith__held_give gives; KITH__PARKED: the long way decides. */
static int64_t get_here(const struct key_at *at, int type, void *buf, size_t room)
{
    struct kith__result out = { .buf = buf };
    struct kith__held h;
    struct kith__pin pin;
    int64_t rc;

    if (!kith__pin(&pin, at->id, at->kind))
        return KITH__PARKED;
    if ((rc = kith__table_read(pin.o, table_of(pin.o), at->key, at->size, &h)) == 1)
        rc = buf || type ? kith__held_give(&h, type, room, &out) : (int64_t)kith__held_size(&h);
    else
        rc = rc == 0 ? missing(at->kind, at->key, at->size) : KITH__PARKED;
    kith__unpin(&pin);
    return rc;
}

/* buf NULL: only the size. */
static int64_t get_at(const struct key_at *at, int type, void *buf, size_t room)
{
    struct kith__result out = { .buf = buf, .room = room };
    int64_t rc = check(at, NULL, 0);

    if (rc == 0 && (rc = get_here(at, type, buf, room)) == KITH__PARKED)
        rc = call(at, GET, (struct kith__parcel){ .a = room, .b = !buf, .type = type }, &out);
    return kith__report64(rc);
}

static int64_t has_here(const struct key_at *at)
{
    struct kith__held h;
    struct kith__pin pin;
    int rc;

    if (!kith__pin(&pin, at->id, at->kind))
        return KITH__PARKED;
    rc = kith__table_read(pin.o, table_of(pin.o), at->key, at->size, &h);
    kith__unpin(&pin);
    return rc < 0 ? KITH__PARKED : rc;
}

static int has_at(const struct key_at *at)
{
    struct kith__result out = { 0 };
    int64_t rc = check(at, NULL, 0);

    if (rc == 0 && (rc = has_here(at)) == KITH__PARKED)
        rc = call(at, HAS, (struct kith__parcel){ 0 }, &out);
    return kith__report((int)rc);
}

/* At home: what is stored is copied before the guard is entered. */
static int64_t set_here(const struct key_at *at, int type, const void *value, size_t size)
{
    struct kith__parcel p = { .key = at->key, .key_size = at->size, .key_type = at->type };
    struct kith__object *o = kith__to_give(kith__at_home(at->id));
    struct kith__held h;
    int rc;

    if (!o)
        return KITH__PARKED;
    if ((rc = kith__held_make(&h, type, value, size)) < 0)
        return rc;
    if (kith__object_enter(at->id, at->kind, &o) < 0) {
        kith__held_drop(&h);
        return KITH__PARKED; /* for the sentence */
    }
    rc = set_value(o, kith__table_find(table_of(o), at->key, at->size), &p, &h);
    kith__object_leave(o);
    return rc;
}

static int set_at(const struct key_at *at, int type, const void *value, size_t size)
{
    struct kith__result out = { 0 };
    int64_t rc = check(at, value, size);

    if (rc == 0 && (rc = set_here(at, type, value, size)) == KITH__PARKED)
        rc = call(at, SET, (struct kith__parcel){ .value = value, .size = size, .type = type }, &out);
    return kith__report((int)rc);
}

static int del_at(const struct key_at *at)
{
    struct kith__result out = { 0 };
    int64_t rc = check(at, NULL, 0);

    if (rc == 0)
        rc = call(at, DEL, (struct kith__parcel){ 0 }, &out);
    return kith__report((int)rc);
}

static int compute_at(const struct key_at *at, int op, int type, const void *x, void *old, size_t size)
{
    char nobody_wants[KITH__CELL_FEW];
    struct kith__result out = { .buf = old ? old : nobody_wants, .room = size };
    int64_t rc = check(at, x, size);

    if (rc == 0 && (size == 0 || size > sizeof nobody_wants))
        rc = kith__fail(KITH_ESIZE, "a number of %zu bytes", size);
    if (rc == 0)
        rc = call(at, COMPUTE,
                  (struct kith__parcel){ .a = (uint64_t)op, .value = x, .size = size, .type = type }, &out);
    return kith__report(rc < 0 ? (int)rc : 0);
}

static int update_at(const struct key_at *at, size_t room, kith_update_fn *fn, void *arg, int timeout_ms)
{
    const struct kith__updated u = {
        at->id, at->kind, LOOK, SWAP, LOCK, UNLOCK, at->key, at->size, at->type
    };

    return kith__update(&u, room, fn, arg, timeout_ms);
}

static struct kith_view *view_of(uint64_t id, enum kith__kind kind)
{
    struct kith__args in = { 0 };
    struct kith__result out = { .grows = 1 };
    int64_t rc = kith__invoke(id, kind, VIEW, &in, &out, KITH_FOREVER);

    return kith__view_of(rc, &out);
}

/* What was in it is freed in small portions, between which others have their turn. */
static int clear_all(uint64_t id, enum kith__kind kind)
{
    int64_t rc = kith__ask(id, kind, CLEAR, 0);

    while (rc == 1)
        rc = kith__ask(id, kind, TIDY, 0);
    return kith__report((int)rc);
}

/* -------------------------------------------------------------- public functions: Dicts */

static struct key_at key_of(kith_dict d, const void *key, size_t size)
{
    return (struct key_at){ d.id, KITH__DICT_KIND, key, size, 'b' };
}

kith_dict kith_dict_open(void)
{
    return (kith_dict){ kith__open(KITH__DICT_KIND, NULL, NULL, 0, "kith_dict_open") };
}

kith_dict kith_dict_named(const char *name)
{
    return (kith_dict){ kith__open(KITH__DICT_KIND, name ? name : "", NULL, 0, "kith_dict_named") };
}

int kith_dict_set(kith_dict d, const void *key, size_t key_size, const void *value, size_t size)
{
    struct key_at at = key_of(d, key, key_size);

    return set_at(&at, 'b', value, size);
}

int64_t kith_dict_get(kith_dict d, const void *key, size_t key_size, void *buf, size_t room)
{
    struct key_at at = key_of(d, key, key_size);

    return get_at(&at, 0, buf, room);
}

int64_t kith_dict_setdefault(kith_dict d, const void *key, size_t key_size, const void *value, size_t size,
                             void *buf, size_t room)
{
    struct key_at at = key_of(d, key, key_size);
    struct kith__result out = { .buf = buf, .room = room };
    int64_t rc = check(&at, value, size);

    if (rc == 0 && size > room)
        rc = kith__fail(KITH_ETOOBIG, "the value has %zu bytes, more than the %zu there is room for", size,
                        room);
    if (rc == 0)
        rc = call(&at, SETDEFAULT,
                  (struct kith__parcel){ .a = room, .value = value, .size = size, .type = 'b' }, &out);
    if (rc > 0 && out.size == 0) /* it was set */
        memcpy(buf, value, size);
    return kith__report64(rc);
}

int kith_dict_has(kith_dict d, const void *key, size_t key_size)
{
    struct key_at at = key_of(d, key, key_size);

    return has_at(&at);
}

int kith_dict_del(kith_dict d, const void *key, size_t key_size)
{
    struct key_at at = key_of(d, key, key_size);

    return del_at(&at);
}

int64_t kith_dict_pop(kith_dict d, const void *key, size_t key_size, void *buf, size_t room)
{
    struct key_at at = key_of(d, key, key_size);
    struct kith__result out = { .buf = buf, .room = room };
    int64_t rc = check(&at, buf, room);

    if (rc == 0)
        rc = call(&at, POP, (struct kith__parcel){ .a = room }, &out);
    return kith__report64(rc);
}

/* Of so many bytes that popitem gives: the size of the value. */
static int64_t take_item(const char *bytes, uint64_t size, void *key, size_t *key_size, void *buf,
                         size_t room)
{
    uint64_t got = 0, rest;

    if (size >= sizeof got)
        memcpy(&got, bytes, sizeof got);
    if (size < sizeof got || got > *key_size || got > size - sizeof got ||
        (rest = size - sizeof got - got) > room)
        return kith__fail(KITH_EPEER, "a node has sent an item of another size than requested");
    if (got > 0)
        memcpy(key, bytes + sizeof got, got);
    if (rest > 0)
        memcpy(buf, bytes + sizeof got + got, rest);
    *key_size = got;
    return (int64_t)rest;
}

int64_t kith_dict_popitem(kith_dict d, void *key, size_t *key_size, void *buf, size_t room)
{
    struct key_at at = key_of(d, NULL, 0);
    struct kith__result out = { .grows = 1 };
    int64_t rc = !key_size ? kith__fail(KITH_EINVAL, "kith_dict_popitem: key_size is NULL")
                           : kith__check_bytes(KITH__DICT_KIND, buf, room);

    if (rc == 0 && (rc = kith__check_bytes(KITH__DICT_KIND, key, *key_size)) == 0)
        rc = call(&at, POPITEM, (struct kith__parcel){ .a = room, .b = *key_size }, &out);
    if (rc >= 0)
        rc = take_item(out.buf, (uint64_t)rc, key, key_size, buf, room);
    free(out.buf);
    return kith__report64(rc);
}

int64_t kith_dict_len(kith_dict d)
{
    return kith__report64(kith__ask(d.id, KITH__DICT_KIND, LEN, 0));
}

int kith_dict_clear(kith_dict d)
{
    return clear_all(d.id, KITH__DICT_KIND);
}

struct kith_view *kith_dict_view(kith_dict d)
{
    return view_of(d.id, KITH__DICT_KIND);
}

int kith_dict_merge(kith_dict d, struct kith_view *from)
{
    struct kith_item i;
    int rc = 0;

    kith_view_rewind(from);
    while (rc == 0 && kith_view_next(from, &i)) {
        struct key_at at = { d.id, KITH__DICT_KIND, i.key, i.key_size, i.key_type };

        rc = set_at(&at, i.type, i.value, i.size);
    }
    return rc;
}

int kith_dict_compute(kith_dict d, const void *key, size_t key_size, int op, int type, const void *x,
                      void *old, size_t size)
{
    struct key_at at = key_of(d, key, key_size);

    return compute_at(&at, op, type, x, old, size);
}

int kith_dict_update(kith_dict d, const void *key, size_t key_size, size_t room, kith_update_fn *fn,
                     void *arg, int timeout_ms)
{
    struct key_at at = key_of(d, key, key_size);

    return update_at(&at, room, fn, arg, timeout_ms);
}

int kith_dict_close(kith_dict d)
{
    return kith__close(d.id, KITH__DICT_KIND);
}

/* --------------------------------------------------------- public functions: Namespaces */

static struct key_at name_of(kith_ns ns, const char *name)
{
    return (struct key_at){ ns.id, KITH__NS_KIND, name, name ? strlen(name) : 1, 's' };
}

kith_ns kith_ns_open(void)
{
    return (kith_ns){ kith__open(KITH__NS_KIND, NULL, NULL, 0, "kith_ns_open") };
}

kith_ns kith_ns_named(const char *name)
{
    return (kith_ns){ kith__open(KITH__NS_KIND, name ? name : "", NULL, 0, "kith_ns_named") };
}

int kith_ns_set(kith_ns ns, const char *name, const void *value, size_t size)
{
    struct key_at at = name_of(ns, name);

    return set_at(&at, 'b', value, size);
}

int64_t kith_ns_get(kith_ns ns, const char *name, void *buf, size_t room)
{
    struct key_at at = name_of(ns, name);

    return get_at(&at, 0, buf, room);
}

int kith_ns_has(kith_ns ns, const char *name)
{
    struct key_at at = name_of(ns, name);

    return has_at(&at);
}

int kith_ns_del(kith_ns ns, const char *name)
{
    struct key_at at = name_of(ns, name);

    return del_at(&at);
}

struct kith_view *kith_ns_view(kith_ns ns)
{
    return view_of(ns.id, KITH__NS_KIND);
}

int kith_ns_compute(kith_ns ns, const char *name, int op, int type, const void *x, void *old, size_t size)
{
    struct key_at at = name_of(ns, name);

    return compute_at(&at, op, type, x, old, size);
}

int kith_ns_update(kith_ns ns, const char *name, size_t room, kith_update_fn *fn, void *arg, int timeout_ms)
{
    struct key_at at = name_of(ns, name);

    return update_at(&at, room, fn, arg, timeout_ms);
}

int kith_ns_close(kith_ns ns)
{
    return kith__close(ns.id, KITH__NS_KIND);
}

/* ------------------------------------------------------------ what the macros of kith.h call */

static const void *bytes_of(const struct kith__any *x)
{
    return x->text ? x->text : x->few;
}

/* The zero behind a text is no part of a key. */
static struct key_at typed_key_of(enum kith__kind kind, uint64_t id, const struct kith__any *key)
{
    return (struct key_at){ id, kind, bytes_of(key), key->text ? key->size - 1 : key->size, key->type };
}

static int fetch_at(const struct key_at *at, int type, void *y, size_t size)
{
    int64_t rc = y ? get_at(at, type, y, size) : kith__report(kith__check_bytes(at->kind, y, size));

    return rc < 0 ? (int)rc : 0;
}

#define TYPED(noun, NOUN)                                                                         \
    int kith__##noun##_set(kith_##noun c, struct kith__any key, struct kith__any x)               \
    {                                                                                             \
        struct key_at at = typed_key_of(KITH__##NOUN##_KIND, c.id, &key);                         \
                                                                                                  \
        return set_at(&at, x.type, bytes_of(&x), x.size);                                         \
    }                                                                                             \
    int kith__##noun##_fetch(kith_##noun c, struct kith__any key, int type, void *y, size_t size) \
    {                                                                                             \
        struct key_at at = typed_key_of(KITH__##NOUN##_KIND, c.id, &key);                         \
                                                                                                  \
        return fetch_at(&at, type, y, size);                                                      \
    }                                                                                             \
    int kith__##noun##_inc(kith_##noun c, struct kith__any key, struct kith__any x)               \
    {                                                                                             \
        struct key_at at = typed_key_of(KITH__##NOUN##_KIND, c.id, &key);                         \
                                                                                                  \
        return compute_at(&at, KITH_ADD, x.type, bytes_of(&x), NULL, x.size);                     \
    }
TYPED(dict, DICT)
TYPED(ns, NS)
