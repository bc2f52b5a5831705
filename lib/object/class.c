/* class.c: see class.h. */
#include "config.h"
#include "object/class.h"
#include "object/memory.h"
#include "base/error.h"
#include "shm/heap.h"
#include "base/system.h"
#include "object/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t poll_ns = 100000, overdue_ns = 900 * KITH__MS; /* a sleep ends after a second */

_Static_assert(KITH__SIDES <= 8 * sizeof((struct kith__result *)0)->wake_one, "a bit for each side");

/* The common ones are not tried on an object that is alive: see kith__attempt. */
static const struct kith__method common[KITH__FIRST_METHOD] = {
    [KITH__CLOSE] = { "close", NULL, -1, 0 },
    [KITH__OPEN] = { "open", NULL, -1, KITH__NO_OBJECT },
};

const struct kith__method *kith__method(unsigned kind, unsigned method)
{
    const struct kith__class *c = kind > KITH__NOTHING && kind < KITH__KINDS ? kith__classes[kind] : NULL;

    if (!c)
        return NULL;
    if (method < KITH__FIRST_METHOD)
        return &common[method];
    return method < (unsigned)c->count ? &c->methods[method] : NULL;
}

int kith__give_bytes(struct kith__result *out, const void *bytes, uint64_t size)
{
    out->size = size;
    if (size == 0)
        return 0;
    if (!out->buf && (out->block = kith__heap_alloc(size, kith__me)) == 0)
        return KITH_ENOMEM;
    memcpy(out->buf ? out->buf : kith__at(out->block), bytes, size);
    return 0;
}

void kith__give_few(struct kith__result *out, const void *bytes, size_t size)
{
    out->size = size;
    memcpy(out->buf ? out->buf : out->few, bytes, size);
}

/* --------------------------------------------------------------------------- guards */

/* Enters the second guard of the object behind id, and not the first: those on its two sides do not meet. */
static int enter_second(uint64_t id, unsigned kind, struct kith__object **out)
{
    struct kith__object *o = kith__object_known(id);
    int rc;

    if (!o || !kith__object_is(o, id) || (atomic_load(&o->ident) & 255) != kind) {
        if ((rc = kith__object_enter(id, kind, &o)) < 0) /* for its code */
            return rc;
        kith__object_leave(o);
    }
    kith__guard_enter(&o->second);
    if (!kith__object_is(o, id)) {
        kith__guard_leave(&o->second);
        return kith__fail(KITH_ESTALE, "the %s was closed", kith__classes[kind]->noun);
    }
    *out = o;
    return 0;
}

static inline int enter(uint64_t id, unsigned kind, unsigned flags, struct kith__object **out)
{
    return flags & KITH__SECOND ? enter_second(id, kind, out) : kith__object_enter(id, kind, out);
}

static void wake(struct kith__object *o, unsigned sides, void (*fn)(struct kith__waiters *set))
{
    for (; sides; sides &= sides - 1) {
        struct kith__waiters *set = kith__object_waiters(o, __builtin_ctz(sides));

        if (kith__has_waiters(set))
            fn(set);
    }
}

static void wake_first(struct kith__waiters *set)
{
    kith__wake_one(set);
}

static inline void wake_named(struct kith__object *o, const struct kith__result *out)
{
    if (out->wake_seat)
        kith__wake_seat(&kith__shared->seats[out->wake_seat - 1]);
    wake(o, out->wake_one, wake_first);
    wake(o, out->wake_all, kith__wake_all);
}

static inline void wake_nobody(struct kith__result *out)
{
    out->wake_one = out->wake_all = 0;
    out->wake_seat = 0;
}

/* Leaves the guard, then wakes whom the attempt has named. */
static inline void leave(struct kith__object *o, unsigned flags, const struct kith__result *out)
{
    kith__guard_leave(flags & KITH__SECOND ? &o->second : &o->guard);
    if (!(out->wake_one | out->wake_all | out->wake_seat))
        return;
    kith__fence_behind_guard();
    wake_named(o, out);
}

/* --------------------------------------------------------------------------- attempts */

static __attribute__((noinline)) int64_t try_unguarded(uint64_t id, unsigned kind,
                                                       const struct kith__method *m,
                                                       const struct kith__caller *who, struct kith__args *in,
                                                       struct kith__result *out)
{
    struct kith__object *o = kith__object_known(id);
    int64_t rc;

    in->ident = kith__ident(id, kind);
    wake_nobody(out);
    while ((rc = o ? m->attempt(o, who, in, out) : KITH__GONE) == KITH__GONE) {
        if ((rc = kith__object_enter(id, kind, &o)) < 0) /* for its code */
            return rc;
        kith__object_leave(o);
    }
    wake_named(o, out);
    return rc;
}

static inline int64_t try_method(uint64_t id, unsigned kind, const struct kith__method *m,
                                 const struct kith__caller *who, struct kith__args *in,
                                 struct kith__result *out)
{
    struct kith__object *o;
    int64_t rc;

    if (m->flags & KITH__UNGUARDED)
        return try_unguarded(id, kind, m, who, in, out);
    if ((rc = enter(id, kind, m->flags, &o)) < 0)
        return rc;
    wake_nobody(out);
    rc = m->attempt(o, who, in, out);
    leave(o, m->flags, out);
    return rc;
}

/* 1: it is being taken down, and may be told of what was not taken. */
static int enter_lingering(uint64_t id, unsigned kind, struct kith__object **o)
{
    if (!kith__classes[kind]->lingers || !kith__object_leaves(id, kind))
        return 0;
    *o = kith__object_slot(id);
    kith__guard_enter(&(*o)->guard);
    if (kith__object_leaves(id, kind))
        return 1;
    kith__guard_leave(&(*o)->guard);
    return 0;
}

int kith__undo(uint64_t id, unsigned kind, unsigned method, const struct kith__caller *who,
               struct kith__result *given)
{
    const struct kith__method *m = kith__method(kind, method);
    struct kith__object *o;
    int rc;

    if (enter(id, kind, m->flags, &o) < 0 && !enter_lingering(id, kind, &o))
        return 0;
    wake_nobody(given);
    rc = kith__classes[kind]->undo(o, who, given);
    leave(o, m->flags, given);
    return rc;
}

void kith__left(uint64_t id, unsigned kind, const struct kith__caller *who, uint32_t waiter)
{
    struct kith__object *o = kith__object_slot(id);
    struct kith__result out = { 0 };

    kith__classes[kind]->left(o, who, waiter, &out);
    wake_named(o, &out);
}

int64_t kith__reserve(uint64_t id, unsigned kind, uint32_t most)
{
    const struct kith__class *c = kith__classes[kind];
    struct kith__object *o;
    int64_t rc;

    if (!c->reserve)
        return 0;
    if ((rc = kith__object_enter(id, kind, &o)) < 0)
        return rc;
    rc = c->reserve(o, most);
    kith__object_leave(o);
    return rc;
}

void kith__release(uint64_t id, unsigned kind, uint32_t n)
{
    struct kith__result out = { 0 };
    struct kith__object *o;

    if (n == 0 || kith__object_enter(id, kind, &o) < 0)
        return;
    kith__classes[kind]->release(o, n, &out);
    leave(o, 0, &out);
}

/* The kind of what is being taken down there; 0: nothing, or it needs not know. */
static uint64_t lingering(const struct kith__object *o)
{
    uint64_t kind = atomic_load(&o->leaving);

    return kind < KITH__KINDS && kith__classes[kind] && kith__classes[kind]->lingers ? kind : KITH__NOTHING;
}

static void tell_doubt(struct kith__object *o, void *context)
{
    struct kith__result out = { 0 };
    uint64_t kind;

    kith__guard_enter(&o->guard);
    if ((kind = atomic_load(&o->ident) & 255) < KITH__KINDS && kith__classes[kind] &&
        kith__classes[kind]->doubted)
        kith__classes[kind]->doubted(o, context, &out);
    leave(o, 0, &out);
}

void kith__objects_doubted(const struct kith__caller *who)
{
    struct kith__caller silent = *who;

    for (unsigned kind = 1; kind < KITH__KINDS; kind++)
        if (kith__classes[kind]->doubted)
            kith__objects_each((enum kith__kind)kind, tell_doubt, &silent);
}

/* ------------------------------------------------------------------------ opening, closing */

/* A part of it is closed, and others are not. */
static int leave_part(struct kith__object *o, int rc, const struct kith__result *out)
{
    if (rc == 0)
        kith__guard_commit(&o->guard);
    leave(o, 0, out);
    return rc;
}

int kith__close_here(uint64_t id, unsigned kind, uint64_t part)
{
    struct kith__result out = { 0 };
    struct kith__object *o;
    int rc = kith__object_enter(id, kind, &o);

    if (rc < 0)
        return rc;
    if (kith__classes[kind]->close && (rc = kith__classes[kind]->close(o, part, &out)) <= 0)
        return leave_part(o, rc, &out);
    kith__guard_enter(&o->second);
    kith__object_end(o); /* leaves the object's guard */
    kith__guard_leave(&o->second);
    for (int i = 0; i < kith__classes[kind]->sides; i++)
        kith__wake_all(kith__object_waiters(o, i));
    kith__object_recycle(o);
    return 0;
}

/* Also one that is seen to be unheld for the second time: who saw it first has died. */
void kith__object_died(struct kith__object *o, const struct kith__caller *who)
{
    struct kith__result out = { 0 };
    const struct kith__class *c;
    uint64_t kind, id = 0;
    int ends = 0;

    kith__guard_enter(&o->guard);
    if ((kind = atomic_load(&o->ident) & 255) == KITH__NOTHING)
        kind = lingering(o);
    c = kind < KITH__KINDS ? kith__classes[kind] : NULL;
    if (c && c->died) {
        c->died(o, who, &out);
        id = kith__object_id(o);
        ends = c->is_unheld && c->is_unheld(o);
    }
    leave(o, 0, &out);
    if (ends)
        kith__close_here(id, (unsigned)kind, 0);
}

struct death {
    struct kith__caller who;
    kith__hears_later *later;
    void *context;
};

static void tell_death(struct kith__object *o, void *context)
{
    const struct death *d = context;

    if (!d->later || !d->later(o, d->context))
        kith__object_died(o, &d->who);
}

static void tell_objects(struct death *dead, int all, uint32_t holds)
{
    for (unsigned kind = 1; kind < KITH__KINDS; kind++)
        if (kith__classes[kind]->died && (all || kith__classes[kind]->unheard & holds))
            kith__objects_each(kind, tell_death, dead);
}

void kith__objects_died(const struct kith__caller *who)
{
    tell_objects(&(struct death){ .who = *who }, 1, 0);
}

void kith__objects_died_but(const struct kith__caller *who, kith__hears_later *later, void *context)
{
    tell_objects(&(struct death){ *who, later, context }, 1, 0);
}

void kith__unheard_died(const struct kith__caller *who, uint32_t holds)
{
    tell_objects(&(struct death){ .who = *who }, 0, holds);
}

/* A new one, here. */
static int64_t make(unsigned kind, const char *name, const void *options, size_t size)
{
    struct kith__object *o = kith__object_new();
    int rc;

    if (!o)
        return KITH_ENOMEM;
    snprintf(o->name, sizeof o->name, "%s", name);
    kith__guard_enter(&o->guard);
    if ((rc = kith__classes[kind]->make(o, options, size)) == 0)
        return (int64_t)kith__object_publish(o, kind);
    kith__guard_leave(&o->guard);
    kith__object_abandon(o);
    return rc;
}

struct search {
    const char *name;
    unsigned kind;
    struct kith__object *found;
};

/* Entering its guard ends what somebody has decided there and died: the object may be closed by that. */
static void match(struct kith__object *o, void *context)
{
    struct search *s = context;

    if (strcmp(o->name, s->name) != 0)
        return;
    kith__guard_enter(&o->guard);
    if ((atomic_load(&o->ident) & 255) == s->kind)
        s->found = o;
    kith__guard_leave(&o->guard);
}

static struct kith__object *find(unsigned kind, const char *name)
{
    struct search s = { name, kind, NULL };

    kith__objects_each(kind, match, &s);
    return s.found;
}

static int64_t find_or_make(unsigned kind, const char *name, const void *options, size_t size)
{
    const struct kith__class *c = kith__classes[kind];
    struct kith__object *found;
    int64_t rc;

    kith__guard_enter(&kith__shared->names);
    if ((found = find(kind, name)) != NULL)
        rc = c->same(found, options, size);
    else if (c->sibling && find(c->sibling, name))
        rc = kith__fail(KITH_EINVAL, "the %s \"%s\" was opened with other options", c->noun, name);
    else
        rc = make(kind, name, options, size);
    if (rc == 0)
        rc = (int64_t)kith__object_id(found);
    kith__guard_leave(&kith__shared->names);
    return rc;
}

/* For another node. The bytes: a name of KITH__NAME bytes, then the options. */
static int64_t open_for(unsigned kind, const struct kith__args *in)
{
    const char *name = in->bytes;

    if (in->size < KITH__NAME || !memchr(name, '\0', KITH__NAME) || !kith__classes[kind]->same)
        return kith__fail(KITH_EINVAL, "a %s was requested with an unterminated name",
                          kith__classes[kind]->noun);
    return find_or_make(kind, name, name + KITH__NAME, in->size - KITH__NAME);
}

int64_t kith__attempt(uint64_t id, unsigned kind, unsigned method, const struct kith__caller *who,
                      struct kith__args *in, struct kith__result *out)
{
    const struct kith__method *m = kith__method(kind, method);

    if (!m)
        return kith__fail(KITH_EINVAL, "method %u of class %u is unknown to node %u: two versions of kith?",
                          method, kind, kith__shared->node);
    if (method == KITH__CLOSE)
        return kith__close_here(id, kind, in->number);
    if (method == KITH__OPEN)
        return open_for(kind, in);
    if (m->flags & KITH__NO_OBJECT)
        return m->attempt(NULL, who, in, out);
    return try_method(id, kind, m, who, in, out);
}

/* ------------------------------------------------------------------- what public functions call */

struct kith__caller kith__caller_here(void)
{
    return (struct kith__caller){ kith__shared->node, kith__member(kith__me)->serial, kith__task_id() };
}

void kith__will_hold(uint32_t how)
{
    _Atomic uint32_t *holds = &kith__member(kith__me)->holds;

    if ((atomic_load_explicit(holds, memory_order_relaxed) & how) != how)
        atomic_fetch_or(holds, how);
}

/* Looks again and again, for what nobody announces and is soon there. */
static int64_t poll_for(uint64_t id, unsigned kind, const struct kith__method *m,
                        const struct kith__caller *who, struct kith__args *in, struct kith__result *out,
                        int timeout_ms)
{
    int64_t until = timeout_ms == KITH_FOREVER ? INT64_MAX : kith__now_ns() + timeout_ms * KITH__MS, rc;

    while ((rc = try_method(id, kind, m, who, in, out)) == KITH__PARKED) {
        if (kith__now_ns() >= until)
            return kith__fail(KITH_ETIMEDOUT, "the timeout expired");
        kith__nap(poll_ns);
    }
    return rc;
}

/* Waits until it may be different now. Who has waited for a FAIR one for long says so from then on. */
static int rest(struct kith__wait *w, const struct kith__method *m, struct kith__args *in, int64_t *fair_at)
{
    int64_t begin;
    int rc;

    if (!(m->flags & KITH__FAIR) || !w->seat)
        return kith__wait_sleep(w);
    begin = kith__now_ns();
    if (*fair_at == 0)
        w->look_at = *fair_at = begin + KITH__FAIR_NS;
    if ((rc = kith__wait_sleep(w)) < 0 || kith__now_ns() < *fair_at)
        return rc;
    in->waiter = kith__seat_number(w->seat) + 1;
    if (kith__now_ns() - begin > overdue_ns)
        in->waiter |= KITH__OVERDUE;
    w->look_at = INT64_MAX;
    return 0;
}

/* The other side is often just about to come: some 2 µs are cheaper than to be woken. Each look takes the
 * line from who is at work on the object. Where that is another one who came to take, too (KITH__FAIR), it
 * delays just whom it waits for: two that take one Lock in turn are twice as fast with a quarter of the
 * looks. */
enum { PAUSES = 400, PAUSES_EACH = 4, PAUSES_EACH_FAIR = 16 };

/* Tries until it is not parked, or the time is over. */
static __attribute__((noinline)) int64_t wait_for(uint64_t id, unsigned kind, const struct kith__method *m,
                                                  const struct kith__caller *who, struct kith__args *in,
                                                  struct kith__result *out, int timeout_ms)
{
    struct kith__wait w;
    int64_t rc = KITH__PARKED, fair_at = 0;
    const int pauses = m->flags & KITH__FAIR ? PAUSES_EACH_FAIR : PAUSES_EACH;

    if (timeout_ms == 0)
        return kith__fail(KITH_ETIMEDOUT, "the timeout expired");
    if (m->side < 0)
        return poll_for(id, kind, m, who, in, out, timeout_ms);
    for (int i = 0; i < PAUSES && rc == KITH__PARKED && kith__may_spin(); i += pauses) {
        for (int k = 0; k < pauses; k++)
            kith__pause();
        rc = try_method(id, kind, m, who, in, out);
    }
    if (rc != KITH__PARKED)
        return rc;
    if ((rc = kith__wait_begin(&w, kith__object_waiters(kith__object_slot(id), m->side), timeout_ms)) < 0)
        return rc;
    while ((rc = try_method(id, kind, m, who, in, out)) == KITH__PARKED)
        if ((rc = rest(&w, m, in, &fair_at)) < 0)
            break;
    kith__wait_end(&w, rc >= 0);
    if (rc < 0 && in->waiter)
        kith__left(id, kind, who, in->waiter);
    return rc;
}

/* Copies what came in a block, or beside it, to where the caller wants it. */
static __attribute__((noinline)) int64_t unpack(struct kith__result *out, int64_t rc)
{
    if (out->grows && !(out->buf = malloc(out->size)))
        rc = kith__fail(KITH_ENOMEM, "no memory for the %llu bytes that came", (unsigned long long)out->size);
    if (out->buf)
        memcpy(out->buf, out->block ? kith__at(out->block) : out->few, out->size);
    kith__heap_free(out->block);
    out->block = 0;
    return rc;
}

static int64_t invoke_here(uint64_t id, unsigned kind, const struct kith__method *m, struct kith__args *in,
                           struct kith__result *out, int timeout_ms)
{
    struct kith__caller who;
    int64_t rc;

    if (m->flags & KITH__HOLDS) { /* nobody else wants to know */
        who = kith__caller_here();
        kith__will_hold(KITH__HOLDS_UNITS);
    }
    if (m->flags & KITH__KEEPS && in->size > KITH__LARGE) {
        if ((in->block = kith__heap_alloc(in->size, kith__me)) == 0)
            return KITH_ENOMEM;
        memcpy(kith__at(in->block), in->bytes, in->size);
    }
    rc = try_method(id, kind, m, &who, in, out);
    if (rc == KITH__PARKED)
        rc = wait_for(id, kind, m, &who, in, out, timeout_ms);
    if (__builtin_expect(in->block != 0, 0))
        kith__heap_free(in->block);
    if (__builtin_expect(out->block != 0 || (out->grows && out->size > 0), 0) && rc >= 0)
        rc = unpack(out, rc);
    return rc;
}

static __attribute__((noinline)) int64_t invoke_there(uint64_t id, unsigned kind, unsigned method,
                                                      const struct kith__method *m, struct kith__args *in,
                                                      struct kith__result *out, int timeout_ms)
{
    struct kith__caller who = kith__caller_here();
    uint32_t op = kind << 8 | method;

    if (m->flags & (KITH__GIVES | KITH__LOOKS))
        in->flags |= KITH__TRACELESS;
    if (m->flags & KITH__PIPELINES)
        return kith__remote_pipeline(id, op, &who, in, timeout_ms);
    return kith__remote_call(kith__handle_home(id), op, id, &who, in, out, timeout_ms);
}

int kith__owner_died(enum kith__kind kind)
{
    return kith__fail(KITH_EOWNERDEAD, "a process that held the %s has died; it is yours now",
                      kith__classes[kind]->noun);
}

int64_t kith__invoke(uint64_t id, enum kith__kind kind, unsigned method, struct kith__args *in,
                     struct kith__result *out, int timeout_ms)
{
    const struct kith__class *c = kith__classes[kind];
    const struct kith__method *m = &c->methods[method];
    int64_t rc = kith__check_timeout(timeout_ms);

    if (rc < 0 || (rc = kith__handle_usable(id, c->noun)) < 0)
        return rc;
    if (!(m->flags & (KITH__GIVES | KITH__LOOKS | KITH__TAKES)))
        kith__memory_pass_on(); /* what it is given may lead others there */
    if (kith__is_remote(id))
        rc = invoke_there(id, kind, method, m, in, out, timeout_ms);
    else if ((rc = kith__remote_settle()) == 0)
        rc = invoke_here(id, kind, m, in, out, timeout_ms);
    if (rc >= 0 && __builtin_expect(out->flags & KITH__OWNER_DEAD, 0))
        return kith__owner_died(kind);
    return rc;
}

int64_t kith__ask(uint64_t id, enum kith__kind kind, unsigned method, uint64_t number)
{
    struct kith__args in = { .number = number };
    struct kith__result out = { 0 };

    return kith__invoke(id, kind, method, &in, &out, KITH_FOREVER);
}

int64_t kith__ask_node(uint32_t node, enum kith__kind kind, unsigned method, const struct kith__args *in)
{
    struct kith__caller who = kith__caller_here();
    struct kith__args all = *in;
    struct kith__result out = { 0 };

    return kith__remote_call(node, (uint32_t)kind << 8 | method, 0, &who, &all, &out, KITH_FOREVER);
}

/* What was pipelined and lost is told, and the object is closed all the same. */
int kith__close_part(uint64_t id, enum kith__kind kind, uint64_t part)
{
    int rc = kith__handle_usable(id, kith__classes[kind]->noun), lost = rc == 0 ? kith__remote_settle() : 0;
    struct kith__args in = { .number = part };
    struct kith__result out = { 0 };
    struct kith__caller who;

    if (rc == 0 && lost < 0)
        kith__report(lost);
    if (rc < 0)
        return kith__report(rc);
    who = kith__caller_here();
    if (kith__is_remote(id)) {
        kith__remote_forget(id);
        rc = (int)kith__remote_call(kith__handle_home(id), (uint32_t)kind << 8 | KITH__CLOSE, id, &who, &in,
                                    &out, KITH_FOREVER);
    } else
        rc = kith__close_here(id, kind, part);
    return lost < 0 ? lost : kith__report(rc);
}

int kith__close(uint64_t id, enum kith__kind kind)
{
    return kith__close_part(id, kind, 0);
}

static int64_t open_far(unsigned kind, const char *name, const void *options, size_t size)
{
    char bytes[KITH__NAME + KITH__OPTIONS] = { 0 };
    struct kith__args in = { .bytes = bytes, .size = KITH__NAME + size };
    struct kith__result out = { 0 };
    struct kith__caller who = kith__caller_here();

    snprintf(bytes, KITH__NAME, "%s", name);
    memcpy(bytes + KITH__NAME, options, size);
    return kith__remote_call(0, kind << 8 | KITH__OPEN, 0, &who, &in, &out, KITH_FOREVER);
}

/* home: the node whose name it is. */
static int64_t open_any(unsigned kind, const char *name, uint32_t home, const void *options, size_t size,
                        const char *call)
{
    const char *noun = kith__classes[kind]->noun;
    char what[64];

    if (!kith__base || kith__me == 0) {
        snprintf(what, sizeof what, "a %s was opened", noun);
        return kith__not_in_job(what);
    }
    if (!name)
        return make(kind, "", options, size);
    if (*name == '\0' || strlen(name) >= KITH__NAME)
        return kith__fail(KITH_EINVAL, "%s: the name of a %s has 1 to %d bytes, \"%.80s\" has not", call,
                          noun, KITH__NAME - 1, name);
    return kith__shared->node == home ? find_or_make(kind, name, options, size)
                                      : open_far(kind, name, options, size);
}

uint64_t kith__open(enum kith__kind kind, const char *name, const void *options, size_t size,
                    const char *call)
{
    int64_t rc = kith__report64(open_any(kind, name, 0, options, size, call));

    return rc < 0 ? kith__failed_handle((int)rc) : (uint64_t)rc;
}

uint64_t kith__open_here(enum kith__kind kind, const char *name, const void *options, size_t size,
                         const char *call)
{
    uint32_t home = kith__base && kith__me ? kith__shared->node : 0;
    int64_t rc = kith__report64(open_any(kind, name, home, options, size, call));

    return rc < 0 ? kith__failed_handle((int)rc) : (uint64_t)rc;
}

int kith__all_are_same(struct kith__object *o, const void *options, size_t size)
{
    (void)o;
    (void)options;
    (void)size;
    return 0;
}

uint64_t kith__open_named(enum kith__kind kind, const char *name, const void *options, size_t size,
                          const char *call)
{
    if (!name)
        return kith__failed_handle(kith__report(kith__fail(KITH_EINVAL, "%s was given no name", call)));
    return kith__open(kind, name, options, size, call);
}
