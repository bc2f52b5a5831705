/* value.c: the Value; see class.h and kith.h.
 *
 * A number is one word of the object, on which each operation is one instruction. At home it is done without
 * the guard (pin.h); the agent does the same in the guard, which keeps the object from being closed. So
 * whoever dies has done it, or has not.
 *
 * Bytes have two buffers, and a word that tells which of them counts: what is stored goes to the other one,
 * and the commit of the word makes it true.
 *
 * The lock (owned.h) keeps out those who take it, and nobody else. One that was given an RLock has no unit of
 * its own, and names it to those who want the lock.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/memory.h"
#include "object/number.h"
#include "object/owned.h"
#include "object/pin.h"

#include <string.h>

enum { LOCKERS = KITH__TAKERS, SIDES };
enum { MOST = 1024 }; /* bytes of one that is no number */

struct options {
    uint32_t type, raw;
    uint64_t size, rlock;
    char init[MOST];
};

struct value {
    uint32_t type, raw;
    uint64_t size;
    kith__word current; /* which of the buffers counts; of numbers always the first */
    char buffers[2][MOST] __attribute__((aligned(64)));
};

_Static_assert(KITH__BODY_FITS(struct value, SIDES), "it is the body of an object");
_Static_assert(sizeof(struct options) <= KITH__OPTIONS, "it can be sent");

static struct value *value_of(struct kith__object *o)
{
    return (struct value *)(void *)&o->body;
}

/* What a call says of the type: its size, letter, and op. */
static uint64_t packed(int type, size_t size, int op)
{
    return (uint64_t)(op & 255) << 48 | (uint64_t)(type & 255) << 40 | (size & UINT32_MAX);
}

static int type_in(uint64_t number)
{
    return (int)(number >> 40 & 255);
}

static int op_in(uint64_t number)
{
    return (int)(number >> 48 & 255);
}

static char *current_buffer(struct value *v)
{
    return v->buffers[atomic_load(&v->current) & 1];
}

/* ---------------------------------------------------------------------- methods */

/* The call fits what the Value holds; each operand has its size. */
static int check(const struct value *v, const struct kith__args *in, unsigned operands)
{
    int type = type_in(in->number);
    uint64_t size = in->number & UINT32_MAX;

    if (type != (int)v->type)
        return kith__fail(KITH_ETYPE, "the Value holds %s, and the call is for %s: their types must agree",
                          kith__type_name((int)v->type), kith__type_name(type));
    if (size != v->size || (operands > 0 && in->size != operands * v->size))
        return kith__fail(KITH_ESIZE, "the Value has %llu bytes, not %llu", (unsigned long long)v->size,
                          (unsigned long long)size);
    return 0;
}

/* Gives a copy of what is at bytes. */
static int64_t give(struct kith__result *out, const void *bytes, size_t size)
{
    int rc;

    if (size <= KITH__FEW)
        kith__give_few(out, bytes, size);
    else if ((rc = kith__give_bytes(out, bytes, size)) < 0)
        return rc;
    if (out->block)
        out->flags = KITH__GIVEN | KITH__MARK; /* to be freed, and nothing else, when it has arrived or not */
    return (int64_t)size;
}

static void set_bytes(struct kith__object *o, const void *bytes)
{
    struct value *v = value_of(o);
    uint64_t other = !(atomic_load(&v->current) & 1);

    memcpy(v->buffers[other], bytes, v->size);
    kith__failpoint("value: bytes written");
    kith__guard_set(&o->guard, &v->current, other);
    kith__guard_commit(&o->guard);
}

static int64_t load(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct value *v = value_of(o);
    const struct kith__number *n = kith__number((int)v->type);
    char x[KITH__NUMBER_MOST];
    int rc = check(v, in, 0);

    (void)who;
    if (rc < 0)
        return rc;
    if (!n)
        return give(out, current_buffer(v), v->size);
    n->load(v->buffers[0], x, 1);
    return give(out, x, v->size);
}

static int64_t store(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    struct value *v = value_of(o);
    const struct kith__number *n = kith__number((int)v->type);
    int rc = check(v, in, 1);

    (void)who;
    (void)out;
    if (rc < 0)
        return rc;
    if (n)
        n->store(v->buffers[0], in->bytes, 1);
    else
        set_bytes(o, in->bytes);
    return 0;
}

static int no_such_op(int op)
{
    return kith__fail(op >= KITH_ADD && op <= KITH_XOR ? KITH_ETYPE : KITH_EINVAL,
                      "op %d on a Value of bytes: it knows KITH_EXCHANGE only", op);
}

static int64_t update(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    struct value *v = value_of(o);
    const struct kith__number *n = kith__number((int)v->type);
    char old[KITH__NUMBER_MOST];
    int64_t rc = check(v, in, 1);

    (void)who;
    if (rc < 0)
        return rc;
    if (n) {
        rc = n->update(v->buffers[0], op_in(in->number), in->bytes, old);
        return rc < 0 ? rc : give(out, old, v->size);
    }
    if (op_in(in->number) != KITH_EXCHANGE)
        return no_such_op(op_in(in->number));
    if ((rc = give(out, current_buffer(v), v->size)) >= 0)
        set_bytes(o, in->bytes);
    return rc;
}

/* The bytes: what is expected, then what is desired. 0: it was so; else what it was. */
static int64_t compare(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    struct value *v = value_of(o);
    const struct kith__number *n = kith__number((int)v->type);
    char seen[KITH__NUMBER_MOST];
    int rc = check(v, in, 2);

    (void)who;
    if (rc < 0)
        return rc;
    if (n) {
        memcpy(seen, in->bytes, v->size);
        return n->compare_exchange(v->buffers[0], seen, (const char *)in->bytes + v->size)
                   ? 0
                   : give(out, seen, v->size);
    }
    if (memcmp(current_buffer(v), in->bytes, v->size) != 0)
        return give(out, current_buffer(v), v->size);
    set_bytes(o, (const char *)in->bytes + v->size);
    return 0;
}

/* --------------------------------------------------------------------------- hooks */

static int check_type(int type, size_t size)
{
    const struct kith__number *n = kith__number(type);

    if (!n && type != KITH__BYTES_LETTER)
        return kith__fail(KITH_EINVAL, "%d is no type of a Value: give one of i I l L q f d b", type);
    if (n && size != n->size)
        return kith__fail(KITH_ESIZE, "%s has %zu bytes, not %zu", n->name, n->size, size);
    if (size == 0 || size > MOST)
        return kith__fail(KITH_EINVAL, "a Value has 1 to %d bytes, not %zu: an Array has more", MOST, size);
    return 0;
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct value *v = value_of(o);
    struct options wanted = { 0 };
    int rc;

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    if ((rc = check_type((int)wanted.type, wanted.size)) < 0)
        return rc;
    v->type = wanted.type;
    v->raw = wanted.raw;
    v->size = wanted.size;
    memcpy(v->buffers[0], wanted.init, wanted.size);
    kith__owned_open(o, (int)wanted.raw, wanted.rlock);
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    const struct value *v = value_of(o);
    struct options wanted = { 0 };

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    if (atomic_load(&o->rlock) != wanted.rlock)
        return kith__fail(KITH_EINVAL, "the Value \"%s\" was opened with %s", o->name,
                          atomic_load(&o->rlock) ? "another .lock" : "a lock of its own");
    if (v->type == wanted.type && v->size == wanted.size && v->raw == wanted.raw)
        return 0;
    return kith__fail(KITH_EINVAL, "the Value \"%s\" was opened as %s of %llu bytes%s, not %s of %llu%s",
                      o->name, kith__type_name((int)v->type), (unsigned long long)v->size,
                      v->raw ? ", raw" : "", kith__type_name((int)wanted.type),
                      (unsigned long long)wanted.size, wanted.raw ? ", raw" : "");
}

enum { LOAD = KITH__FIRST_METHOD, STORE, UPDATE, COMPARE, LOCK, UNLOCK };

static const struct kith__method methods[] = {
    [LOAD] = { "load", load, -1, KITH__GIVES },
    [STORE] = { "store", store, -1, 0 },
    [UPDATE] = { "update", update, -1, 0 },
    [COMPARE] = { "compare_exchange", compare, -1, 0 },
    [LOCK] = KITH__OWNED_LOCK,
    [UNLOCK] = KITH__OWNED_UNLOCK,
};

const struct kith__class kith__value_class = {
    .noun = "Value",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .make = make,
    .same = same,
    .undo = kith__owned_undo,
    .died = kith__units_died,
    .left = kith__units_left,
};

/* -------------------------------------------------------------- the short way, at home */

/* 1: the Value is a number of that type. */
static int is_number(const struct value *v, int type, size_t size)
{
    return (int)v->type == type && v->size == size && type != KITH__BYTES_LETTER;
}

/* What is read is right if the object is still the one that was meant; a slot is never unmapped. 1: done. */
static int load_here(kith_value v, int type, void *out, size_t size)
{
    struct kith__object *o = kith__at_home(v.id);
    uint64_t ident = kith__ident(v.id, KITH__VALUE_KIND);
    char x[KITH__NUMBER_MOST];

    if (!o || atomic_load(&o->ident) != ident || !is_number(value_of(o), type, size))
        return 0;
    kith__number(type)->load(value_of(o)->buffers[0], x, 1);
    if (atomic_load(&o->ident) != ident)
        return 0;
    memcpy(out, x, size);
    return 1;
}

/* 1: done. */
static int store_here(kith_value v, int type, const void *x, size_t size)
{
    struct kith__pin p;
    int done;

    if (!kith__pin_to_give(&p, v.id, KITH__VALUE_KIND))
        return 0;
    done = is_number(value_of(p.o), type, size);
    if (done)
        kith__number(type)->store(value_of(p.o)->buffers[0], x, 1);
    kith__unpin(&p);
    return done;
}

/* 1: done. What cannot be done is told the long way. */
static int update_here(kith_value v, int type, int op, const void *by, void *old, size_t size)
{
    struct kith__pin p;
    int done;

    if (!kith__pin_to_give(&p, v.id, KITH__VALUE_KIND))
        return 0;
    done = is_number(value_of(p.o), type, size) &&
           kith__number(type)->update(value_of(p.o)->buffers[0], op, by, old) == 0;
    kith__unpin(&p);
    return done;
}

/* 1: exchanged; 0: it was another; -1: the long way decides. */
static int compare_here(kith_value v, int type, void *expected, const void *desired, size_t size)
{
    struct kith__pin p;
    int rc = -1;

    if (!kith__pin_to_give(&p, v.id, KITH__VALUE_KIND))
        return -1;
    if (is_number(value_of(p.o), type, size))
        rc = kith__number(type)->compare_exchange(value_of(p.o)->buffers[0], expected, desired);
    kith__unpin(&p);
    return rc;
}

#undef kith_value_open_with /* which adds the size */
/* -------------------------------------------------------------- public functions */

kith_value kith_value_open_with(int type, const void *init, size_t size,
                                const struct kith_value_options *given, size_t given_size)
{
    struct kith_value_options o = { 0 };
    struct options options = { .type = (uint32_t)type, .size = size };
    int rc = check_type(type, size);

    if (given)
        memcpy(&o, given, given_size < sizeof o ? given_size : sizeof o);
    if (rc == 0)
        rc = kith__owned_check_rlock(o.lock.id, o.raw, "a Value");
    if (rc < 0)
        return (kith_value){ kith__failed_handle(kith__report(rc)) };
    if (init)
        memcpy(options.init, init, size);
    if (init && o.name)
        kith__memory_pass_on(); /* others find it by the name */
    options.raw = o.raw != 0;
    options.rlock = o.lock.id;
    return (kith_value){ kith__open(KITH__VALUE_KIND, o.name, &options, offsetof(struct options, init) + size,
                                    "kith_value_open") };
}

kith_value kith_value_open(int type, const void *init, size_t size)
{
    return kith_value_open_with(type, init, size, NULL, 0);
}

static int given_nothing(const void *p)
{
    return p ? 0 : kith__fail(KITH_EINVAL, "a Value was given NULL");
}

/* The long ways are functions of their own: what they need on the stack costs more than an add. */

static int load_the_long_way(kith_value v, int type, void *x, size_t size)
{
    struct kith__args in = { .number = packed(type, size, 0) };
    struct kith__result out = { .buf = x, .room = size };
    int64_t rc = given_nothing(x);

    if (rc == 0)
        rc = kith__invoke(v.id, KITH__VALUE_KIND, LOAD, &in, &out, KITH_FOREVER);
    return kith__report(rc < 0 ? (int)rc : 0);
}

int kith_value_load(kith_value v, int type, void *x, size_t size)
{
    return x && load_here(v, type, x, size) ? 0 : load_the_long_way(v, type, x, size);
}

static int store_the_long_way(kith_value v, int type, const void *x, size_t size)
{
    struct kith__args in = { .number = packed(type, size, 0), .bytes = x, .size = size };
    struct kith__result out = { 0 };
    int64_t rc = given_nothing(x);

    if (rc == 0)
        rc = kith__invoke(v.id, KITH__VALUE_KIND, STORE, &in, &out, KITH_FOREVER);
    return kith__report((int)rc);
}

int kith_value_store(kith_value v, int type, const void *x, size_t size)
{
    return x && store_here(v, type, x, size) ? 0 : store_the_long_way(v, type, x, size);
}

static int update_the_long_way(kith_value v, int type, int op, const void *x, void *old, size_t size)
{
    char nobody_wants[MOST];
    struct kith__args in = { .number = packed(type, size, op), .bytes = x, .size = size };
    struct kith__result out = { .buf = old ? old : nobody_wants, .room = old ? size : sizeof nobody_wants };
    int64_t rc = given_nothing(x);

    if (rc == 0 && (op < 0 || op > 255))
        rc = kith__fail(KITH_EINVAL, "%d is no enum kith_op", op);
    if (rc == 0)
        rc = kith__invoke(v.id, KITH__VALUE_KIND, UPDATE, &in, &out, KITH_FOREVER);
    return kith__report(rc < 0 ? (int)rc : 0);
}

int kith_value_update(kith_value v, int type, int op, const void *x, void *old, size_t size)
{
    char nobody_wants[KITH__NUMBER_MOST];

    return x && update_here(v, type, op, x, old ? old : nobody_wants, size)
               ? 0
               : update_the_long_way(v, type, op, x, old, size);
}

int kith_value_compare_exchange(kith_value v, int type, void *expected, const void *x, size_t size)
{
    char both[2 * MOST];
    struct kith__args in = { .number = packed(type, size, 0), .bytes = both, .size = 2 * size };
    struct kith__result out = { .buf = expected, .room = size };
    int64_t rc = expected ? given_nothing(x) : given_nothing(NULL);
    int done;

    if (rc == 0 && (done = compare_here(v, type, expected, x, size)) >= 0)
        return done;
    if (rc == 0 && size > MOST)
        rc = kith__fail(KITH_ESIZE, "a Value has at most %d bytes, not %zu", MOST, size);
    if (rc < 0)
        return kith__report((int)rc);
    memcpy(both, expected, size);
    memcpy(both + size, x, size);
    rc = kith__invoke(v.id, KITH__VALUE_KIND, COMPARE, &in, &out, KITH_FOREVER);
    return rc < 0 ? kith__report((int)rc) : rc == 0;
}

int kith_value_lock(kith_value v, int timeout_ms)
{
    return kith__owned_lock(v.id, KITH__VALUE_KIND, LOCK, timeout_ms);
}

int kith_value_unlock(kith_value v)
{
    return kith__owned_unlock(v.id, KITH__VALUE_KIND, UNLOCK);
}

int kith_value_close(kith_value v)
{
    return kith__close(v.id, KITH__VALUE_KIND);
}

/* What the macros of kith.h call, by the type of their argument. */
#define FOR_NUMBERS(letter, T)                                                       \
    kith_value kith__value_of_##letter(T x)                                          \
    {                                                                                \
        return kith_value_open((#letter)[0], &x, sizeof x);                          \
    }                                                                                \
    int kith__value_store_##letter(kith_value v, T x)                                \
    {                                                                                \
        return kith_value_store(v, (#letter)[0], &x, sizeof x);                      \
    }                                                                                \
    int kith__value_update_##letter(kith_value v, int op, T x, T *old)               \
    {                                                                                \
        return kith_value_update(v, (#letter)[0], op, &x, old, sizeof x);            \
    }                                                                                \
    int kith__value_compare_##letter(kith_value v, T *expected, T x)                 \
    {                                                                                \
        return kith_value_compare_exchange(v, (#letter)[0], expected, &x, sizeof x); \
    }
KITH__NUMBERS(FOR_NUMBERS)
