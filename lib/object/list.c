/* list.c: the List; see class.h and kith.h.
 *
 * Its elements stand in a row (row.h). At home an element is read under a pin, without the guard, so readers
 * wait for nobody; all else is done in the guard.
 */
#include "config.h"
#include "base/error.h"
#include "object/container.h"
#include "object/memory.h"
#include "object/number.h"
#include "object/owned.h"
#include "object/pin.h"
#include "object/row.h"
#include "object/sort.h"
#include "object/view.h"
#include "base/system.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

enum { LOCKERS = KITH__TAKERS, SIDES };

_Static_assert(KITH__BODY_FITS(struct kith__row, SIDES), "it is the body of an object");

static int missing(int64_t index, uint64_t count)
{
    return kith__fail(KITH_EMISSING, "element %lld was requested of a List of %llu", (long long)index,
                      (unsigned long long)count);
}

/* Of an index as in Python, where one beyond an end is that end. */
static uint64_t clamped(int64_t index, uint64_t count)
{
    if (index < 0)
        index = index < -(int64_t)count ? 0 : index + (int64_t)count;
    return (uint64_t)index < count ? (uint64_t)index : count;
}

/* ------------------------------------------------------------------------- methods */

#define METHOD(name)                                                                                    \
    static int64_t name(struct kith__object *o, const struct kith__caller *who __attribute__((unused)), \
                        struct kith__args *in __attribute__((unused)),                                  \
                        struct kith__result *out __attribute__((unused)))

static int64_t index_in(const struct kith__parcel *p)
{
    int64_t index = 0;

    memcpy(&index, p->key, p->key_size < sizeof index ? p->key_size : sizeof index);
    return index;
}

/* Opens the parcel: *i is the element that it is for. */
static int need(struct kith__object *o, const struct kith__args *in, struct kith__parcel *p, uint64_t *i)
{
    uint64_t count = kith__row_count(kith__row_of(o));
    int rc = kith__open_parcel(in, p);

    if (rc < 0)
        return rc;
    *i = kith__row_index(index_in(p), count);
    return *i == UINT64_MAX ? missing(index_in(p), count) : 0;
}

static int insert_value(struct kith__object *o, uint64_t i, struct kith__held *h)
{
    int rc = kith__row_insert(o, i, h);

    if (rc < 0)
        kith__held_drop(h);
    kith__row_tidy_a_lot(o);
    return rc;
}

METHOD(get)
{
    struct kith__parcel p;
    struct kith__held h;
    uint64_t i;
    int rc = need(o, in, &p, &i);

    if (rc < 0)
        return rc;
    h = kith__row_look(kith__row_of(o), i);
    return p.b ? (int64_t)kith__held_size(&h) : kith__held_give(&h, p.type, p.a, out);
}

METHOD(set)
{
    struct kith__parcel p;
    struct kith__held h;
    uint64_t i;
    int rc = need(o, in, &p, &i);

    if (rc < 0 || (rc = kith__hold_parcel(in, &p, &h)) < 0)
        return rc;
    kith__row_replace(o, i, &h);
    kith__row_tidy_a_lot(o);
    return 0;
}

METHOD(insert_at)
{
    struct kith__parcel p;
    struct kith__held h;
    int rc = kith__open_parcel(in, &p);

    if (rc < 0 || (rc = kith__hold_parcel(in, &p, &h)) < 0)
        return rc;
    return insert_value(o, clamped(index_in(&p), kith__row_count(kith__row_of(o))), &h);
}

METHOD(append)
{
    struct kith__parcel p;
    struct kith__held h;
    int rc = kith__open_parcel(in, &p);

    if (rc < 0 || (rc = kith__hold_parcel(in, &p, &h)) < 0)
        return rc;
    return insert_value(o, kith__row_count(kith__row_of(o)), &h);
}

/* .a elements of .b bytes each. */
METHOD(extend)
{
    struct kith__parcel p;
    struct kith__held h;
    int rc = kith__open_parcel(in, &p);

    if (rc == 0 && (p.b == 0 || p.size / p.b != p.a || p.size % p.b != 0))
        rc = kith__fail(KITH_EINVAL, "a List was sent %llu bytes for %llu elements of %llu",
                        (unsigned long long)p.size, (unsigned long long)p.a, (unsigned long long)p.b);
    if (rc == 0 && p.a > 0 && p.b <= KITH__CELL_FEW)
        rc = kith__row_extend(o, p.type, p.value, p.b, p.a);
    else
        for (uint64_t i = 0; rc == 0 && i < p.a; i++)
            if ((rc = kith__held_make(&h, p.type, (const char *)p.value + i * p.b, p.b)) == 0)
                rc = insert_value(o, kith__row_count(kith__row_of(o)), &h);
    kith__row_tidy_a_lot(o);
    return rc;
}

METHOD(pop)
{
    struct kith__parcel p;
    struct kith__held h;
    uint64_t i;
    int64_t rc = need(o, in, &p, &i);
    int removed;

    if (rc < 0)
        return rc;
    h = kith__row_look(kith__row_of(o), i);
    if ((rc = kith__held_give(&h, p.type, p.a, out)) < 0)
        return rc;
    if ((removed = kith__row_remove(o, i)) < 0) {
        kith__heap_free(out->block);
        out->block = 0;
        out->flags = 0;
        return removed;
    }
    kith__row_tidy_a_lot(o);
    return rc;
}

METHOD(del)
{
    struct kith__parcel p;
    uint64_t i;
    int rc = need(o, in, &p, &i);

    if (rc < 0 || (rc = kith__row_remove(o, i)) < 0)
        return rc;
    kith__row_tidy_a_lot(o);
    return 0;
}

static int has_bytes(const struct kith__row *l, uint64_t i, const struct kith__parcel *p)
{
    struct kith__held h = kith__row_look(l, i);

    return kith__held_size(&h) == p->size && memcmp(kith__held_bytes(&h), p->value, p->size) == 0;
}

static int64_t find(struct kith__object *o, const struct kith__args *in)
{
    struct kith__row *l = kith__row_of(o);
    struct kith__parcel p;
    int rc = kith__open_parcel(in, &p);

    if (rc < 0)
        return rc;
    for (uint64_t i = 0; i < kith__row_count(l); i++)
        if (has_bytes(l, i, &p))
            return (int64_t)i;
    return kith__fail(KITH_EMISSING, "the List has no such element (of %llu bytes)",
                      (unsigned long long)p.size);
}

METHOD(index_of)
{
    return find(o, in);
}

METHOD(remove_first)
{
    int64_t i = find(o, in);
    int rc = i < 0 ? (int)i : kith__row_remove(o, (uint64_t)i);

    kith__row_tidy_a_lot(o);
    return rc;
}

METHOD(count)
{
    struct kith__row *l = kith__row_of(o);
    struct kith__parcel p;
    int64_t n = kith__open_parcel(in, &p);

    for (uint64_t i = 0; n >= 0 && i < kith__row_count(l); i++)
        n += has_bytes(l, i, &p);
    return n;
}

METHOD(len)
{
    return (int64_t)kith__row_count(kith__row_of(o));
}

/* 1: there is more to do: tidy. */
METHOD(clear)
{
    kith__row_clear(o);
    return kith__row_tidy(o);
}

METHOD(tidy)
{
    return kith__row_tidy(o);
}

METHOD(reverse)
{
    int rc = kith__row_reverse(o);

    kith__row_tidy_a_lot(o);
    return rc;
}

/* From .a to .b. */
METHOD(view)
{
    struct kith__row *l = kith__row_of(o);
    struct kith__parcel p;
    uint64_t size = KITH__VIEW_HEAD, from, to;
    struct kith__held h;
    char *at;
    int rc = kith__open_parcel(in, &p);

    if (rc < 0)
        return rc;
    from = clamped((int64_t)p.a, kith__row_count(l));
    to = clamped((int64_t)p.b, kith__row_count(l));
    to = to < from ? from : to;
    for (uint64_t i = from; i < to; i++) {
        h = kith__row_look(l, i);
        size += kith__view_need(0, kith__held_size(&h));
    }
    if (!(at = kith__give_buffer(out, size)))
        return KITH_ENOMEM;
    at = kith__view_begin(at, to - from, atomic_load(&l->version));
    for (uint64_t i = from; i < to; i++) {
        h = kith__row_look(l, i);
        at = kith__view_add(at, "", 0, 0, &h);
    }
    return (int64_t)size;
}

/* If it has version .a: its elements in the order of these numbers. The result: 1, or 0: it has another one.
 */
METHOD(reorder)
{
    struct kith__parcel p;
    int rc = kith__open_parcel(in, &p);

    if (rc < 0)
        return rc;
    if (p.a != atomic_load(&kith__row_of(o)->version))
        return 0;
    rc = kith__row_reorder(o, p.value, p.size / sizeof(uint64_t));
    kith__row_tidy_a_lot(o);
    return rc < 0 ? rc : 1;
}

METHOD(look)
{
    struct kith__parcel p;
    struct kith__held h;
    uint64_t i;
    int rc = need(o, in, &p, &i);

    if (rc < 0)
        return rc;
    h = kith__row_look(kith__row_of(o), i);
    return kith__look(o, &h, p.a, out);
}

METHOD(swap)
{
    struct kith__parcel p;
    struct kith__held h;
    uint64_t i;
    int rc = need(o, in, &p, &i);

    if (rc < 0)
        return rc;
    h = kith__row_look(kith__row_of(o), i);
    if (!kith__is_unchanged(&h, &p))
        return 0;
    if (p.type == KITH__REMOVE)
        rc = kith__row_remove(o, i);
    else if ((rc = kith__hold_parcel(in, &p, &h)) == 0)
        kith__row_replace(o, i, &h);
    kith__row_tidy_a_lot(o);
    return rc < 0 ? rc : 1;
}

METHOD(compute)
{
    struct kith__parcel p;
    struct kith__held h;
    uint64_t old, i;
    int rc = need(o, in, &p, &i);

    if (rc < 0)
        return rc;
    h = kith__row_look(kith__row_of(o), i);
    if ((rc = kith__held_compute(&h, p.type, (int)p.a, p.value, p.size, &old)) < 0)
        return rc;
    kith__row_replace(o, i, &h);
    return kith__give_copy(out, &old, p.size);
}

/* --------------------------------------------------------------------------- hooks */

static int make(struct kith__object *o, const void *options, size_t size)
{
    (void)options;
    (void)size;
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
    kith__row_free(o);
    kith__guard_leave(&o->guard);
}

enum {
    GET = KITH__FIRST_METHOD,
    SET,
    INSERT,
    APPEND,
    EXTEND,
    POP,
    DEL,
    REMOVE,
    INDEX,
    COUNT,
    LEN,
    CLEAR,
    TIDY,
    REVERSE,
    VIEW,
    REORDER,
    LOOK,
    SWAP,
    COMPUTE,
    LOCK,
    UNLOCK
};

static const struct kith__method methods[] = {
    [GET] = { "get", get, -1, KITH__GIVES },
    [SET] = { "set", set, -1, KITH__KEEPS },
    [INSERT] = { "insert", insert_at, -1, KITH__KEEPS },
    [APPEND] = { "append", append, -1, KITH__KEEPS },
    [EXTEND] = { "extend", extend, -1, 0 },
    [POP] = { "pop", pop, -1, KITH__TAKES },
    [DEL] = { "del", del, -1, KITH__TAKES },
    [REMOVE] = { "remove", remove_first, -1, KITH__TAKES },
    [INDEX] = { "index", index_of, -1, KITH__GIVES },
    [COUNT] = { "count", count, -1, KITH__GIVES },
    [LEN] = { "len", len, -1, KITH__GIVES },
    [CLEAR] = { "clear", clear, -1, KITH__TAKES },
    [TIDY] = { "tidy", tidy, -1, KITH__TAKES },
    [REVERSE] = { "reverse", reverse, -1, 0 },
    [VIEW] = { "view", view, -1, KITH__GIVES },
    [REORDER] = { "reorder", reorder, -1, 0 },
    [LOOK] = { "look", look, -1, KITH__GIVES },
    [SWAP] = { "swap", swap, -1, KITH__KEEPS },
    [COMPUTE] = { "compute", compute, -1, 0 },
    [LOCK] = KITH__OWNED_LOCK,
    [UNLOCK] = KITH__OWNED_UNLOCK,
};

const struct kith__class kith__list_class = {
    .noun = "List",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .make = make,
    .same = same,
    .destroy = destroy,
    .undo = kith__owned_undo,
    .died = kith__units_died,
    .left = kith__units_left,
};

/* -------------------------------------------------------------- public functions */

static int64_t send_to(kith_list l, unsigned method, struct kith__parcel p, const int64_t *index,
                       struct kith__result *out)
{
    int rc = kith__check_bytes(KITH__LIST_KIND, p.value, p.size);

    if (rc < 0)
        return rc;
    p.key = index;
    p.key_size = index ? sizeof *index : 0;
    return kith__send_parcel(l.id, KITH__LIST_KIND, method, &p, out);
}

static int64_t send_value(kith_list l, unsigned method, int64_t index, int type, const void *value,
                          size_t size)
{
    struct kith__result out = { 0 };

    return kith__report64(send_to(
        l, method, (struct kith__parcel){ .value = value, .size = size, .type = type }, &index, &out));
}

kith_list kith_list_open(void)
{
    return (kith_list){ kith__open(KITH__LIST_KIND, NULL, NULL, 0, "kith_list_open") };
}

kith_list kith_list_named(const char *name)
{
    return (kith_list){ kith__open(KITH__LIST_KIND, name ? name : "", NULL, 0, "kith_list_named") };
}

/* At home: what is appended is copied before the guard is entered. */
static int append_here(kith_list l, int type, const void *value, size_t size)
{
    struct kith__object *o = kith__to_give(kith__at_home(l.id));
    struct kith__held h;
    int rc;

    if (!o)
        return KITH__PARKED;
    if ((rc = kith__held_make(&h, type, value, size)) < 0)
        return rc;
    if (kith__object_enter(l.id, KITH__LIST_KIND, &o) < 0) {
        kith__held_drop(&h);
        return KITH__PARKED; /* for the sentence */
    }
    rc = insert_value(o, kith__row_count(kith__row_of(o)), &h);
    kith__object_leave(o);
    return rc;
}

static int append_to(kith_list l, int type, const void *value, size_t size)
{
    int rc = kith__check_bytes(KITH__LIST_KIND, value, size);

    if (rc == 0 && (rc = append_here(l, type, value, size)) == KITH__PARKED)
        return (int)send_value(l, APPEND, 0, type, value, size);
    return kith__report(rc);
}

int kith_list_append(kith_list l, const void *value, size_t size)
{
    return append_to(l, 'b', value, size);
}

int kith__list_extend(kith_list l, int type, const void *values, size_t size, size_t n)
{
    struct kith__parcel p = { .a = n, .b = size, .value = values, .size = n * size, .type = type };
    struct kith__result out = { 0 };

    if (size == 0 || n > SIZE_MAX / 2 / size)
        return kith__report(kith__fail(KITH_EINVAL, "%zu elements of %zu bytes", n, size));
    return kith__report((int)send_to(l, EXTEND, p, NULL, &out));
}

int kith_list_extend(kith_list l, const void *values, size_t size, size_t n)
{
    return kith__list_extend(l, 'b', values, size, n);
}

static int64_t get_here(kith_list l, int64_t index, int type, void *buf, size_t room)
{
    struct kith__result out = { .buf = buf };
    struct kith__held h = { 0, 0 };
    struct kith__pin pin;
    uint64_t count;
    int64_t rc;

    if (!kith__pin(&pin, l.id, KITH__LIST_KIND))
        return KITH__PARKED;
    if ((rc = kith__row_read(pin.o, kith__row_of(pin.o), index, &h, &count)) == 1)
        rc = buf || type ? kith__held_give(&h, type, room, &out) : (int64_t)kith__held_size(&h);
    else
        rc = rc == 0 ? missing(index, count) : KITH__PARKED;
    kith__unpin(&pin);
    return rc;
}

static int64_t get_from(kith_list l, int64_t index, int type, void *buf, size_t room)
{
    struct kith__result out = { .buf = buf, .room = room };
    int64_t rc = get_here(l, index, type, buf, room);

    if (rc == KITH__PARKED)
        rc = send_to(l, GET, (struct kith__parcel){ .a = room, .b = !buf, .type = type }, &index, &out);
    return kith__report64(rc);
}

int64_t kith_list_get(kith_list l, int64_t index, void *buf, size_t room)
{
    return get_from(l, index, 0, buf, room);
}

int kith_list_set(kith_list l, int64_t index, const void *value, size_t size)
{
    return (int)send_value(l, SET, index, 'b', value, size);
}

int kith_list_insert(kith_list l, int64_t index, const void *value, size_t size)
{
    return (int)send_value(l, INSERT, index, 'b', value, size);
}

int64_t kith_list_pop(kith_list l, int64_t index, void *buf, size_t room)
{
    struct kith__result out = { .buf = buf, .room = room };
    int64_t rc = kith__check_bytes(KITH__LIST_KIND, buf, room);

    if (rc == 0)
        rc = send_to(l, POP, (struct kith__parcel){ .a = room }, &index, &out);
    return kith__report64(rc);
}

int kith_list_del(kith_list l, int64_t index)
{
    return (int)send_value(l, DEL, index, 0, NULL, 0);
}

int kith_list_remove(kith_list l, const void *value, size_t size)
{
    return (int)send_value(l, REMOVE, 0, 0, value, size);
}

int64_t kith_list_index(kith_list l, const void *value, size_t size)
{
    return send_value(l, INDEX, 0, 0, value, size);
}

int64_t kith_list_count(kith_list l, const void *value, size_t size)
{
    return send_value(l, COUNT, 0, 0, value, size);
}

int64_t kith_list_len(kith_list l)
{
    return kith__report64(kith__ask(l.id, KITH__LIST_KIND, LEN, 0));
}

int kith_list_clear(kith_list l)
{
    int64_t rc = kith__ask(l.id, KITH__LIST_KIND, CLEAR, 0);

    while (rc == 1)
        rc = kith__ask(l.id, KITH__LIST_KIND, TIDY, 0);
    return kith__report((int)rc);
}

int kith_list_reverse(kith_list l)
{
    return kith__report((int)kith__ask(l.id, KITH__LIST_KIND, REVERSE, 0));
}

struct kith_view *kith_list_view(kith_list l, int64_t begin, int64_t end)
{
    struct kith__result out = { .grows = 1 };
    struct kith__parcel p = { .a = (uint64_t)begin, .b = (uint64_t)end };
    int64_t rc = send_to(l, VIEW, p, NULL, &out);

    return kith__view_of(rc, &out);
}

int kith_list_compute(kith_list l, int64_t index, int op, int type, const void *x, void *old, size_t size)
{
    char nobody_wants[KITH__CELL_FEW];
    struct kith__result out = { .buf = old ? old : nobody_wants, .room = size };
    struct kith__parcel p = { .a = (uint64_t)op, .value = x, .size = size, .type = type };
    int64_t rc = size > 0 && size <= sizeof nobody_wants
                     ? send_to(l, COMPUTE, p, &index, &out)
                     : kith__fail(KITH_ESIZE, "a number of %zu bytes", size);

    return kith__report(rc < 0 ? (int)rc : 0);
}

int kith_list_update(kith_list l, int64_t index, size_t room, kith_update_fn *fn, void *arg, int timeout_ms)
{
    const struct kith__updated u = {
        l.id, KITH__LIST_KIND, LOOK, SWAP, LOCK, UNLOCK, &index, sizeof index, 0
    };

    return kith__update(&u, room, fn, arg, timeout_ms);
}

int kith_list_close(kith_list l)
{
    return kith__close(l.id, KITH__LIST_KIND);
}

/* ------------------------------------------------------------------------ sorting */

/* 1: sorted; 0: it has changed meanwhile; a code. */
static int64_t try_to_sort(kith_list l, kith_compare_fn *compare)
{
    struct kith__result out = { .grows = 1 }, none = { 0 };
    struct kith__parcel p = { .a = 0, .b = INT64_MAX };
    int64_t rc = send_to(l, VIEW, p, NULL, &out);
    uint64_t *order = NULL;
    struct kith_view *v;

    if (rc < 0)
        return rc;
    if (!(v = kith__view_of(rc, &out)))
        return KITH_ENOMEM;
    if ((rc = kith__sort(v, compare, &order)) == 0) {
        p = (struct kith__parcel){ .a = kith__view_version(v),
                                   .value = order,
                                   .size = kith_view_len(v) * sizeof *order };
        rc = send_to(l, REORDER, p, NULL, &none);
    }
    free(order);
    kith_view_free(v);
    return rc;
}

static int64_t lock_for(kith_list l, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    int64_t rc = kith__invoke(l.id, KITH__LIST_KIND, LOCK, &in, &out, timeout_ms);

    return rc == KITH_EOWNERDEAD ? 0 : rc;
}

int kith_list_sort(kith_list l, kith_compare_fn *compare, int timeout_ms)
{
    int64_t begun = kith__now_ns(), rc = kith__check_timeout(timeout_ms), unlocked;
    int has_lock = 0;

    for (int tries = 0; rc == 0 && (rc = try_to_sort(l, compare)) == 0; tries++) {
        int64_t passed = (kith__now_ns() - begun) / KITH__MS;

        if (timeout_ms != KITH_FOREVER && passed >= timeout_ms && tries >= 3)
            rc = kith__fail(KITH_ETIMEDOUT, "the timeout expired: the List changes all the time");
        else if (tries == 3 &&
                 (rc = lock_for(l, timeout_ms == KITH_FOREVER ? timeout_ms : timeout_ms - (int)passed)) == 0)
            has_lock = 1;
    }
    if (has_lock && (unlocked = kith__ask(l.id, KITH__LIST_KIND, UNLOCK, 0)) < 0 && rc > 0)
        rc = unlocked;
    return kith__report(rc < 0 ? (int)rc : 0);
}

/* ------------------------------------------------------------ what the macros of kith.h call */

static const void *bytes_of(const struct kith__any *x)
{
    return x->text ? x->text : x->few;
}

static int index_from(const struct kith__any *key, int64_t *index)
{
    *index = 0;
    if (key->type != 'q')
        return kith__report(
            kith__fail(KITH_ETYPE, "the index of a List is an integer, not %s", kith__type_name(key->type)));
    memcpy(index, key->few, sizeof *index);
    return 0;
}

int kith__list_append(kith_list l, struct kith__any x)
{
    return append_to(l, x.type, bytes_of(&x), x.size);
}

int kith__list_set(kith_list l, struct kith__any key, struct kith__any x)
{
    int64_t index;
    int rc = index_from(&key, &index);

    return rc < 0 ? rc : (int)send_value(l, SET, index, x.type, bytes_of(&x), x.size);
}

int kith__list_fetch(kith_list l, struct kith__any key, int type, void *y, size_t size)
{
    int64_t index, rc = index_from(&key, &index);

    if (rc == 0)
        rc =
            y ? get_from(l, index, type, y, size) : kith__report(kith__check_bytes(KITH__LIST_KIND, y, size));
    return rc < 0 ? (int)rc : 0;
}

int kith__list_inc(kith_list l, struct kith__any key, struct kith__any x)
{
    int64_t index;
    int rc = index_from(&key, &index);

    return rc < 0 ? rc : kith_list_compute(l, index, KITH_ADD, x.type, bytes_of(&x), NULL, x.size);
}
