/* named.c: shared memory by name: an object that nobody has a handle of, and that kith_free closes. See
 * class.h and kith.h. */
#include "config.h"
#include "base/error.h"
#include "object/class.h"
#include "object/memory.h"

#include <string.h>

struct named {
    uint64_t size;
    kith__word block;
};

_Static_assert(KITH__BODY_FITS(struct named, 0), "it is the body of an object");

static struct named *named_of(struct kith__object *o)
{
    return (struct named *)(void *)&o->body;
}

static int64_t here(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)atomic_load(&named_of(o)->block);
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct named *n = named_of(o);

    memcpy(&n->size, options, size < sizeof n->size ? size : sizeof n->size);
    return kith__object_memory(o, &n->block, n->size);
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    uint64_t wanted = 0;

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    if (named_of(o)->size == wanted)
        return 0;
    return kith__fail(KITH_EINVAL, "the memory \"%s\" was allocated with %llu bytes, not %llu", o->name,
                      (unsigned long long)named_of(o)->size, (unsigned long long)wanted);
}

static void destroy(struct kith__object *o)
{
    kith__object_memory_free(o, &named_of(o)->block);
}

enum { HERE = KITH__FIRST_METHOD };

static const struct kith__method methods[] = {
    [HERE] = { "here", here, -1, KITH__LOOKS },
};

static int64_t here_of(uint64_t id)
{
    struct kith__caller nobody = { 0 };
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    return kith__attempt(id, KITH__NAMED_KIND, HERE, &nobody, &in, &out);
}

/* It ends with its memory. Whose it is may have changed since id was looked up. */
static int freed(uint64_t id, const void *p)
{
    return here_of(id) == (int64_t)kith__offset(p) ? kith__close_here(id, KITH__NAMED_KIND, 0) : KITH__GONE;
}

const struct kith__class kith__named_class = {
    .noun = "block of memory",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .make = make,
    .same = same,
    .destroy = destroy,
    .freed = freed,
};

void *kith_alloc_named(const char *name, size_t size)
{
    uint64_t wanted = size, id;
    int64_t rc;

    do {
        id = kith__open_here(KITH__NAMED_KIND, name ? name : "", &wanted, sizeof wanted, "kith_alloc_named");
        if (kith__handle_code(id) < 0)
            return NULL; /* reported */
        rc = here_of(id);
    } while (rc == KITH_ESTALE); /* somebody has freed it meanwhile */
    return kith__report64(rc) <= 0 ? NULL : kith__at((uint64_t)rc);
}
