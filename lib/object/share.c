/* share.c: large constant data, of which each node that uses it has one copy; see class.h and kith.h.
 *
 * What is shared is an object at its home, and each other node that uses it has an object of this class, too,
 * with a copy. The first process of a node that asks for the data fetches it, and the others of the node
 * wait.
 *
 * A node reads from the one that came before it, the first one from the home: so the home sends the data
 * once, and a node passes on what it has while the rest is still on its way to it. The home knows the chain:
 * a node joins at its end, and is told from whom to read. When that one is lost, or nobody there fetches any
 * more, it asks again, and is told the one before.
 *
 * Until a copy is whole its memory belongs to the process that fetches: who closes the copy meanwhile frees
 * nothing under it, and when it dies its janitor takes the memory back, after .died has told the object.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/memory.h"
#include "object/pin.h"
#include "object/share.h"
#include "rpc/agent_control.h"
#include "shm/heap.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { COME, ALL, SIDES }; /* waiters for the next bytes; for all of them, or for who fetched to be gone */

/* Two pieces are on their way at a time, so the line does not rest while one is copied. A piece takes much
 * longer than a round trip, and all takes much longer than a piece: the last node of a chain is behind the
 * first one by a piece for each node. */
uint64_t kith__share_piece = UINT64_C(2) << 20;
int kith__share_readers = 2;

enum { CACHED = 256, READERS = 2 };

struct options {
    uint64_t of;          /* what it is a copy of; 0: it is what is shared */
    uint64_t block, size; /* of what is shared: a block of this process */
};

struct share {
    uint64_t of;
    kith__word size, block; /* block 0: there is no memory for it yet */
    kith__word have, whole; /* so many bytes from the first on have come; 1: all */
    kith__word puller;      /* the process that fetches; 0: nobody */
    kith__word chain;       /* struct stage[nodes]; 0: there is one node */
    kith__word last;        /* who joined last: node + 1 */
    kith__word ended;       /* nobody joins any more */
};

struct stage {
    kith__word copy;   /* of that node; 0: it has not joined */
    kith__word before; /* from whom it reads: node + 1; 0: the home */
};

struct extent {
    uint64_t block, size;
};

struct joined {
    uint64_t from, size; /* from: the object to read from */
};

_Static_assert(KITH__BODY_FITS(struct share, SIDES), "it is the body of an object");
_Static_assert(sizeof(struct options) <= KITH__OPTIONS, "they travel as such");
_Static_assert(sizeof(struct extent) <= KITH__FEW && sizeof(struct joined) <= KITH__FEW,
               "nobody needs a block for it");

static uint64_t piece_at(uint64_t size, uint64_t at)
{
    return size - at < kith__share_piece ? size - at : kith__share_piece;
}

static struct share *share_of(struct kith__object *o)
{
    return (struct share *)(void *)&o->body;
}

/* ---------------------------------------------------------------------------- methods */

/* Where it is; 0: not all of it has come. */
static int64_t here(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    const struct share *s = share_of(o);
    const struct extent p = { atomic_load(&s->block), atomic_load(&s->size) };

    (void)who;
    (void)in;
    if (!atomic_load(&s->whole))
        return 0;
    kith__give_few(out, &p, sizeof p);
    return sizeof p;
}

static int64_t size_of(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)atomic_load(&share_of(o)->size);
}

/* 0: all of it is there; 1: the caller is to fetch it. */
static int64_t fetch(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    struct share *s = share_of(o);

    (void)in;
    (void)out;
    if (atomic_load(&s->whole))
        return 0;
    if (who->node != kith__shared->node)
        return kith__fail(KITH_EINVAL, "node %u wants to fetch for node %u", who->node, kith__shared->node);
    if (atomic_load(&s->puller))
        return KITH__PARKED;
    kith__guard_set(&o->guard, &s->puller, kith__holder(who));
    kith__guard_commit(&o->guard);
    return 1;
}

static int check_puller(struct kith__object *o, const struct kith__caller *who)
{
    const uint64_t puller = atomic_load(&share_of(o)->puller);

    if (puller && puller == kith__holder(who))
        return 0;
    return kith__fail(KITH_EINVAL, "a process that does not fetch the data has sent some");
}

/* There is memory for it: number, a block of the process that fetches; the bytes: the size. */
static int64_t start(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    struct share *s = share_of(o);
    uint64_t size = 0;
    int rc = check_puller(o, who);

    (void)out;
    if (rc < 0)
        return rc;
    if (in->size != sizeof size || kith__heap_owner_now(in->number) != kith__me)
        return kith__fail(KITH_EINVAL, "the memory for what is shared is not the caller's");
    memcpy(&size, in->bytes, sizeof size);
    kith__guard_set(&o->guard, &s->size, size);
    kith__guard_set(&o->guard, &s->block, in->number);
    kith__guard_commit(&o->guard);
    return 0;
}

/* So many bytes have come. */
static int64_t progress(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                        struct kith__result *out)
{
    struct share *s = share_of(o);
    int rc = check_puller(o, who);

    if (rc < 0)
        return rc;
    if (in->number > atomic_load(&s->size))
        return kith__fail(KITH_EINVAL, "more has come than is shared");
    kith__guard_set(&o->guard, &s->have, in->number);
    kith__guard_commit(&o->guard);
    kith__tell_all(out, COME);
    return 0;
}

/* All have: the memory is the object's. */
static int64_t finish(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    struct share *s = share_of(o);
    int rc = check_puller(o, who);

    (void)in;
    if (rc < 0)
        return rc;
    if (atomic_load(&s->block) == 0)
        return kith__fail(KITH_EINVAL, "there is no memory for what is shared");
    kith__guard_set(&o->guard, &s->have, atomic_load(&s->size));
    kith__guard_set(&o->guard, &s->whole, 1);
    kith__guard_set(&o->guard, &s->puller, 0);
    kith__object_memory_adopt(o, &s->block, atomic_load(&s->block));
    kith__guard_commit(&o->guard);
    kith__tell_all(out, COME);
    kith__tell_all(out, ALL);
    return 0;
}

/* Whoever fetched does so no longer, and takes the memory along. */
static void let_go(struct kith__object *o, struct kith__result *out)
{
    struct share *s = share_of(o);

    kith__guard_set(&o->guard, &s->block, 0);
    kith__guard_set(&o->guard, &s->have, 0);
    kith__guard_set(&o->guard, &s->puller, 0);
    kith__guard_commit(&o->guard);
    kith__tell_all(out, COME);
    kith__tell_all(out, ALL);
}

static int64_t stop(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    int rc = check_puller(o, who);

    (void)in;
    if (rc == 0)
        let_go(o, out);
    return rc;
}

/* The piece that begins at number. KITH_EPEER: it will not come here. */
static int64_t read_piece(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                          struct kith__result *out)
{
    const struct share *s = share_of(o);
    uint64_t at = in->number, block = atomic_load(&s->block), size = atomic_load(&s->size), n;

    (void)who;
    if (!atomic_load(&s->whole) && !atomic_load(&s->puller))
        return kith__fail(KITH_EPEER, "nobody on node %u fetches what is shared any more",
                          kith__shared->node);
    if (block == 0)
        return KITH__PARKED;
    if (at >= size)
        return kith__fail(KITH_EINVAL, "bytes from %llu on were requested of %llu that are shared",
                          (unsigned long long)at, (unsigned long long)size);
    n = piece_at(size, at);
    if (atomic_load(&s->have) < at + n)
        return KITH__PARKED;
    if (kith__give_bytes(out, (const char *)kith__at(block) + at, n) < 0)
        return KITH_ENOMEM;
    if (out->block)
        out->flags =
            KITH__GIVEN | KITH__MARK; /* to be freed, and nothing else, whether it has arrived or not */
    return (int64_t)n;
}

/* Who has never met a node that is lost to all others would wait for it for half a minute. */
static uint64_t skip_lost(const struct stage *chain, uint64_t before)
{
    while (before != 0 && kith__agent_has_lost((int)before - 1))
        before = atomic_load(&chain[before - 1].before);
    return before;
}

/* In the guard: node k is in the chain with that copy. lost: from whom it cannot read; 0: nobody. */
static uint64_t put_into_chain(struct kith__object *o, uint32_t k, uint64_t copy, uint64_t lost)
{
    struct share *s = share_of(o);
    struct stage *chain = kith__at(atomic_load(&s->chain));
    uint64_t before = atomic_load(&chain[k].before);

    if (atomic_load(&chain[k].copy) == 0) {
        before = atomic_load(&s->last);
        kith__guard_set(&o->guard, &s->last, k + 1);
    } else if (before != 0 && lost != 0 && atomic_load(&chain[before - 1].copy) == lost)
        before = atomic_load(&chain[before - 1].before);
    before = skip_lost(chain, before);
    kith__guard_set(&o->guard, &chain[k].copy, copy);
    kith__guard_set(&o->guard, &chain[k].before, before);
    return before;
}

/* number: the copy of the caller's node, which is to be filled; the bytes: from whom it cannot read. */
static int64_t join(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct share *s = share_of(o);
    struct joined j = { kith__object_id(o), atomic_load(&s->size) };
    uint64_t lost = 0, before;

    if (s->of || !atomic_load(&s->chain) || kith__handle_home(in->number) != who->node ||
        who->node >= kith__shared->nodes || in->number == 0 || in->size != sizeof lost)
        return kith__fail(KITH_EINVAL, "node %u cannot have a copy of what is shared", who->node);
    if (atomic_load(&s->ended))
        return kith__fail(KITH_ESTALE, "the shared data was closed");
    memcpy(&lost, in->bytes, sizeof lost);
    if ((before = put_into_chain(o, who->node, in->number, lost)) != 0)
        j.from = atomic_load(&((struct stage *)kith__at(atomic_load(&s->chain)))[before - 1].copy);
    kith__guard_commit(&o->guard);
    kith__give_few(out, &j, sizeof j);
    return sizeof j;
}

/* It is about to be closed: nobody joins from here on. The copy of node number; 0: it has none, or is lost.
 */
static int64_t copy_of(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    struct share *s = share_of(o);
    const struct stage *chain = kith__at(atomic_load(&s->chain));

    (void)who;
    (void)out;
    if (!atomic_load(&s->chain) || in->number >= kith__shared->nodes)
        return 0;
    if (!atomic_load(&s->ended)) {
        kith__guard_set(&o->guard, &s->ended, 1);
        kith__guard_commit(&o->guard);
    }
    return kith__agent_has_lost((int)in->number) ? 0 : (int64_t)atomic_load(&chain[in->number].copy);
}

/* --------------------------------------------------------------------------- hooks */

/* A copy has a name, by which the processes of its node find it. */
static int make(struct kith__object *o, const void *options, size_t size)
{
    struct share *s = share_of(o);
    struct options p = { 0 };

    memcpy(&p, options, size < sizeof p ? size : sizeof p);
    s->of = p.of;
    if (p.of)
        return 0;
    if (o->name[0] || kith__heap_owner_now(p.block) != kith__me)
        return kith__fail(KITH_EINVAL, "what is shared was requested from another node");
    if ((kith__shared->nodes > 1 || kith__shared->through_net) &&
        kith__object_memory(o, &s->chain, kith__shared->nodes * sizeof(struct stage)) < 0)
        return KITH_ENOMEM;
    atomic_store(&s->size, p.size);
    atomic_store(&s->have, p.size);
    atomic_store(&s->whole, 1);
    kith__object_memory_adopt(o, &s->block, p.block);
    return 0;
}

/* A copy that is not whole has no memory of its own. */
static void destroy(struct kith__object *o)
{
    struct share *s = share_of(o);

    if (atomic_load(&s->whole))
        kith__object_memory_free(o, &s->block);
    kith__object_memory_free(o, &s->chain);
}

static void died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    uint64_t puller = atomic_load(&share_of(o)->puller);

    if (puller && kith__is_same(puller, who))
        let_go(o, out);
}

/* A piece that nobody took. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    (void)o;
    (void)who;
    (void)given;
    return 0;
}

enum { HERE = KITH__FIRST_METHOD, SIZE, FETCH, START, PROGRESS, FINISH, STOP, READ, JOIN, COPY };

_Static_assert((int)JOIN == (int)KITH__SHARE_JOIN, "tests know it");

static int freed(uint64_t id, const void *p)
{
    (void)id;
    return kith__fail(
        KITH_EINVAL, "kith_free was given %p, which was passed to kith_share: kith_shared_close frees it", p);
}

static const struct kith__method methods[] = {
    [HERE] = { "here", here, -1, KITH__LOOKS },
    [SIZE] = { "size", size_of, -1, KITH__LOOKS },
    [FETCH] = { "fetch", fetch, ALL, KITH__HOLDS | KITH__TAKES },
    [START] = { "start", start, -1, 0 },
    [PROGRESS] = { "progress", progress, -1, 0 },
    [FINISH] = { "finish", finish, -1, 0 },
    [STOP] = { "stop", stop, -1, 0 },
    [READ] = { "read", read_piece, COME, KITH__GIVES | KITH__EACH },
    [JOIN] = { "join", join, -1, KITH__TAKES },
    [COPY] = { "copy", copy_of, -1, KITH__LOOKS },
};

const struct kith__class kith__share_class = {
    .noun = "block of shared data",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .unheard = KITH__HOLDS_UNITS, /* copies that it fetched into memory of its own: nobody may read them when
                                     that is taken back */
    .make = make,
    .same = kith__all_are_same,
    .destroy = destroy,
    .undo = undo,
    .died = died,
    .freed = freed,
};

/* A method of an object at home here, also where everything else goes through the agent. */
static int64_t attempt(uint64_t id, unsigned method, struct kith__args *in, void *buf)
{
    struct kith__caller who = kith__caller_here();
    struct kith__result out = { .buf = buf };

    return kith__attempt(id, KITH__SHARE_KIND, method, &who, in, &out);
}

/* --------------------------------------------------------------- fetching it to this node */

struct pull {
    uint64_t id, copy, size; /* copy: of this node */
    uint64_t block;
    struct reader {
        struct pull *pull;
        uint64_t at; /* of the piece that it reads; UINT64_MAX: none */
    } readers[READERS];

    pthread_mutex_t mutex; /* of what follows: two threads read */
    uint64_t from;         /* the object that is read */
    uint64_t next;         /* the next piece to be read */
    uint64_t told;         /* so many bytes from the first on have come */
    int64_t rc;            /* KITH__GONE: the copy was closed */
    char why[256];
};

static void fail(struct pull *p, int64_t rc)
{
    if (p->rc < 0)
        return;
    p->rc = rc;
    snprintf(p->why, sizeof p->why, "%s", kith_last_error());
}

/* 0, or a code; KITH__GONE. */
static int64_t tell_copy(const struct pull *p, unsigned method, uint64_t number)
{
    struct kith__args in = { .number = number, .bytes = &p->size, .size = sizeof p->size };
    int64_t rc = attempt(p->copy, method, &in, NULL);

    return rc == KITH_ESTALE ? KITH__GONE : rc;
}

/* Asks the home from whom to read. lost: not from that one. */
static int64_t ask_home(struct pull *p, uint64_t lost)
{
    struct kith__args in = { .number = p->copy, .bytes = &lost, .size = sizeof lost };
    struct joined j = { 0 };
    struct kith__result out = { .buf = &j, .room = sizeof j };
    int64_t rc = kith__invoke(p->id, KITH__SHARE_KIND, JOIN, &in, &out, KITH_FOREVER);

    if (rc < 0)
        return rc;
    if (p->from == 0)
        p->size = j.size; /* the other thread may read it later */
    else if (j.size != p->size)
        return kith__fail(KITH_EPEER, "what is shared has changed its size");
    p->from = j.from;
    return 0;
}

/* *from has failed with rc. 0: *from is another one. */
static int64_t read_elsewhere(struct pull *p, uint64_t *from, int64_t rc)
{
    pthread_mutex_lock(&p->mutex);
    if (p->from != *from)
        rc = 0; /* the other thread has asked */
    else if (p->rc == 0 && *from != p->id && (rc == KITH_EPEER || rc == KITH_ESTALE || rc == KITH_ENOMEM) &&
             (rc = ask_home(p, *from)) == 0 && p->from == *from)
        rc = kith__fail(KITH_EPEER, "node %u cannot be read from, and there is nobody else",
                        kith__handle_home(*from));
    *from = p->from;
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

static int64_t read_from(const struct pull *p, uint64_t from, uint64_t at)
{
    uint64_t n = piece_at(p->size, at);
    struct kith__args in = { .number = at };
    struct kith__result out = { .buf = (char *)kith__at(p->block) + at, .room = n };
    int64_t rc;

    kith__arena_meet(p->block + at, n);
    rc = kith__invoke(from, KITH__SHARE_KIND, READ, &in, &out, KITH_FOREVER);
    if (rc < 0 || (uint64_t)rc == n)
        return rc < 0 ? rc : 0;
    return kith__fail(KITH_EPEER, "node %u has sent a piece of another size", kith__handle_home(from));
}

/* 1: r has a piece to read. */
static int claim(struct reader *r, uint64_t *from)
{
    struct pull *p = r->pull;

    pthread_mutex_lock(&p->mutex);
    if (p->rc == 0 && p->next < p->size) {
        r->at = p->next;
        p->next += piece_at(p->size, p->next);
    }
    *from = p->from;
    pthread_mutex_unlock(&p->mutex);
    return r->at != UINT64_MAX;
}

/* The piece of r has come, or will not: all is there before the first one that somebody still reads. */
static void settle(struct reader *r, int64_t rc)
{
    struct pull *p = r->pull;
    uint64_t have;

    pthread_mutex_lock(&p->mutex);
    if (rc < 0)
        fail(p, rc);
    else
        r->at = UINT64_MAX;
    have = p->next;
    for (int i = 0; i < READERS; i++)
        have = p->readers[i].at < have ? p->readers[i].at : have;
    if (have > p->told && (rc = tell_copy(p, PROGRESS, have)) < 0)
        fail(p, rc);
    p->told = have;
    pthread_mutex_unlock(&p->mutex);
}

static void *read_pieces(void *arg)
{
    struct reader *r = arg;
    uint64_t from;

    while (claim(r, &from)) {
        int64_t rc = read_from(r->pull, from, r->at);

        while (rc < 0 && (rc = read_elsewhere(r->pull, &from, rc)) == 0)
            rc = read_from(r->pull, from, r->at);
        settle(r, rc);
        if (rc < 0)
            break;
    }
    return NULL;
}

/* 1: a second thread reads, too. */
static int begin_helper(struct pull *p, struct kith__thread *thread)
{
    return p->size > kith__share_piece && kith__share_readers > 1 &&
           kith__thread_begin(thread, read_pieces, &p->readers[1]) == 0;
}

static int64_t begin(struct pull *p)
{
    struct kith__args nothing = { 0 };
    int64_t rc = ask_home(p, 0);

    if (rc < 0) {
        fail(p, rc);
        if (rc == KITH_ESTALE || rc == KITH_EPEER)
            attempt(p->copy, KITH__CLOSE, &nothing, NULL); /* there will be nothing to have a copy of */
        return rc;
    }
    if ((p->block = kith__heap_alloc_lasting(p->size, kith__me)) == 0)
        rc = KITH_ENOMEM;
    else
        rc = tell_copy(p, START, p->block);
    if (rc < 0)
        fail(p, rc);
    return rc;
}

/* This process fetches it. 0; a code; KITH__GONE: the copy was closed meanwhile. */
static int64_t pull(uint64_t id, uint64_t copy)
{
    struct pull p = { .id = id, .copy = copy, .mutex = PTHREAD_MUTEX_INITIALIZER };
    struct kith__thread helper;
    int64_t rc;

    for (int i = 0; i < READERS; i++)
        p.readers[i] = (struct reader){ &p, UINT64_MAX };
    if (begin(&p) == 0) {
        int helps = begin_helper(&p, &helper);

        read_pieces(&p.readers[0]);
        if (helps)
            kith__thread_join(&helper);
        kith__failpoint("share: all has come");
        if (p.rc == 0 && (rc = tell_copy(&p, FINISH, 0)) < 0)
            fail(&p, rc);
    }
    if (p.rc < 0) {
        tell_copy(&p, STOP, 0);
        kith__heap_free(p.block);
    }
    return p.rc < 0 && p.rc != KITH__GONE ? kith__fail((int)p.rc, "%s", p.why) : p.rc;
}

/* ------------------------------------------------------------------- finding it on this node */

/* The copies that this process has seen, by what they are copies of. */
static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct seen {
    uint64_t id, copy;
} cache[CACHED];

static struct seen *cached(uint64_t id)
{
    return &cache[(id >> 48 ^ id >> 32) % CACHED];
}

static uint64_t seen_copy(uint64_t id)
{
    uint64_t copy;

    if (!kith__base)
        return 0;
    pthread_mutex_lock(&cache_mutex);
    copy = cached(id)->id == id ? cached(id)->copy : 0;
    pthread_mutex_unlock(&cache_mutex);
    return copy && kith__handle_home(copy) == kith__shared->node ? copy : 0; /* a test may be many nodes */
}

static void see_copy(uint64_t id, uint64_t copy)
{
    pthread_mutex_lock(&cache_mutex);
    *cached(id) = (struct seen){ id, copy };
    pthread_mutex_unlock(&cache_mutex);
}

/* The object of this node for what is shared as id. */
static int64_t object_here(uint64_t id)
{
    char bytes[KITH__NAME + sizeof(struct options)] = { 0 };
    const struct options copy = { .of = id };
    struct kith__args in = { .bytes = bytes, .size = sizeof bytes };
    int64_t rc;

    if (!kith__is_remote(id))
        return (int64_t)id;
    if ((rc = (int64_t)seen_copy(id)) != 0)
        return rc;
    snprintf(bytes, KITH__NAME, "of %016llx", (unsigned long long)id);
    memcpy(bytes + KITH__NAME, &copy, sizeof copy);
    if ((rc = attempt(0, KITH__OPEN, &in, NULL)) > 0)
        see_copy(id, (uint64_t)rc);
    return rc;
}

/* Waits until it is there, or fetches it. */
static int64_t bring(uint64_t id, uint64_t copy)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    int64_t rc;

    /* Its janitor tells the object before it takes the memory back, also where the agent would tell it later.
     */
    kith__will_hold(KITH__HOLDS_UNITS);
    rc = kith__invoke(copy, KITH__SHARE_KIND, FETCH, &in, &out, KITH_FOREVER);
    if (rc == KITH_ESTALE)
        return KITH__GONE;
    return rc > 0 ? pull(id, copy) : rc;
}

/* The short way: 1: all of it is in that object of this node. */
static int is_at_hand(uint64_t object, struct extent *p)
{
    struct kith__pin pin;
    int whole;

    if (!kith__pin(&pin, object, KITH__SHARE_KIND))
        return 0;
    if ((whole = atomic_load(&share_of(pin.o)->whole) != 0))
        *p = (struct extent){ atomic_load(&share_of(pin.o)->block), atomic_load(&share_of(pin.o)->size) };
    kith__unpin(&pin);
    return whole;
}

static int is_here(uint64_t id, struct extent *p)
{
    uint64_t copy;

    return is_at_hand(id, p) || ((copy = seen_copy(id)) != 0 && is_at_hand(copy, p));
}

/* 0 and *p: it is there. A copy is closed when what is shared is, or when that was closed before it came. */
static int64_t find(uint64_t id, struct extent *p)
{
    int64_t rc;

    if (is_here(id, p))
        return 0;
    if ((rc = kith__handle_usable(id, kith__share_class.noun)) < 0 || (rc = kith__remote_settle()) < 0)
        return rc;
    for (;;) {
        struct kith__args in = { 0 };
        int64_t object = object_here(id);

        if (object < 0)
            return object;
        if ((rc = attempt((uint64_t)object, HERE, &in, p)) > 0)
            return 0;
        if (rc == KITH_ESTALE && (uint64_t)object != id)
            rc = KITH__GONE;
        else if (rc == 0)
            rc = bring(id, (uint64_t)object);
        if (rc == KITH__GONE)
            see_copy(id, 0);
        else if (rc < 0)
            return rc;
    }
}

/* ----------------------------------------------------------------------- public functions */

/* A block of this process with the bytes: theirs, or a copy. 0; a code. */
static int take(const void *ptr, size_t size, struct options *p, int *is_copy)
{
    p->size = size;
    *is_copy = 0;
    if ((p->block = kith__memory_claim(ptr)) != 0) {
        if (kith__heap_size_of(p->block) >= size)
            return 0;
        kith__heap_pass(p->block, kith__me, 0);
        return kith__fail(KITH_EINVAL, "kith_share was given %zu bytes of a block of %zu", size,
                          kith__heap_size_of(p->block));
    }
    *is_copy = 1;
    if ((p->block = kith__heap_alloc_lasting(size, kith__me)) == 0)
        return KITH_ENOMEM;
    if (size > 0)
        memcpy(kith__at(p->block), ptr, size);
    return 0;
}

kith_shared kith_share(const void *ptr, size_t size)
{
    struct options p = { 0 };
    int is_copy, rc;
    uint64_t id;

    if (!kith__base || kith__me == 0)
        rc = kith__not_in_job("kith_share was called");
    else if (!ptr)
        rc = kith__fail(KITH_EINVAL, "kith_share was given NULL");
    else
        rc = take(ptr, size, &p, &is_copy);
    if (rc < 0)
        return (kith_shared){ kith__failed_handle(kith__report(rc)) };
    kith__failpoint("share: taken");
    id = kith__open(KITH__SHARE_KIND, NULL, &p, sizeof p, "kith_share");
    if (kith__handle_code(id) < 0 && is_copy)
        kith__heap_free(p.block);
    else if (kith__handle_code(id) < 0)
        kith__heap_pass(p.block, kith__me, 0);
    return (kith_shared){ id };
}

const void *kith_shared_data(kith_shared s)
{
    struct extent p;

    return kith__report64(find(s.id, &p)) < 0 ? NULL : kith__at(p.block);
}

/* When the home is lost a copy tells it, which has come or still may. */
int64_t kith_shared_size(kith_shared s)
{
    struct extent p;
    int64_t rc;

    if (is_here(s.id, &p))
        return (int64_t)p.size;
    rc = kith__ask(s.id, KITH__SHARE_KIND, SIZE, 0);
    if (rc == KITH_EPEER && (rc = find(s.id, &p)) == 0)
        return (int64_t)p.size;
    return kith__report64(rc);
}

static void close_copy(uint64_t copy)
{
    struct kith__caller who = kith__caller_here();
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    if (kith__is_remote(copy))
        kith__remote_call(kith__handle_home(copy), KITH__SHARE_KIND << 8 | KITH__CLOSE, copy, &who, &in, &out,
                          KITH_FOREVER);
    else
        attempt(copy, KITH__CLOSE, &in, NULL);
}

/* First the copies: whoever dies in between can be followed by another. When the home is lost, nobody knows
 * them all: that of this node is closed, and the others end with the job. */
static void close_copies(uint64_t id)
{
    int64_t copy = 0;

    for (uint32_t k = 0; k < kith__shared->nodes && copy >= 0; k++)
        if ((copy = kith__ask(id, KITH__SHARE_KIND, COPY, k)) > 0)
            close_copy((uint64_t)copy);
    if (copy == KITH_EPEER && (copy = object_here(id)) > 0)
        close_copy((uint64_t)copy);
}

int kith_shared_close(kith_shared s)
{
    if (kith__handle_usable(s.id, kith__share_class.noun) == 0)
        close_copies(s.id);
    return kith__close(s.id, KITH__SHARE_KIND);
}
