/* barrier.c: the Barrier; see class.h and kith.h.
 *
 * A generation is one filling of it: so many arrive, the last of them runs the action and lets it pass, and
 * the next generation begins. Who waits does so for its own generation, whose end is remembered for a while,
 * as others may be further by then. Who has arrived is among the holders until it passes: when one of them
 * dies, also over the action, the generation is broken. The last one lets it pass by a second call: so when
 * nobody hears that it has arrived, nobody has gone on with it.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "code/token.h"
#include "object/holders.h"
#include "object/memory.h"
#include "object/target.h"

#include <string.h>

enum { WAITERS, COMERS, SIDES }; /* comers: the present generation is full, and has not passed yet */
enum { LARGEST = 1 << 20, REMEMBERED = 64, LARGEST_ARG = 256 };
enum { AT_ONCE = 1 };

static const int64_t soon_ns = 2000;

struct action {
    uint64_t size;
    struct kith__token fn;
    char arg[LARGEST_ARG];
};

struct options {
    uint32_t parties, has_action;
    int64_t timeout_ms; /* of a wait without one; 0: none */
    struct action action;
};

struct barrier {
    struct options options;
    kith__word generation, arrived, broken;
    kith__word failed; /* bit i: the generation i + 1 before this one did not pass */
    struct kith__holders holders;
};

/* What a party learns when it arrives. */
struct arrival {
    uint64_t generation;
    uint32_t index : 24;
    uint32_t is_last : 8; /* enum last */
    int32_t timeout_ms;   /* of the options */
};
enum last { NOT_LAST, LETS_PASS, ACTS_BEFORE, HAS_PASSED };

_Static_assert(KITH__BODY_FITS(struct barrier, SIDES), "it is the body of an object");
_Static_assert(sizeof(struct options) <= KITH__OPTIONS, "they travel as such");
_Static_assert(sizeof(struct arrival) <= KITH__FEW, "nobody needs a block for it");

static struct barrier *barrier_of(struct kith__object *o)
{
    return (struct barrier *)(void *)&o->body;
}

static void tell_everybody(struct kith__result *out)
{
    kith__tell_all(out, WAITERS);
    kith__tell_all(out, COMERS);
}

static int64_t is_broken(void)
{
    return kith__fail(KITH_EBROKEN,
                      "the Barrier is broken: a process that waited has died or given up, or it "
                      "was aborted or reset");
}

/* What became of a generation. 0: it has passed; KITH__PARKED: nothing yet. */
static int64_t verdict(const struct barrier *b, uint64_t generation)
{
    uint64_t age = atomic_load(&b->generation) - generation;

    if (age == 0)
        return atomic_load(&b->broken) ? is_broken() : KITH__PARKED;
    return age <= REMEMBERED && atomic_load(&b->failed) >> (age - 1) & 1 ? is_broken() : 0;
}

static void begin_next(struct kith__object *o, uint64_t has_failed)
{
    struct barrier *b = barrier_of(o);

    kith__holders_clear(o, &b->holders);
    kith__guard_set(&o->guard, &b->generation, atomic_load(&b->generation) + 1);
    kith__guard_set(&o->guard, &b->failed, atomic_load(&b->failed) << 1 | has_failed);
    kith__guard_set(&o->guard, &b->arrived, 0);
    kith__guard_set(&o->guard, &b->broken, 0);
    kith__guard_commit(&o->guard);
}

static void break_it(struct kith__object *o, struct kith__result *out)
{
    kith__guard_set(&o->guard, &barrier_of(o)->broken, 1);
    kith__guard_commit(&o->guard);
    tell_everybody(out);
}

static void pass_now(struct kith__object *o, struct kith__result *out)
{
    begin_next(o, 0);
    tell_everybody(out);
}

/* ------------------------------------------------------------------------------- methods */

/* The number: AT_ONCE: whoever calls is here and hears of it, so the last one lets them pass with this call.
 */
static int64_t arrive(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    struct barrier *b = barrier_of(o);
    uint64_t index = atomic_load(&b->arrived), parties = b->options.parties;
    struct arrival a = { atomic_load(&b->generation), (uint32_t)index & 0xffffff, 0,
                         (int32_t)b->options.timeout_ms };

    if (atomic_load(&b->broken))
        return is_broken();
    if (index == parties)
        return KITH__PARKED;
    if (in->number == AT_ONCE && index + 1 == parties && !b->options.has_action) {
        a.is_last = HAS_PASSED;
        kith__give_few(out, &a, sizeof a);
        pass_now(o, out);
        return sizeof a;
    }
    if (kith__holders_add(o, &b->holders, who) < 0)
        return KITH_ENOMEM;
    kith__guard_set(&o->guard, &b->arrived, index + 1);
    kith__guard_commit(&o->guard);
    if (index + 1 == parties)
        a.is_last = b->options.has_action ? ACTS_BEFORE : LETS_PASS;
    kith__give_few(out, &a, sizeof a);
    out->flags = KITH__GIVEN;
    return sizeof a;
}

static int64_t action(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    const struct action *a = &barrier_of(o)->options.action;
    int rc = kith__give_bytes(out, a, sizeof *a);

    (void)who;
    (void)in;
    return rc < 0 ? rc : (int64_t)sizeof *a;
}

static int64_t wait(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    (void)who;
    (void)out;
    return verdict(barrier_of(o), in->number);
}

static int64_t pass(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    int64_t rc = verdict(barrier_of(o), in->number);

    (void)who;
    if (rc != KITH__PARKED)
        return rc;
    pass_now(o, out);
    return 0;
}

/* By one of that generation. 0: it has passed before. */
static int64_t give_up(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    int64_t rc = verdict(barrier_of(o), in->number);

    (void)who;
    if (rc != KITH__PARKED)
        return rc;
    break_it(o, out);
    return kith__fail(KITH_ETIMEDOUT, "the timeout expired");
}

static int64_t abort_it(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                        struct kith__result *out)
{
    (void)who;
    (void)in;
    break_it(o, out);
    return 0;
}

static int64_t reset(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    (void)who;
    (void)in;
    begin_next(o, 1);
    tell_everybody(out);
    return 0;
}

static int64_t waiting(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    const struct barrier *b = barrier_of(o);

    (void)who;
    (void)in;
    (void)out;
    return atomic_load(&b->broken) ? 0 : (int64_t)atomic_load(&b->arrived);
}

static int64_t broken(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)atomic_load(&barrier_of(o)->broken);
}

/* --------------------------------------------------------------------------------- hooks */

/* One has arrived and does not know it: its generation cannot pass any more. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    if (kith__holders_drop(o, &barrier_of(o)->holders, who, 0))
        break_it(o, given);
    return 0;
}

static void died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    while (kith__holders_evict(o, &barrier_of(o)->holders, who) > 0)
        break_it(o, out);
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    memcpy(&barrier_of(o)->options, options, size < sizeof(struct options) ? size : sizeof(struct options));
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    const struct options *mine = &barrier_of(o)->options;
    struct options wanted = { 0 };

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    if (wanted.timeout_ms != mine->timeout_ms)
        return kith__fail(KITH_EINVAL, "the Barrier \"%s\" was opened with a .timeout_ms of %lld, not %lld",
                          o->name, (long long)mine->timeout_ms, (long long)wanted.timeout_ms);
    if (wanted.parties == mine->parties && wanted.has_action == mine->has_action)
        return 0;
    return kith__fail(KITH_EINVAL, "the Barrier \"%s\" was opened for %u parties%s, not %u%s", o->name,
                      mine->parties, mine->has_action ? " with an action" : "", wanted.parties,
                      wanted.has_action ? " with an action" : "");
}

static void destroy(struct kith__object *o)
{
    kith__holders_free(o, &barrier_of(o)->holders);
}

enum { ARRIVE = KITH__FIRST_METHOD, ACTION, WAIT, PASS, GIVE_UP, ABORT, RESET, WAITING, BROKEN };

static const struct kith__method methods[] = {
    [ARRIVE] = { "arrive", arrive, COMERS, KITH__GIVES | KITH__HOLDS },
    [ACTION] = { "action", action, -1, KITH__LOOKS },
    [WAIT] = { "wait", wait, WAITERS, KITH__EACH | KITH__LOOKS },
    [PASS] = { "pass", pass, -1, 0 },
    [GIVE_UP] = { "give up", give_up, -1, 0 },
    [ABORT] = { "abort", abort_it, -1, 0 },
    [RESET] = { "reset", reset, -1, 0 },
    [WAITING] = { "waiting", waiting, -1, KITH__LOOKS },
    [BROKEN] = { "broken", broken, -1, KITH__LOOKS },
};

const struct kith__class kith__barrier_class = {
    .noun = "Barrier",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .make = make,
    .same = same,
    .destroy = destroy,
    .undo = undo,
    .died = died,
};

/* -------------------------------------------------------------- public functions */

static int check_options(int parties, const struct kith_barrier_options *o)
{
    if (parties < 1 || parties >= LARGEST)
        return kith__fail(KITH_EINVAL, "a Barrier of %d parties: give 1 to %d", parties, LARGEST - 1);
    if (o->timeout_ms < 0)
        return kith__fail(KITH_EINVAL, "a Barrier's .timeout_ms of %d: give 0 for none, or milliseconds",
                          o->timeout_ms);
    if (o->arg_size > LARGEST_ARG)
        return kith__fail(KITH_EINVAL, "the argument of a Barrier's action has %zu bytes, the most is %d",
                          o->arg_size, LARGEST_ARG);
    return 0;
}

static int fill_options(struct options *options, int parties, const struct kith_barrier_options *o)
{
    int rc = check_options(parties, o);

    if (rc < 0)
        return rc;
    options->parties = (uint32_t)parties;
    options->has_action = o->action != NULL;
    options->timeout_ms = o->timeout_ms;
    if (!o->action)
        return 0;
    options->action.size = o->arg_size;
    if (o->arg_size > 0)
        memcpy(options->action.arg, o->arg, o->arg_size);
    return kith__token_make(&options->action.fn, (kith__anyfn *)o->action);
}

#undef kith_barrier_open_with /* which adds the size */
kith_barrier kith_barrier_open_with(int parties, const struct kith_barrier_options *given, size_t given_size)
{
    struct kith_barrier_options o = { 0 };
    struct options options = { 0 };
    int rc;

    if (given)
        memcpy(&o, given, given_size < sizeof o ? given_size : sizeof o);
    if ((rc = fill_options(&options, parties, &o)) < 0)
        return (kith_barrier){ kith__failed_handle(kith__report(rc)) };
    if (o.name && o.arg)
        kith__memory_pass_on(); /* others find it by the name */
    return (kith_barrier){ kith__open(KITH__BARRIER_KIND, o.name, &options, sizeof options,
                                      "kith_barrier_open") };
}

kith_barrier kith_barrier_open(int parties)
{
    return kith_barrier_open_with(parties, NULL, 0);
}

/* Within the task that waits, which goes on afterwards as it was. */
static int run(const struct action *a)
{
    struct kith__task task = kith__task;
    kith__anyfn *fn;
    int rc = kith__token_resolve(&a->fn, &fn);

    if (rc < 0)
        return rc;
    rc = kith__call_target((kith_target *)fn, a->arg, a->size);
    kith__task = task;
    return rc == 0 ? 0 : kith__fail(KITH_ETASK, "the action of a Barrier has returned %d", rc);
}

static int64_t act(uint64_t id)
{
    struct action a;
    struct kith__args in = { 0 };
    struct kith__result out = { .buf = &a, .room = sizeof a };
    int64_t rc = kith__invoke(id, KITH__BARRIER_KIND, ACTION, &in, &out, KITH_FOREVER), lost;

    if (rc >= 0 && (rc = run(&a)) == 0)
        return 0;
    lost = kith__ask(id, KITH__BARRIER_KIND, ABORT, 0);
    return lost < 0 ? lost : rc;
}

/* The last one: the others wait for it. */
static int64_t let_pass(uint64_t id, const struct arrival *a)
{
    int64_t rc = a->is_last == ACTS_BEFORE ? act(id) : 0;

    return rc < 0 || a->is_last == HAS_PASSED ? rc : kith__ask(id, KITH__BARRIER_KIND, PASS, a->generation);
}

struct seen {
    struct kith__object *o;
    uint64_t ident, generation;
};

static int is_over(const void *of)
{
    const struct seen *s = of;

    return atomic_load(&barrier_of(s->o)->generation) != s->generation;
}

/* 1: it has passed, a moment after this one came: seen without the guard, which the last one needs, and
 * before anybody has to wake it. The number of the generation becomes true before the rest of its commit: so
 * it is read again behind that. */
static int passes_soon(uint64_t id, uint64_t generation, int timeout_ms)
{
    struct seen s = { kith__at_home(id), kith__ident(id, KITH__BARRIER_KIND), generation };
    const struct barrier *b;

    if (!s.o || timeout_ms == 0 || !kith__wait_briefly(is_over, &s, 0, soon_ns))
        return 0;
    b = barrier_of(s.o);
    return atomic_load(&b->generation) == generation + 1 && !kith__guard_is_pending(&s.o->guard) &&
           !(atomic_load(&b->failed) & 1) && atomic_load(&b->generation) == generation + 1 &&
           atomic_load(&s.o->ident) == s.ident;
}

static int64_t wait_for_the_last(uint64_t id, uint64_t generation, int timeout_ms)
{
    struct kith__args in = { .number = generation };
    struct kith__result out = { 0 };
    int64_t rc = passes_soon(id, generation, timeout_ms)
                     ? 0
                     : kith__invoke(id, KITH__BARRIER_KIND, WAIT, &in, &out, timeout_ms);

    return rc == KITH_ETIMEDOUT ? kith__ask(id, KITH__BARRIER_KIND, GIVE_UP, generation) : rc;
}

/* What is left of the caller's timeout; without one, that of the Barrier. */
static int timeout_of(const struct arrival *a, int timeout_ms, int64_t begin)
{
    if (timeout_ms == KITH_FOREVER && a->timeout_ms > 0)
        return a->timeout_ms;
    return kith__time_left(timeout_ms, begin);
}

int kith_barrier_wait(kith_barrier b, int timeout_ms)
{
    int64_t begin = timeout_ms > 0 ? kith__now_ns() : 0, rc;
    struct arrival a;
    struct kith__args in = { .number = kith__at_home(b.id) ? AT_ONCE : 0 };
    struct kith__result out = { .buf = &a, .room = sizeof a };

    kith__memory_pass_on(); /* whom it lets pass may find it */
    if ((rc = kith__invoke(b.id, KITH__BARRIER_KIND, ARRIVE, &in, &out, timeout_ms)) < 0)
        return kith__report((int)rc);
    if (a.is_last)
        rc = let_pass(b.id, &a);
    else
        rc = wait_for_the_last(b.id, a.generation, timeout_of(&a, timeout_ms, begin));
    return kith__report(rc < 0 ? (int)rc : (int)a.index);
}

static int ask(kith_barrier b, unsigned method)
{
    return kith__report((int)kith__ask(b.id, KITH__BARRIER_KIND, method, 0));
}

int kith_barrier_abort(kith_barrier b)
{
    return ask(b, ABORT);
}

int kith_barrier_reset(kith_barrier b)
{
    return ask(b, RESET);
}

int kith_barrier_waiting(kith_barrier b)
{
    return ask(b, WAITING);
}

int kith_barrier_broken(kith_barrier b)
{
    return ask(b, BROKEN);
}

int kith_barrier_close(kith_barrier b)
{
    return kith__close(b.id, KITH__BARRIER_KIND);
}
