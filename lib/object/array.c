/* array.c: the Array; see class.h and kith.h.
 *
 * Its elements are a block of the heap, which anybody at home may also read and write in place. What is done
 * to one of them is done as to a Value: at home under a pin, by the agent in the guard (value.c). A slice is
 * so many elements, each of which is whole.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/memory.h"
#include "object/number.h"
#include "object/owned.h"
#include "object/pin.h"
#include "shm/heap.h"

#include <string.h>

enum { LOCKERS = KITH__TAKERS, SIDES };

#define MOST (UINT64_C(1) << 40) /* bytes: an index fits beside type, and size or op */
enum { LARGEST = 65535 };        /* bytes of an element */

struct options {
    uint32_t type, raw;
    uint64_t n, size; /* size: of an element */
    uint64_t rlock;   /* the handle of the RLock that is its lock; 0: its own */
};

struct array {
    struct options options;
    kith__word block; /* 0: it is being taken down */
};

_Static_assert(KITH__BODY_FITS(struct array, SIDES), "it is the body of an object");
_Static_assert(sizeof(struct options) <= KITH__OPTIONS, "it can be sent");

static struct array *array_of(struct kith__object *o)
{
    return (struct array *)(void *)&o->body;
}

static uint64_t size_of_type(int type)
{
    const struct kith__number *n = kith__number(type);

    return n ? n->size : type == KITH__BYTES_LETTER ? 1 : 0;
}

/* 1: so many bytes can be an element of that type. */
static int size_fits(int type, uint64_t size)
{
    return kith__number(type) ? size == size_of_type(type) : type == KITH__BYTES_LETTER && size > 0;
}

/* Where a call begins, the type that it is for; and the size of an element, or its op. */
static uint64_t packed(int type, uint64_t at, uint64_t size_or_op)
{
    return (size_or_op & LARGEST) << 48 | (uint64_t)(type & 255) << 40 | at;
}

static uint64_t at_in(uint64_t number)
{
    return number & (MOST - 1);
}

static int type_in(uint64_t number)
{
    return (int)(number >> 40 & 255);
}

static int op_in(uint64_t number)
{
    return (int)(number >> 48 & 255);
}

static uint64_t size_in(uint64_t number)
{
    return number >> 48;
}

/* ---------------------------------------------------------------------------- elements */

/* n elements from at on, of that type, are there. */
static int check(const struct array *a, int type, uint64_t at, uint64_t n)
{
    if (type != (int)a->options.type)
        return kith__fail(KITH_ETYPE, "the Array holds %s, and the call is for %s: their types must agree",
                          kith__type_name((int)a->options.type), kith__type_name(type));
    if (at > a->options.n || n > a->options.n - at)
        return kith__fail(KITH_EINVAL, "elements %llu to %llu were requested of an Array of %llu",
                          (unsigned long long)at, (unsigned long long)(at + n - 1),
                          (unsigned long long)a->options.n);
    return 0;
}

/* The same, of that size. */
static int check_sized(const struct array *a, uint64_t number, uint64_t n)
{
    int rc = check(a, type_in(number), at_in(number), n);

    if (rc == 0 && size_in(number) != a->options.size)
        return kith__fail(KITH_ESIZE, "an element of the Array has %llu bytes, not %llu",
                          (unsigned long long)a->options.size, (unsigned long long)size_in(number));
    return rc;
}

static void *element(const struct array *a, uint64_t at)
{
    return (char *)kith__at(atomic_load(&a->block)) + at * a->options.size;
}

static void copy_out(const struct array *a, uint64_t at, void *out, uint64_t n)
{
    const struct kith__number *number = kith__number((int)a->options.type);

    if (number)
        number->load(element(a, at), out, n);
    else
        memcpy(out, element(a, at), n * a->options.size);
}

static void copy_in(const struct array *a, uint64_t at, const void *in, uint64_t n)
{
    const struct kith__number *number = kith__number((int)a->options.type);

    if (number)
        number->store(element(a, at), in, n);
    else
        memcpy(element(a, at), in, n * a->options.size);
}

static int no_such_op(void)
{
    return kith__fail(KITH_ETYPE, "the bytes of an Array are loaded and stored, and know no other operation");
}

/* ---------------------------------------------------------------------------- methods */

/* The bytes: how many elements. */
static int64_t load(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct array *a = array_of(o);
    uint64_t at = at_in(in->number), n = 0;
    int rc;

    (void)who;
    memcpy(&n, in->bytes, in->size < sizeof n ? in->size : sizeof n);
    if ((rc = check_sized(a, in->number, n)) < 0)
        return rc;
    out->size = n * a->options.size;
    if (out->size == 0)
        return 0;
    if (!out->buf && (out->block = kith__heap_alloc(out->size, kith__me)) == 0)
        return KITH_ENOMEM;
    copy_out(a, at, out->buf ? out->buf : kith__at(out->block), n);
    if (out->block)
        out->flags = KITH__GIVEN | KITH__MARK; /* to be freed, and nothing else, when it has arrived or not */
    return (int64_t)out->size;
}

static int64_t store(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    struct array *a = array_of(o);
    uint64_t n = in->size / a->options.size;
    int rc = check_sized(a, in->number, n);

    (void)who;
    (void)out;
    if (rc < 0)
        return rc;
    copy_in(a, at_in(in->number), in->bytes, n);
    return 0;
}

/* For one element, with so many operands. NULL: rc is the code. */
static const struct kith__number *number_for(const struct array *a, const struct kith__args *in,
                                             unsigned operands, int *rc)
{
    if ((*rc = check(a, type_in(in->number), at_in(in->number), 1)) < 0)
        return NULL;
    if (!kith__number((int)a->options.type))
        *rc = no_such_op();
    else if (in->size != operands * a->options.size)
        *rc = kith__fail(KITH_ESIZE, "an element of the Array has %llu bytes",
                         (unsigned long long)a->options.size);
    return *rc < 0 ? NULL : kith__number((int)a->options.type);
}

static int64_t update(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    struct array *a = array_of(o);
    char old[KITH__NUMBER_MOST];
    int rc;
    const struct kith__number *n = number_for(a, in, 1, &rc);

    (void)who;
    if (!n || (rc = n->update(element(a, at_in(in->number)), op_in(in->number), in->bytes, old)) < 0)
        return rc;
    kith__give_few(out, old, n->size);
    return (int64_t)n->size;
}

/* The bytes: what is expected, then what is desired. 0: it was so; else what it was. */
static int64_t compare(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    struct array *a = array_of(o);
    char seen[KITH__NUMBER_MOST];
    int rc;
    const struct kith__number *n = number_for(a, in, 2, &rc);

    (void)who;
    if (!n)
        return rc;
    memcpy(seen, in->bytes, n->size);
    if (n->compare_exchange(element(a, at_in(in->number)), seen, (const char *)in->bytes + n->size))
        return 0;
    kith__give_few(out, seen, n->size);
    return (int64_t)n->size;
}

static int64_t length(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)array_of(o)->options.n;
}

/* At home only: its block. */
static int64_t here(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)atomic_load(&array_of(o)->block);
}

/* --------------------------------------------------------------------------- hooks */

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct array *a = array_of(o);
    uint64_t each;

    memcpy(&a->options, options, size < sizeof a->options ? size : sizeof a->options);
    each = a->options.size;
    if (each == 0 || each > LARGEST || a->options.n >= MOST || a->options.n * each >= MOST ||
        !size_fits((int)a->options.type, each))
        return kith__fail(KITH_EINVAL, "an Array of %llu elements of %s was requested",
                          (unsigned long long)a->options.n, kith__type_name((int)a->options.type));
    if (kith__object_memory(o, &a->block, a->options.n * each) < 0)
        return KITH_ENOMEM;
    kith__owned_open(o, (int)a->options.raw, a->options.rlock);
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    const struct options *mine = &array_of(o)->options;
    struct options wanted = { 0 };

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    if (memcmp(mine, &wanted, sizeof wanted) == 0)
        return 0;
    if (wanted.rlock != mine->rlock)
        return kith__fail(KITH_EINVAL, "the Array \"%s\" was opened with %s", o->name,
                          mine->rlock ? "another .lock" : "a lock of its own");
    if (wanted.size != mine->size && wanted.type == mine->type)
        return kith__fail(KITH_EINVAL, "the Array \"%s\" was opened with elements of %llu bytes, not %llu",
                          o->name, (unsigned long long)mine->size, (unsigned long long)wanted.size);
    return kith__fail(KITH_EINVAL, "the Array \"%s\" was opened with %llu elements of %s%s, not %llu of %s%s",
                      o->name, (unsigned long long)mine->n, kith__type_name((int)mine->type),
                      mine->raw ? ", raw" : "", (unsigned long long)wanted.n,
                      kith__type_name((int)wanted.type), wanted.raw ? ", raw" : "");
}

static void destroy(struct kith__object *o)
{
    kith__object_memory_free(o, &array_of(o)->block);
}

static int freed(uint64_t id, const void *p)
{
    (void)id;
    return kith__fail(
        KITH_EINVAL, "kith_free was given %p, which is the memory of an Array: kith_array_close frees it", p);
}

enum { LOAD = KITH__FIRST_METHOD, STORE, UPDATE, COMPARE, LENGTH, HERE, LOCK, UNLOCK };

static const struct kith__method methods[] = {
    [LOAD] = { "load", load, -1, KITH__GIVES },
    [STORE] = { "store", store, -1, 0 },
    [UPDATE] = { "update", update, -1, 0 },
    [COMPARE] = { "compare_exchange", compare, -1, 0 },
    [LENGTH] = { "length", length, -1, KITH__LOOKS },
    [HERE] = { "here", here, -1, KITH__LOOKS },
    [LOCK] = KITH__OWNED_LOCK,
    [UNLOCK] = KITH__OWNED_UNLOCK,
};

const struct kith__class kith__array_class = {
    .noun = "Array",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .make = make,
    .same = same,
    .destroy = destroy,
    .undo = kith__owned_undo,
    .died = kith__units_died,
    .left = kith__units_left,
    .freed = freed,
};

/* -------------------------------------------------------------- the short way, at home */

/* 1: pinned, and there are n elements of that size from at on. What cannot be done is told the long way. */
static int pin(struct kith__pin *p, kith_array a, int type, uint64_t at, uint64_t size, uint64_t n)
{
    const struct array *array;

    if (!kith__pin(p, a.id, KITH__ARRAY_KIND))
        return 0;
    array = array_of(p->o);
    if ((int)array->options.type == type && array->options.size == size && at <= array->options.n &&
        n <= array->options.n - at)
        return 1;
    kith__unpin(p);
    return 0;
}

static int load_here(kith_array a, int type, uint64_t at, void *out, uint64_t size, uint64_t n)
{
    struct kith__pin p;

    if (!pin(&p, a, type, at, size, n))
        return 0;
    copy_out(array_of(p.o), at, out, n);
    kith__unpin(&p);
    return 1;
}

static int store_here(kith_array a, int type, uint64_t at, const void *in, uint64_t size, uint64_t n)
{
    struct kith__pin p;

    kith__memory_pass_on(); /* as in kith__invoke */
    if (!pin(&p, a, type, at, size, n))
        return 0;
    copy_in(array_of(p.o), at, in, n);
    kith__unpin(&p);
    return 1;
}

static int update_here(kith_array a, int type, uint64_t at, int op, const void *by, void *old)
{
    const struct kith__number *n = kith__number(type);
    struct kith__pin p;
    int done;

    kith__memory_pass_on();
    if (!n || !pin(&p, a, type, at, n->size, 1))
        return 0;
    done = n->update(element(array_of(p.o), at), op, by, old) == 0;
    kith__unpin(&p);
    return done;
}

/* 1: exchanged; 0: it was another; -1: the long way decides. */
static int compare_here(kith_array a, int type, uint64_t at, void *expected, const void *desired)
{
    const struct kith__number *n = kith__number(type);
    struct kith__pin p;
    int rc;

    kith__memory_pass_on();
    if (!n || !pin(&p, a, type, at, n->size, 1))
        return -1;
    rc = n->compare_exchange(element(array_of(p.o), at), expected, desired);
    kith__unpin(&p);
    return rc;
}

/* -------------------------------------------------------------- public functions */

static int check_arguments(int type, uint64_t at, uint64_t size, uint64_t n, const void *bytes)
{
    if (size_of_type(type) == 0)
        return kith__fail(KITH_EINVAL, "%d is no type of an Array: give one of i I l L q f d b", type);
    if (size > LARGEST || !size_fits(type, size))
        return kith__fail(KITH_EINVAL,
                          "an Array of %s has no elements of %llu bytes; those of type 'b' have 1 to %d",
                          kith__type_name(type), (unsigned long long)size, LARGEST);
    if (!bytes && n > 0)
        return kith__fail(KITH_EINVAL, "an Array was given NULL for %llu elements", (unsigned long long)n);
    if (at >= MOST || n >= MOST)
        return kith__fail(KITH_EINVAL, "an Array has less than %llu elements", (unsigned long long)MOST);
    return 0;
}

#undef kith_array_open_with /* which adds the size */
kith_array kith_array_open_with(int type, size_t n, const struct kith_array_options *given, size_t given_size)
{
    struct kith_array_options o = { 0 };
    struct options options = { .type = (uint32_t)type, .n = n };
    int rc;

    if (given)
        memcpy(&o, given, given_size < sizeof o ? given_size : sizeof o);
    options.size = o.size ? o.size : size_of_type(type);
    if ((rc = check_arguments(type, 0, options.size, n, "")) < 0 ||
        (rc = kith__owned_check_rlock(o.lock.id, o.raw, "an Array")) < 0)
        return (kith_array){ kith__failed_handle(kith__report(rc)) };
    options.raw = o.raw != 0;
    options.rlock = o.lock.id;
    return (kith_array){ kith__open(KITH__ARRAY_KIND, o.name, &options, sizeof options, "kith_array_open") };
}

kith_array kith_array_open(int type, size_t n)
{
    return kith_array_open_with(type, n, NULL, 0);
}

kith_array kith__array_of(int type, const void *x, size_t n)
{
    kith_array a = kith_array_open(type, n);

    if (kith__handle_code(a.id) == 0)
        kith_array_store(a, type, 0, x, n);
    return a;
}

int kith__array_load(kith_array a, int type, size_t at, void *y, size_t size, size_t n)
{
    uint64_t count = n;
    struct kith__args in = { .number = packed(type, at, size), .bytes = &count, .size = sizeof count };
    struct kith__result out = { .buf = y, .room = n * size };
    int64_t rc = check_arguments(type, at, size, n, y);

    if (rc == 0 && load_here(a, type, at, y, size, n))
        return 0;
    if (rc == 0)
        rc = kith__invoke(a.id, KITH__ARRAY_KIND, LOAD, &in, &out, KITH_FOREVER);
    return kith__report(rc < 0 ? (int)rc : 0);
}

int kith__array_store(kith_array a, int type, size_t at, const void *x, size_t size, size_t n)
{
    struct kith__args in = { .number = packed(type, at, size), .bytes = x, .size = n * size };
    struct kith__result out = { 0 };
    int64_t rc = check_arguments(type, at, size, n, x);

    if (rc == 0 && store_here(a, type, at, x, size, n))
        return 0;
    if (rc == 0)
        rc = kith__invoke(a.id, KITH__ARRAY_KIND, STORE, &in, &out, KITH_FOREVER);
    return kith__report((int)rc);
}

int kith_array_load(kith_array a, int type, size_t at, void *y, size_t n)
{
    return kith__array_load(a, type, at, y, size_of_type(type), n);
}

int kith_array_store(kith_array a, int type, size_t at, const void *x, size_t n)
{
    return kith__array_store(a, type, at, x, size_of_type(type), n);
}

int kith_array_load_structs(kith_array a, size_t at, void *y, size_t size, size_t n)
{
    return kith__array_load(a, KITH__BYTES_LETTER, at, y, size, n);
}

int kith_array_store_structs(kith_array a, size_t at, const void *x, size_t size, size_t n)
{
    return kith__array_store(a, KITH__BYTES_LETTER, at, x, size, n);
}

int kith_array_update(kith_array a, int type, size_t at, int op, const void *x, void *old)
{
    char nobody_wants[KITH__NUMBER_MOST];
    struct kith__args in = { .number = packed(type, at, (uint64_t)op),
                             .bytes = x,
                             .size = size_of_type(type) };
    struct kith__result out = { .buf = old ? old : nobody_wants, .room = in.size };
    int64_t rc = check_arguments(type, at, size_of_type(type), 1, x);

    if (rc == 0 && (op < 0 || op > 255))
        rc = kith__fail(KITH_EINVAL, "%d is no enum kith_op", op);
    if (rc == 0 && update_here(a, type, at, op, x, out.buf))
        return 0;
    if (rc == 0)
        rc = kith__invoke(a.id, KITH__ARRAY_KIND, UPDATE, &in, &out, KITH_FOREVER);
    return kith__report(rc < 0 ? (int)rc : 0);
}

int kith_array_compare_exchange(kith_array a, int type, size_t at, void *expected, const void *x)
{
    char both[2 * KITH__NUMBER_MOST];
    size_t size = size_of_type(type);
    struct kith__args in = { .number = packed(type, at, 0), .bytes = both, .size = 2 * size };
    struct kith__result out = { .buf = expected, .room = size };
    int64_t rc = check_arguments(type, at, size, 1, expected ? x : NULL);
    int done;

    if (rc < 0)
        return kith__report((int)rc);
    if ((done = compare_here(a, type, at, expected, x)) >= 0)
        return done;
    memcpy(both, expected, size);
    memcpy(both + size, x, size);
    rc = kith__invoke(a.id, KITH__ARRAY_KIND, COMPARE, &in, &out, KITH_FOREVER);
    return rc < 0 ? kith__report((int)rc) : rc == 0;
}

int64_t kith_array_length(kith_array a)
{
    return kith__report64(kith__ask(a.id, KITH__ARRAY_KIND, LENGTH, 0));
}

/* Also where everything else goes through the agent. */
void *kith_array_here(kith_array a)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    struct kith__caller nobody = { 0 };
    int64_t rc = kith__handle_usable(a.id, "Array");

    if (rc == 0 && kith__handle_home(a.id) != kith__shared->node) {
        kith__fail(KITH_EPEER, "the Array is on node %u, and this is node %u: load it from there",
                   kith__handle_home(a.id), kith__shared->node);
        return NULL; /* that is no fault */
    }
    if (rc == 0)
        rc = kith__remote_settle();
    if (rc == 0)
        rc = kith__attempt(a.id, KITH__ARRAY_KIND, HERE, &nobody, &in, &out);
    return kith__report64(rc) <= 0 ? NULL : kith__at((uint64_t)rc);
}

int kith_array_lock(kith_array a, int timeout_ms)
{
    return kith__owned_lock(a.id, KITH__ARRAY_KIND, LOCK, timeout_ms);
}

int kith_array_unlock(kith_array a)
{
    return kith__owned_unlock(a.id, KITH__ARRAY_KIND, UNLOCK);
}

int kith_array_close(kith_array a)
{
    return kith__close(a.id, KITH__ARRAY_KIND);
}

/* What the macros of kith.h call, by the type of their argument. */
#define FOR_NUMBERS(letter, T)                                                    \
    int kith__array_store_##letter(kith_array a, size_t at, T x)                  \
    {                                                                             \
        return kith_array_store(a, (#letter)[0], at, &x, 1);                      \
    }                                                                             \
    int kith__array_update_##letter(kith_array a, size_t at, int op, T x, T *old) \
    {                                                                             \
        return kith_array_update(a, (#letter)[0], at, op, &x, old);               \
    }                                                                             \
    int kith__array_compare_##letter(kith_array a, size_t at, T *expected, T x)   \
    {                                                                             \
        return kith_array_compare_exchange(a, (#letter)[0], at, expected, &x);    \
    }
KITH__NUMBERS(FOR_NUMBERS)
