/* turn.c: see turn.h. Called by call.c, feed.c, later.c, service.c, worker.c and task.c. */
#include "config.h"
#include "pool/turn.h"
#include "base/error.h"
#include "base/system.h"
#include "object/target.h"

/* After so long in one call a worker goes to another one of the same priority; and so often it looks whether
 * there is one, when others come all the time, as calls in calls do. */
static const int64_t turn_ns = 1 * KITH__MS, look_ns = 100000;

_Thread_local struct kith__turn kith__turn;

int kith_priority(int priority)
{
    if (priority < -KITH__PRIORITY_MOST || priority > KITH__PRIORITY_MOST)
        return kith__report(kith__fail(KITH_EINVAL, "a priority of %d: give %d to %d", priority,
                                       -KITH__PRIORITY_MOST, KITH__PRIORITY_MOST));
    if (kith__turn.pool)
        return kith__report(
            kith__fail(KITH_EINVAL,
                       "kith_priority was called in a task, whose calls have the priority of its own call"));
    kith__turn.priority = priority;
    return 0;
}

void kith__turn_fill(const struct kith__object *o, struct kith__job *j)
{
    j->priority = kith__turn.priority;
    j->root = kith__turn.pool == o ? kith__turn.root : 0;
}

void kith__stay_begin(struct kith__stay *s, struct kith__object *o, const struct kith__lane *lane,
                      const struct kith__job *j, int stays, int64_t now)
{
    *s = (struct kith__stay){ .pool = o,
                              .job = j,
                              .seen = lane->seen,
                              .rivals = (enum kith__rivals)lane->rivals,
                              .stays = stays,
                              .since = now,
                              .looked = now };
}

int kith__stay_look(struct kith__stay *s)
{
    const struct kith__pool *p = kith__pool_body(s->pool);
    uint64_t offers = atomic_load_explicit(&p->offers, memory_order_acquire); /* before it looks */
    int64_t now = kith__now_ns();

    if (offers != s->seen && now - s->looked >= look_ns) {
        s->rivals = kith__job_rivals(p, s->job);
        s->seen = offers;
        s->looked = now;
    }
    return s->rivals == KITH__RIVALS_HIGHER || (s->rivals == KITH__RIVALS_EQUAL && now - s->since >= turn_ns);
}

/* ------------------------------------------------------------ what there is to claim */

static int claimable(const struct kith__job *j)
{
    return !atomic_load(&j->cancelled) &&
           (atomic_load(&j->cursor) >> 16 < atomic_load(&j->limit) || atomic_load(&j->returned_count) > 0);
}

static int claimable_elsewhere(const struct kith__job *j)
{
    return !atomic_load(&j->here) && claimable(j);
}

static int claimable_no_row(const struct kith__job *j)
{
    return j->kind != KITH__JOB_ROW && claimable_elsewhere(j);
}

/* ------------------------------------------------------------ the choice */

enum { CALLS = 16 };

struct call {
    uint64_t root, seq; /* seq: of its oldest job with something to claim */
    uint32_t post, workers;
};

/* The oldest calls of the highest priority: when there are more, the others wait for one of these to end. */
struct choice {
    int (*suits)(const struct kith__job *j); /* of which jobs */
    int32_t priority;
    uint32_t count;
    struct call calls[CALLS];
};

static struct call *youngest(struct choice *c)
{
    struct call *found = c->calls;

    for (uint32_t i = 1; i < c->count; i++)
        if (c->calls[i].root > found->root)
            found = &c->calls[i];
    return found;
}

/* The entry of a call; NULL: it is not among the first. */
static struct call *entry_of(struct choice *c, uint64_t root)
{
    struct call *last;

    for (uint32_t i = 0; i < c->count; i++)
        if (c->calls[i].root == root)
            return &c->calls[i];
    if (c->count < CALLS)
        last = &c->calls[c->count++];
    else if ((last = youngest(c))->root < root)
        return NULL;
    *last = (struct call){ .root = root, .seq = UINT64_MAX };
    return last;
}

static void consider(struct choice *c, const struct kith__post *post, uint32_t number, uint64_t seq)
{
    int32_t priority = atomic_load_explicit(&post->priority, memory_order_relaxed);
    struct call *call;

    if (c->count > 0 && priority < c->priority)
        return;
    if (priority > c->priority || c->count == 0) {
        c->priority = priority;
        c->count = 0;
    }
    call = entry_of(c, atomic_load_explicit(&post->root, memory_order_relaxed));
    if (call && seq < call->seq) {
        call->seq = seq;
        call->post = number;
    }
}

/* Those among 64 posts from first on that have something to claim. */
static void look_at_posts(const struct kith__pool *p, uint64_t bits, uint32_t first, struct choice *c)
{
    const struct kith__post *posts = kith__post(p, first);

    for (; bits; bits &= bits - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(bits);
        uint64_t seq = atomic_load(&posts[i].announced);

        /* Not announced as touched yet: job memory stays mapped, and what is read here is asked again. */
        if (seq && c->suits(kith__post_job(&posts[i])))
            consider(c, &posts[i], first + i, seq);
    }
}

/* 1: some job of table t is posted. What says so is cleared before the last look. */
static int look_at(struct kith__pool *p, uint32_t t, struct choice *c)
{
    const _Atomic uint64_t *active = kith__post_table(p, t);
    int some = 0;

    for (uint32_t w = 0; w < kith__post_words(t); w++) {
        uint64_t bits = atomic_load(&active[w]);

        if (!bits)
            continue;
        some = 1;
        look_at_posts(p, bits, kith__post_table_first(t) + 64 * w, c);
    }
    return some;
}

/* By the outermost jobs that they are in: what they do for these, they do for their calls. What is read may
 * be of a moment ago. */
static void count_workers(const struct kith__pool *p, const struct kith__lane *self, struct choice *c)
{
    for (uint32_t w = 0; w < p->workers; w++) {
        const struct kith__lane *lane = kith__lane(p, w);
        uint64_t touch = lane != self && atomic_load(&lane->depth) > 0 ? atomic_load(&lane->touching[0]) : 0,
                 root;

        if (touch == 0)
            continue;
        root = atomic_load_explicit(&kith__post(p, kith__touched_post(touch))->root, memory_order_relaxed);
        for (uint32_t i = 0; i < c->count; i++)
            c->calls[i].workers += c->calls[i].root == root;
    }
}

/* Of two with as many workers the one behind the last that this worker was at, so that a single one goes
 * round. */
static int comes_before(const struct call *a, const struct call *b, uint64_t last)
{
    if (a->workers != b->workers)
        return a->workers < b->workers;
    if ((a->root > last) != (b->root > last))
        return a->root > last;
    return a->root < b->root;
}

static const struct call *choose(const struct kith__pool *p, const struct kith__lane *lane, struct choice *c)
{
    const struct call *best = c->calls;

    if (c->count > 1)
        count_workers(p, lane, c);
    for (uint32_t i = 1; i < c->count; i++)
        if (comes_before(&c->calls[i], best, lane->last_root))
            best = &c->calls[i];
    return best;
}

static void look_at_all(struct kith__pool *p, struct choice *c)
{
    c->count = 0;
    for (uint64_t busy = atomic_load(&p->busy); busy; busy &= busy - 1) {
        uint32_t t = (uint32_t)__builtin_ctzll(busy);

        if (look_at(p, t, c) || t == 0) /* the first is looked at in any case */
            continue;
        atomic_fetch_and(&p->busy, ~(UINT64_C(1) << t));
        if (look_at(p, t, c))
            atomic_fetch_or(&p->busy, UINT64_C(1) << t);
    }
}

/* Most often there is one job, or none, and no choice to be made. 1: that is so, and *only is it, or its .seq
 * is 0. */
static int look_for_one(const struct kith__pool *p, int (*suits)(const struct kith__job *j),
                        struct call *only)
{
    const struct kith__post *posts;
    uint64_t bits;

    only->seq = 0;
    if (atomic_load(&p->busy) > 1)
        return 0;
    bits = atomic_load(kith__post_table(p, 0));
    posts = kith__post(p, 0);
    for (; bits; bits &= bits - 1) {
        const struct kith__post *post = &posts[__builtin_ctzll(bits)];
        uint64_t seq = atomic_load(&post->announced);

        if (!seq || !suits(kith__post_job(post)))
            continue;
        if (only->seq)
            return 0;
        *only = (struct call){ .root = atomic_load_explicit(&post->root, memory_order_relaxed),
                               .seq = seq,
                               .post = (uint32_t)__builtin_ctzll(bits) };
    }
    return 1;
}

static struct kith__job *find(struct kith__pool *p, struct kith__lane *lane,
                              int (*suits)(const struct kith__job *j), uint32_t *post)
{
    const struct call *call;
    struct call only;
    struct choice c;

    c.suits = suits;
    /* One that was withdrawn as we came says nothing of the others: nobody may wake us for those any more. */
    do {
        lane->seen = atomic_load(&p->offers);
        call = &only;
        c.count = 1;
        if (!look_for_one(p, suits, &only)) {
            look_at_all(p, &c);
            call = choose(p, lane, &c);
        }
        if (c.count == 0 || call->seq == 0)
            return NULL;
    } while (!kith__job_enter(p, lane, call->post, call->seq));
    *post = call->post;
    lane->last_root = call->root;
    lane->rivals = c.count > 1 ? KITH__RIVALS_EQUAL : KITH__RIVALS_NONE;
    return kith__post_job(kith__post(p, *post));
}

struct kith__job *kith__job_find(struct kith__pool *p, struct kith__lane *lane, uint32_t *post)
{
    return find(p, lane, claimable, post);
}

struct kith__job *kith__job_find_for_others(struct kith__pool *p, struct kith__lane *lane, int rows,
                                            uint32_t *post)
{
    return find(p, lane, rows ? claimable_elsewhere : claimable_no_row, post);
}

/* Among 64 posts from first on. */
static enum kith__rivals rivals_at(const struct kith__pool *p, uint64_t bits, uint32_t first,
                                   const struct kith__job *j)
{
    const struct kith__post *posts = kith__post(p, first);
    enum kith__rivals found = KITH__RIVALS_NONE;

    for (; bits && found != KITH__RIVALS_HIGHER; bits &= bits - 1) {
        const struct kith__post *post = &posts[__builtin_ctzll(bits)];
        int32_t priority = atomic_load_explicit(&post->priority, memory_order_relaxed);

        if (atomic_load_explicit(&post->root, memory_order_relaxed) == j->root || priority < j->priority ||
            atomic_load(&post->announced) == 0 || !claimable(kith__post_job(post)))
            continue;
        found = priority > j->priority ? KITH__RIVALS_HIGHER : KITH__RIVALS_EQUAL;
    }
    return found;
}

enum kith__rivals kith__job_rivals(const struct kith__pool *p, const struct kith__job *j)
{
    enum kith__rivals found = KITH__RIVALS_NONE, here;

    for (uint64_t busy = atomic_load(&p->busy) | 1; busy; busy &= busy - 1) {
        uint32_t t = (uint32_t)__builtin_ctzll(busy);
        const _Atomic uint64_t *active = kith__post_table(p, t);

        for (uint32_t w = 0; w < kith__post_words(t); w++) {
            here = rivals_at(p, atomic_load(&active[w]), kith__post_table_first(t) + 64 * w, j);
            found = here > found ? here : found;
        }
    }
    return found;
}

/* 1: of 64 posts from first on, some is of another root. */
static int has_stranger(const struct kith__pool *p, uint64_t bits, uint32_t first, uint64_t root)
{
    const struct kith__post *posts = kith__post(p, first);

    for (; bits; bits &= bits - 1) {
        const struct kith__post *post = &posts[__builtin_ctzll(bits)];

        if (atomic_load(&post->announced) != 0 &&
            atomic_load_explicit(&post->root, memory_order_relaxed) != root)
            return 1;
    }
    return 0;
}

int kith__root_is_alone(const struct kith__pool *p, uint64_t root)
{
    for (uint64_t busy = atomic_load(&p->busy) | 1; busy; busy &= busy - 1) {
        uint32_t t = (uint32_t)__builtin_ctzll(busy);
        const _Atomic uint64_t *active = kith__post_table(p, t);

        for (uint32_t w = 0; w < kith__post_words(t); w++)
            if (has_stranger(p, atomic_load(&active[w]), kith__post_table_first(t) + 64 * w, root))
                return 0;
    }
    return 1;
}
