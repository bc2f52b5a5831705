/* board.c: see board.h. Called by pool.c (posters) and worker.c (workers). */
#include "config.h"
#include "pool/board.h"
#include "pool/joblog.h"
#include "base/error.h"
#include "pool/branch.h"
#include "shm/heap.h"
#include "pool/pool.h"
#include "pool/row.h"
#include "base/system.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { HALT = 100 }; /* the failures that are enough when not one task has succeeded */

_Static_assert(sizeof(struct kith__pool) <= KITH__BODY_SIZE, "a pool is the body of its object");

static uint64_t intent_lo(uint64_t intent)
{
    return intent >> 16;
}
static uint64_t intent_length(uint64_t intent)
{
    return intent >> 1 & 32767;
}

static struct kith__fault_entry *entry_at(uint64_t block)
{
    return kith__at(block);
}

/* The list is changed in that guard only. */
static uint64_t pop_fault(struct kith__guard *guard, kith__word *list)
{
    uint64_t block;

    kith__guard_enter(guard);
    if ((block = atomic_load(list)) != 0) {
        kith__guard_set(guard, list, atomic_load(&entry_at(block)->next));
        kith__guard_set(guard, kith__heap_owner(block), kith__me);
        kith__guard_commit(guard);
    }
    kith__guard_leave(guard);
    return block;
}

uint64_t kith__job_pop_fault(struct kith__job *j)
{
    return pop_fault(&j->guard, &j->faults);
}

uint64_t kith__pool_pop_fault(struct kith__object *o)
{
    return pop_fault(&o->guard, &kith__pool_body(o)->exit_faults);
}

void kith__job_drop_faults(struct kith__job *j)
{
    uint64_t block;

    while (atomic_load(&j->faults) != 0 && (block = kith__job_pop_fault(j)) != 0)
        kith__heap_free(block);
}

void kith__pool_drop_faults(struct kith__object *o)
{
    uint64_t block;

    while (atomic_load(&kith__pool_body(o)->exit_faults) != 0 && (block = kith__pool_pop_fault(o)) != 0)
        kith__heap_free(block);
}

/* -------------------------------------------------------------- states */

struct move {
    uint32_t from, on, to;
};

static const struct move lane_moves[] = {
    { KITH__LANE_LATE, KITH__LANE_BEGINS, KITH__LANE_STARTING },
    { KITH__LANE_STARTING, KITH__LANE_INITIALIZED, KITH__LANE_READY },
    { KITH__LANE_STARTING, KITH__LANE_REFUSED, KITH__LANE_LATE },
    { KITH__LANE_READY, KITH__LANE_LEAVES, KITH__LANE_LEAVING },
    { KITH__LANE_LEAVING, KITH__LANE_HAS_LEFT, KITH__LANE_READY },
    { KITH__LANE_READY, KITH__LANE_DIED, KITH__LANE_STARTING },
    { KITH__LANE_LEAVING, KITH__LANE_DIED, KITH__LANE_STARTING },
    { KITH__LANE_LATE, KITH__LANE_DIED, KITH__LANE_STARTING },
    { KITH__LANE_STARTING, KITH__LANE_ENDS, KITH__LANE_ENDED },
    { KITH__LANE_READY, KITH__LANE_ENDS, KITH__LANE_ENDED },
    { KITH__LANE_LEAVING, KITH__LANE_ENDS, KITH__LANE_ENDED },
    { KITH__LANE_LATE, KITH__LANE_ENDS, KITH__LANE_ENDED },
};

/* Of two who end a pool the harder one prevails; but who finds it broken must go on to find that. */
static const struct move pool_moves[] = {
    { KITH__POOL_OPEN, KITH__POOL_CLOSE, KITH__POOL_CLOSING },
    { KITH__POOL_OPEN, KITH__POOL_TERMINATE, KITH__POOL_TERMINATED },
    { KITH__POOL_CLOSING, KITH__POOL_TERMINATE, KITH__POOL_TERMINATED },
    { KITH__POOL_OPEN, KITH__POOL_BREAK, KITH__POOL_BROKEN },
    { KITH__POOL_CLOSING, KITH__POOL_BREAK, KITH__POOL_BROKEN },
};

static int move(_Atomic uint32_t *state, uint32_t event, const struct move *moves, size_t count)
{
    uint32_t seen = atomic_load(state);

    for (size_t i = 0; i < count;) {
        if (moves[i].from != seen || moves[i].on != event)
            i++;
        else if (atomic_compare_exchange_strong(state, &seen, moves[i].to))
            return 1;
        else
            i = 0; /* somebody else has moved it */
    }
    return 0;
}

int kith__lane_move(struct kith__lane *lane, enum kith__lane_event event)
{
    return move(&lane->state, event, lane_moves, sizeof lane_moves / sizeof lane_moves[0]);
}

int kith__pool_move(struct kith__pool *p, enum kith__pool_event event)
{
    return move(&p->state, event, pool_moves, sizeof pool_moves / sizeof pool_moves[0]);
}

/* ------------------------------------------------------------- posting */

static _Atomic uint64_t *active_word(const struct kith__pool *p, uint32_t post, uint64_t *bit)
{
    uint32_t t = kith__post_table_of(post), i = post - kith__post_table_first(t);

    *bit = UINT64_C(1) << i % 64;
    return &kith__post_table(p, t)[i / 64];
}

static int add_table(struct kith__object *o, uint32_t t)
{
    uint64_t size = kith__post_table_size(t), block = kith__heap_alloc(size, kith__me);

    if (block == 0)
        return KITH_ENOMEM;
    memset(kith__at(block), 0, size);
    kith__guard_set(&o->guard, &kith__pool_body(o)->posts[t], block);
    kith__guard_set(&o->guard, kith__heap_owner(block), 0);
    kith__guard_commit(&o->guard);
    return 0;
}

static int touches(const struct kith__lane *lane, uint32_t post)
{
    uint32_t depth = atomic_load(&lane->depth);

    for (uint32_t d = 0; d < depth; d++)
        if (kith__touched_post(atomic_load(&lane->touching[d])) == post)
            return 1;
    return 0;
}

int kith__job_untouched(const struct kith__pool *p, uint32_t post)
{
    const struct kith__branches *others = kith__branches(p);
    const struct kith__job *j;

    kith__fence();
    for (uint32_t w = 0; w < p->workers; w++)
        if (touches(kith__lane(p, w), post))
            return 0;
    if (p->grants == 0)
        return 1;
    if (others && touches(&others->lane, post))
        return 0;
    /* Behind the lanes: what was granted from one of them is granted before that is left. */
    j = kith__post_job(kith__post(p, post));
    return !j || atomic_load(&j->granted_count) == 0;
}

/* A free one from from on, before to. */
static int take_free(struct kith__pool *p, uint32_t from, uint32_t to, uint32_t *post)
{
    uint32_t soon = to; /* the first one that is nobody's, but that a worker has not left yet */

    for (uint32_t i = from; i < to; i++) {
        struct kith__post *self = kith__post(p, i);
        uint32_t nobody = 0;

        if (atomic_load_explicit(&self->poster, memory_order_relaxed) != 0)
            continue;
        if (!kith__job_untouched(p, i)) {
            soon = soon < i ? soon : i;
            continue;
        }
        if (!atomic_compare_exchange_strong(&self->poster, &nobody, kith__me))
            continue;
        if (!kith__job_untouched(p, i)) { /* posted and withdrawn in between */
            atomic_store(&self->poster, 0);
            continue;
        }
        atomic_store_explicit(&p->free_from, soon < i ? soon : i + 1, memory_order_relaxed);
        *post = i;
        return 1;
    }
    return 0;
}

/* The first one that is free, so that few calls share few places, whose memory is warm. */
static int take_post(struct kith__object *o, uint32_t *post)
{
    struct kith__pool *p = kith__pool_body(o);
    uint32_t count = kith__posts(p), from = atomic_load_explicit(&p->free_from, memory_order_relaxed);
    uint32_t t = kith__post_table_of(count);

    if (from > count)
        from = count;
    if (take_free(p, from, count, post) || take_free(p, 0, from, post))
        return 0;
    if (t == KITH__POST_TABLES)
        return kith__fail(KITH_ENOMEM, "%u calls are under way in one pool: it takes no more", count);
    if (add_table(o, t) < 0)
        return KITH_ENOMEM;
    return take_free(p, count, kith__posts(p), post) ? 0 : KITH_ENOMEM;
}

struct kith__job *kith__job_take(struct kith__object *o, uint32_t *post, int *rc)
{
    struct kith__pool *p = kith__pool_body(o);
    uint32_t cells = kith__pool_hands(p);
    uint64_t room = 2 * (uint64_t)cells + 8 + p->grants, block;
    struct kith__post *self;
    struct kith__job *j;

    if ((*rc = take_post(o, post)) < 0)
        return NULL;
    self = kith__post(p, *post);
    block = atomic_load(&self->job);
    if (block == 0) {
        block =
            kith__heap_alloc(sizeof *j + cells * (sizeof j->cells[0] + sizeof(struct kith__kept_result)) +
                                 room * sizeof(struct kith__range) + p->grants * sizeof(struct kith__granted),
                             kith__me);
        if (block == 0) {
            atomic_store(&self->poster, 0);
            *rc = KITH_ENOMEM;
            return NULL;
        }
        memset(kith__at(block), 0, sizeof *j);
        kith__guard_init(&((struct kith__job *)kith__at(block))->guard);
        kith__guard_set(&o->guard, &self->job, block);
        kith__guard_set(&o->guard, kith__heap_owner(block), 0);
        kith__guard_commit(&o->guard);
    }
    j = kith__at(block);
    kith__job_drop_faults(j); /* of a poster that died */
    memset(j, 0, offsetof(struct kith__job, cursor));
    j->workers = cells;
    j->others = p->workers;
    j->room = room;
    j->grants = p->grants;
    j->poster = kith__me;
    atomic_store(&j->cursor, 0);
    atomic_store(&j->limit, 0);
    atomic_store(&j->cancelled, KITH__NOT_CANCELLED);
    atomic_store(&j->eager, 0);
    atomic_store(&j->bored, 0);
    atomic_store(&j->some_succeeded, 0);
    atomic_store(&j->returned_count, 0);
    atomic_store(&j->fault_count, 0);
    memset(&j->waiters, 0, sizeof j->waiters);
    memset(j->cells, 0, cells * sizeof j->cells[0]);
    for (uint32_t w = 0; w < cells; w++)
        atomic_store_explicit(&j->cells[w].at, KITH__AT_NONE, memory_order_relaxed);
    return j;
}

void kith__job_post(struct kith__pool *p, struct kith__job *j, uint32_t post)
{
    uint32_t t = kith__post_table_of(post);
    uint64_t bit;
    _Atomic uint64_t *word = active_word(p, post, &bit);

    if (kith__branches(p))
        j->posted_at = kith__now_ns();
    j->seq = atomic_fetch_add(&p->seq, 1) + 1;
    if (j->root == 0)
        j->root = j->seq;
    atomic_store_explicit(&kith__post(p, post)->priority, j->priority, memory_order_relaxed);
    atomic_store_explicit(&kith__post(p, post)->root, j->root, memory_order_relaxed);
    atomic_store(&kith__post(p, post)->announced, j->seq);
    atomic_fetch_or(word, bit);
    if (!(atomic_load(&p->busy) >> t & 1)) /* behind the other bit: see look_at */
        atomic_fetch_or(&p->busy, UINT64_C(1) << t);
    kith__failpoint("job: posted");
}

void kith__job_raise(struct kith__job *j, struct kith__object *pool, uint64_t limit)
{
    struct kith__waiters *idle = kith__object_waiters(pool, KITH__POOL_IDLE);
    uint64_t fresh = limit - atomic_load(&j->limit);

    atomic_store(&j->limit, limit);
    /* The first two wake the others: who claims with more left to claim wakes two (worker.c). */
    for (int i = 0; i < 2 && fresh > 0 && kith__has_waiters(idle); i++, fresh--)
        kith__wake_any(idle);
    /* Other nodes hear of what those do not take. */
    if (fresh > 0 && kith__branches(kith__pool_body(pool)) &&
        kith__has_waiters(kith__object_waiters(pool, KITH__POOL_FOREMEN)))
        kith__wake_all(kith__object_waiters(pool, KITH__POOL_FOREMEN));
}

void kith__job_hide(struct kith__pool *p, uint32_t post)
{
    uint64_t bit;
    _Atomic uint64_t *word = active_word(p, post, &bit);

    atomic_fetch_and(word, ~bit);
}

void kith__job_withdraw(struct kith__pool *p, uint32_t post)
{
    struct kith__post *self = kith__post(p, post);

    kith__job_hide(p, post);
    atomic_store(&self->announced, 0);
    atomic_store(&self->poster, 0);
    if (atomic_load_explicit(&p->free_from, memory_order_relaxed) > post)
        atomic_store_explicit(&p->free_from, post, memory_order_relaxed);
}

static int has_work(const struct kith__pool *p, uint64_t bits, uint32_t first)
{
    for (; bits; bits &= bits - 1) {
        const struct kith__job *j = kith__post_job(kith__post(p, first + (uint32_t)__builtin_ctzll(bits)));

        if (j->kind != KITH__JOB_ROW || kith__row_has_work(j))
            return 1;
    }
    return 0;
}

int kith__jobs_have_work(const struct kith__pool *p)
{
    for (uint32_t t = 0; t < KITH__POST_TABLES && atomic_load(&p->posts[t]) != 0; t++) {
        const _Atomic uint64_t *active = kith__post_table(p, t);

        for (uint32_t w = 0; w < kith__post_words(t); w++)
            if (has_work(p, atomic_load(&active[w]), kith__post_table_first(t) + 64 * w))
                return 1;
    }
    return 0;
}

int kith__job_complete(const struct kith__job *j)
{
    uint64_t done = 0;

    for (uint32_t w = 0; w < j->workers; w++)
        done += atomic_load_explicit(&j->cells[w].done, memory_order_acquire);
    return done == j->units;
}

int kith__job_halted(const struct kith__job *j)
{
    return atomic_load_explicit(&j->cancelled, memory_order_relaxed) == KITH__HALTED;
}

/* Where worker keeps the cursor with the name of other. Up to KITH__KEPT others have a place each. */
static kith__word *kept_place(struct kith__job *j, uint32_t worker, uint32_t other)
{
    return &j->cells[worker].kept[(other + j->workers - worker - 1) % j->workers % KITH__KEPT];
}

/* Whether w has moved the cursor as it says in its intent, seen with the cursor as it was before the intent
 * was read. */
static int was_made(struct kith__job *j, uint32_t w, uint64_t intent, uint64_t cursor)
{
    uint64_t moved = (intent_lo(intent) + intent_length(intent)) << 16 | (w + 1);

    if ((intent & 1) || cursor == moved)
        return 1;
    for (uint32_t other = 0; other < j->workers; other++)
        if (other != w && atomic_load(kept_place(j, other, w)) == moved)
            return 1;
    return atomic_load(&j->cells[w].intent) ==
           (intent | 1); /* it is confirmed before a place is used again */
}

/* Whether the claim in cell w is live. */
static int is_live(struct kith__job *j, uint32_t w, uint64_t cursor)
{
    const struct kith__cell *cell = &j->cells[w];
    uint64_t intent = atomic_load(&cell->intent);

    return intent_length(intent) && was_made(j, w, intent, cursor) &&
           atomic_load(&cell->done) == atomic_load(&cell->before);
}

static uint64_t earlier(uint64_t frontier, const kith__word *lo)
{
    uint64_t begin = atomic_load(lo);

    return begin < frontier ? begin : frontier;
}

uint64_t kith__job_frontier(struct kith__job *j)
{
    uint64_t cursor, frontier, count;

    kith__guard_enter(&j->guard); /* nothing moves between the cells and the returned ranges */
    cursor = atomic_load(&j->cursor);
    frontier = cursor >> 16;
    count = atomic_load(&j->returned_count);
    for (uint64_t i = 0; i < count; i++)
        frontier = earlier(frontier, &kith__job_returned(j)[i].lo);
    count = atomic_load(&j->granted_count);
    for (uint64_t i = 0; i < count; i++)
        frontier = earlier(frontier, &kith__job_granted(j)[i].lo);
    for (uint32_t w = 0; w < j->workers; w++) {
        uint64_t lo = intent_lo(atomic_load(&j->cells[w].intent));

        /* Read before it is judged: should the worker go on meanwhile, lo is too small, never too large. */
        if (lo < frontier && is_live(j, w, cursor))
            frontier = lo;
    }
    kith__guard_leave(&j->guard);
    return frontier;
}

/* ------------------------------------------------------------ claiming */

static int claimable(const struct kith__job *j)
{
    return !atomic_load(&j->cancelled) &&
           (atomic_load(&j->cursor) >> 16 < atomic_load(&j->limit) || atomic_load(&j->returned_count) > 0);
}

int kith__job_enter(struct kith__pool *p, struct kith__lane *lane, uint32_t post, uint64_t seq)
{
    uint32_t depth = atomic_load_explicit(&lane->depth, memory_order_relaxed);

    uint64_t bit;
    const _Atomic uint64_t *word = active_word(p, post, &bit);

    atomic_store(&lane->touching[depth], kith__touch(seq, post));
    atomic_store(&lane->depth, depth + 1);
    kith__failpoint("job: touched");
    /* The poster clears these before it looks who touches the job. */
    if (atomic_load(word) & bit && atomic_load(&kith__post(p, post)->announced) == seq)
        return 1;
    atomic_fetch_sub(&lane->depth, 1);
    return 0;
}

/* It may be another call's the next moment: a wake-up too many does no harm. */
void kith__job_leave(struct kith__lane *lane, struct kith__job *j)
{
    uint32_t depth = atomic_load_explicit(&lane->depth, memory_order_relaxed) - 1;
    uint64_t touched = atomic_load_explicit(&lane->touching[depth], memory_order_relaxed);

    kith__failpoint("job: about to be left");
    atomic_store(&lane->depth, depth);
    kith__failpoint("job: left");
    /* Who is about to kill this process has seen it in the job before, and so we see that here: the next job
     * is not begun. */
    if (__builtin_expect(atomic_load(&lane->condemned) == touched && atomic_load(&lane->condemned_unit) == 0,
                         0))
        raise(SIGKILL);
    if (kith__job_halted(j))
        kith__wake_all(&j->waiters);
}

static int claimable_elsewhere(const struct kith__job *j)
{
    return !atomic_load(&j->here) && claimable(j);
}

static int claimable_no_row(const struct kith__job *j)
{
    return j->kind != KITH__JOB_ROW && claimable_elsewhere(j);
}

/* ------------------------------------------------------------ whose turn it is */

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

/* The place of a call; NULL: it is not among the first. */
static struct call *place_of(struct choice *c, uint64_t root)
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
    call = place_of(c, atomic_load_explicit(&post->root, memory_order_relaxed));
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

static struct kith__job *find(struct kith__pool *p, struct kith__lane *lane,
                              int (*suits)(const struct kith__job *j), uint32_t *post)
{
    const struct call *call;
    struct choice c;

    c.suits = suits;

    /* One that was withdrawn as we came says nothing of the others: nobody may wake us for those any more. */
    do {
        lane->seen = atomic_load(&p->seq);
        look_at_all(p, &c);
        if (c.count == 0)
            return NULL;
        call = choose(p, lane, &c);
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

/* ------------------------------------------------------------ the claim itself */

static void confirm(struct kith__cell *cell, uint64_t position)
{
    uint64_t intent = atomic_load(&cell->intent);

    if (!(intent & 1) && intent_length(intent) && intent_lo(intent) + intent_length(intent) == position)
        atomic_compare_exchange_strong(&cell->intent, &intent, intent | 1);
}

/* Before the cursor that was found is replaced: that its claimer has made that claim must not be forgotten.
 * When it is found again with another claim, the old one is over; a place that another claimer had needs a
 * look at that one's cell. To look at cells at each claim would cost as much as the cursor itself. */
static void keep(struct kith__job *j, uint32_t worker, uint64_t cursor)
{
    uint32_t claimer = (uint32_t)(cursor & 65535), before;
    kith__word *place;
    uint64_t old;

    place = kept_place(j, worker, claimer - 1);
    old = atomic_load_explicit(place, memory_order_relaxed);
    before = (uint32_t)(old & 65535);
    if (before != 0 && before != claimer)
        confirm(&j->cells[before - 1], old >> 16);
    kith__failpoint("claim: old cursor confirmed");
    atomic_store_explicit(place, cursor, memory_order_release);
    kith__failpoint("claim: cursor kept");
}

/* A claim does not cross the end of a ring: its elements lie side by side. */
static uint64_t within_ring(uint64_t ring, uint64_t lo, uint64_t length)
{
    if (ring && length > ring - lo % ring)
        return ring - lo % ring;
    return length;
}

static uint64_t side_by_side(const struct kith__job *j, uint64_t lo, uint64_t length)
{
    return within_ring(j->in_ring, lo, within_ring(j->out_ring, lo, length));
}

static int claim_returned(struct kith__job *j, struct kith__cell *cell, uint64_t most, uint64_t *lo,
                          uint64_t *length)
{
    uint64_t count, all;
    struct kith__range *r;

    kith__guard_enter(&j->guard);
    count = atomic_load(&j->returned_count);
    if (count == 0) {
        kith__guard_leave(&j->guard);
        return 0;
    }
    r = &kith__job_returned(j)[count - 1];
    *lo = atomic_load(&r->lo);
    all = atomic_load(&r->length);
    if (j->share && most > (all + 1) / 2) /* what was given back is for two */
        most = (all + 1) / 2;
    /* Each claim, and what was granted, may come back as one more range: when these would not all have room,
     * a range is claimed as a whole. It was a part of a claim, so it lies side by side. */
    *length = count + j->workers + atomic_load(&j->granted_count) < j->room && all > most ? most : all;
    kith__guard_set(&j->guard, &cell->intent, *lo << 16 | *length << 1 | 1);
    kith__guard_set(&j->guard, &cell->before, atomic_load(&cell->done));
    kith__guard_set(&j->guard, &cell->at, KITH__AT_NONE);
    kith__guard_set(&j->guard, &cell->tries, atomic_load(&r->tries));
    if (*length == all)
        kith__guard_set(&j->guard, &j->returned_count, count - 1);
    else {
        kith__guard_set(&j->guard, &r->lo, *lo + *length);
        kith__guard_set(&j->guard, &r->length, all - *length);
        kith__guard_set(&j->guard, &r->tries, 0); /* of its first unit only, which we have */
    }
    kith__guard_commit(&j->guard);
    kith__guard_leave(&j->guard);
    return 1;
}

/* An intent that lost its race, and that no other follows, must be asked about in the cells of all others: so
 * who goes to rest leaves none, else hundreds that rest would make each look for the frontier take the square
 * of that. .lo stays: it may be read while the next one is written, and must not be too large then. */
static void drop_intent(struct kith__cell *cell)
{
    uint64_t intent = atomic_load_explicit(&cell->intent, memory_order_relaxed);

    if (!(intent & 1) && intent_length(intent))
        atomic_store_explicit(&cell->intent, intent_lo(intent) << 16, memory_order_release);
}

int kith__claim(struct kith__job *j, uint32_t worker, uint64_t most, uint64_t *last, uint64_t *lo,
                uint64_t *length)
{
    struct kith__cell *cell = &j->cells[worker];
    /* Perhaps nobody has claimed since we did. If somebody has, the failing CAS brings the cursor here for
     * writing at once, where a look would bring it for reading first. */
    uint64_t cursor = *last ? *last : atomic_load(&j->cursor), limit, intent, moved;

    for (int guessed = *last != 0;; guessed = 0) {
        if (atomic_load_explicit(&j->cancelled, memory_order_relaxed))
            return 0;
        if (atomic_load(&j->returned_count) > 0 && claim_returned(j, cell, most, lo, length))
            return 1;
        *lo = cursor >> 16;
        limit = atomic_load(&j->limit);
        if (*lo >= limit) {
            if (!guessed) {
                drop_intent(cell);
                return 0;
            }
            cursor = atomic_load(&j->cursor);
            continue;
        }
        *length = side_by_side(j, *lo, limit - *lo < most ? limit - *lo : most);
        if ((cursor & 65535) && (cursor & 65535) != worker + 1)
            keep(j, worker, cursor);
        intent = *lo << 16 | *length << 1;
        /* The intent before .before: else the claim that it replaces would seem to be live again. */
        atomic_store_explicit(&cell->intent, intent, memory_order_release);
        atomic_store_explicit(&cell->before, atomic_load_explicit(&cell->done, memory_order_relaxed),
                              memory_order_release);
        atomic_store_explicit(&cell->tries, 0, memory_order_release);
        kith__failpoint("claim: intent written");
        moved = (*lo + *length) << 16 | (worker + 1);
        if (atomic_compare_exchange_weak(&j->cursor, &cursor, moved)) {
            *last = moved;
            kith__failpoint("claim: cursor moved");
            atomic_store_explicit(&cell->intent, intent | 1, memory_order_release);
            kith__failpoint("claim: confirmed");
            return 1;
        }
        kith__failpoint("claim: lost the race");
    }
}

void kith__put_back(struct kith__job *j, uint64_t *count, uint64_t lo, uint64_t length, uint64_t tries)
{
    struct kith__range *r = &kith__job_returned(j)[*count];

    kith__guard_set(&j->guard, &r->lo, lo);
    kith__guard_set(&j->guard, &r->length, length);
    kith__guard_set(&j->guard, &r->tries, tries);
    ++*count;
}

/* In the guard: the claim of cell is over, with so many units done in all; count ranges have been returned.
 */
static void retire_claim(struct kith__job *j, struct kith__cell *cell, uint64_t count, uint64_t done)
{
    kith__guard_set(&j->guard, &j->returned_count, count);
    kith__guard_set(&j->guard, &cell->intent, 0);
    kith__guard_set(&j->guard, &cell->at, KITH__AT_NONE);
    kith__guard_set(&j->guard, &cell->done, done);
    kith__guard_commit(&j->guard);
}

void kith__retire(struct kith__job *j, uint32_t worker, uint64_t length)
{
    struct kith__cell *cell = &j->cells[worker];
    uint64_t done = atomic_load_explicit(&cell->before, memory_order_relaxed) + length;

    kith__failpoint("claim: units run");
    atomic_store_explicit(&cell->done, done, memory_order_release);
    kith__failpoint("claim: retired");
    if (j->windowed)
        kith__retired(j);
}

/* As settle_claim does it for the dead. */
void kith__retire_part(struct kith__job *j, uint32_t worker)
{
    struct kith__cell *cell = &j->cells[worker];
    uint64_t intent = atomic_load(&cell->intent), lo = intent_lo(intent), end = lo + intent_length(intent);
    uint64_t next = atomic_load(&cell->at) + 1, count;

    kith__guard_enter(&j->guard);
    count = atomic_load(&j->returned_count);
    if (next < end)
        kith__put_back(j, &count, next, end - next, 0);
    retire_claim(j, cell, count, atomic_load(&cell->done) + (next - lo));
    kith__guard_leave(&j->guard);
    kith__failpoint("claim: part retired");
}

void kith__retired(struct kith__job *j)
{
    /* Of two workers that finish at once, at least one sees that all is done; and the poster either sees
     * our units or we see that it waits. */
    kith__fence();
    if ((atomic_load(&j->eager) || kith__job_complete(j)) && kith__has_waiters(&j->waiters))
        kith__wake_all(&j->waiters);
}

/* -------------------------------------------------------------- cancelling */

void kith__lane_condemn(struct kith__lane *lane, uint64_t touch, uint64_t unit)
{
    atomic_store(&lane->condemned_unit, unit + 1); /* none is 0 then */
    atomic_store(&lane->condemned, touch);
}

int kith__lane_is_condemned(const struct kith__pool *p, uint32_t worker)
{
    struct kith__lane *lane = kith__lane(p, worker);
    uint64_t touch = atomic_load(&lane->condemned), unit = atomic_load(&lane->condemned_unit);
    const struct kith__cell *cell;

    if (touch == 0 || atomic_load(&lane->depth) == 0 || atomic_load(&lane->touching[0]) != touch)
        return 0;
    if (unit == 0)
        return 1;
    cell = &kith__post_job(kith__post(p, kith__touched_post(touch)))->cells[worker];
    return atomic_load(&cell->at) == unit - 1 && atomic_load(&cell->done) == atomic_load(&cell->before);
}

/* -------------------------------------------------------------- faults */

static int has_fault(const struct kith__job *j, uint64_t unit)
{
    for (uint64_t at = atomic_load(&j->faults); at; at = atomic_load(&entry_at(at)->next))
        if (entry_at(at)->unit == unit)
            return 1;
    return 0;
}

/* How many units worker w has come through, whatever became of them, and the one that it is at, when that has
 * failed: it stays there as long as we are in the guard. now: the unit whose fault is being linked. */
static uint64_t run_by(struct kith__job *j, uint32_t w, uint64_t now)
{
    const struct kith__cell *cell = &j->cells[w];
    uint64_t done, run, at, intent;

    do {
        run = done = atomic_load(&cell->done);
        if (!is_live(j, w, atomic_load(&j->cursor)))
            continue;
        intent = atomic_load(&cell->intent);
        at = atomic_load(&cell->at);
        if (at >= intent_lo(intent) && at < intent_lo(intent) + intent_length(intent))
            run += at - intent_lo(intent) + (at == now || has_fault(j, at));
    } while (atomic_load(&cell->done) != done);
    return run;
}

/* In whose cell its unit was, or is. */
static uint32_t cell_of(const struct kith__job *j, const struct kith__fault_entry *e)
{
    return e->node ? j->others : (uint32_t)e->worker;
}

/* Those for which there was no memory may be anybody's. */
static uint64_t faults_of(const struct kith__job *j, uint32_t w)
{
    uint64_t count = atomic_load(&j->fault_count);

    for (uint64_t at = atomic_load(&j->faults); at; at = atomic_load(&entry_at(at)->next))
        count -= cell_of(j, entry_at(at)) != w;
    return count;
}

/* Whether some unit has not failed, in the guard, where what is known of faults stands still. Looked for once
 * only: in a job that goes on it is remembered. */
static int some_succeeded(struct kith__job *j, uint32_t worker, uint64_t unit)
{
    for (uint32_t w = 0; w < j->workers && !atomic_load(&j->some_succeeded); w++)
        if (run_by(j, w, unit) > faults_of(j, w) + (w == worker))
            atomic_store(&j->some_succeeded, 1);
    return (int)atomic_load(&j->some_succeeded);
}

/* In j's guard, before its commit: a fault of worker in unit, with a block where there was memory for one;
 * and the end of the job, when it is one too many. Returns how many there are then. */
static uint64_t link_fault(struct kith__job *j, uint64_t block, uint32_t worker, uint64_t unit)
{
    uint64_t count = atomic_load(&j->fault_count) + 1;

    if (block) {
        kith__guard_set(&j->guard, &entry_at(block)->next, atomic_load(&j->faults));
        kith__guard_set(&j->guard, &j->faults, block);
        kith__guard_set(&j->guard, kith__heap_owner(block), 0);
    }
    kith__guard_set(&j->guard, &j->fault_count, count);
    if (j->halt > 0 ? count >= (uint64_t)j->halt
                    : j->halt == 0 && count >= HALT && !some_succeeded(j, worker, unit))
        kith__guard_set(&j->guard, &j->cancelled, KITH__HALTED);
    return count;
}

static uint64_t make_fault(const struct kith__fault_entry *what, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    uint64_t block = kith__heap_alloc(sizeof *what + length + 1, kith__me);
    struct kith__fault_entry *e;

    if (block == 0)
        return 0;
    e = entry_at(block);
    memcpy(e, what, sizeof *what);
    memcpy(e->text, text ? text : "", length);
    e->text[length] = '\0';
    return block;
}

static void mark(struct kith__job *j, uint64_t unit)
{
    uint64_t place;

    if (j->out_ring == 0)
        return;
    place = unit % j->out_ring;
    atomic_fetch_or(&kith__job_marks(j)[place / 64], UINT64_C(1) << place % 64);
}

void kith__job_mark_rest(struct kith__job *j)
{
    uint64_t count = atomic_load(&j->returned_count);

    for (uint64_t i = 0; i < count; i++)
        for (uint64_t n = 0; n < atomic_load(&kith__job_returned(j)[i].length); n++)
            mark(j, atomic_load(&kith__job_returned(j)[i].lo) + n);
}

int kith__job_fault(struct kith__job *j, const struct kith__fault_entry *what, const char *text)
{
    uint64_t block = make_fault(what, text), count;

    kith__guard_enter(&j->guard);
    if (j->kind == KITH__JOB_ROW) {
        kith__row_fault(j, block, what->unit);
        count = 0;
    } else {
        count = link_fault(j, block, cell_of(j, what), what->unit);
        kith__guard_commit(&j->guard);
    }
    kith__guard_leave(&j->guard);
    if (count == 1)
        kith__wake_all(&j->waiters); /* the poster tells of the first one at once */
    kith__failpoint("fault: told");
    mark(j, what->unit);
    return block ? 0 : KITH_ENOMEM;
}

/* ------------------------------------------------------------- settling */

void kith__death_fault(const struct kith__death *d, uint32_t worker, struct kith__fault_entry *e)
{
    memset(e, 0, sizeof *e);
    e->pid = d->pid;
    e->worker = (int32_t)worker;
    if (d->over_limit)
        e->end = KITH_END_OVER_LIMIT;
    else if (WIFSIGNALED(d->status)) {
        e->end = KITH_END_SIGNALLED;
        e->signal = WTERMSIG(d->status);
    } else {
        e->end = KITH_END_EXITED;
        e->code = WEXITSTATUS(d->status);
    }
    if (d->over_memory)
        e->end = KITH_END_OVER_MEMORY;
    memcpy(&e->crash, &d->crash, sizeof e->crash);
}

static uint64_t fault_of_death(const struct kith__death *d, uint32_t worker, uint64_t unit)
{
    struct kith__fault_entry e;

    kith__death_fault(d, worker, &e);
    e.unit = unit;
    return make_fault(&e, d->why);
}

/* Whether a dead worker had the result of the unit that it was at. It takes the place of the argument,
 * whether it had been written already or not. */
static int write_result(struct kith__job *j, uint32_t worker, uint64_t unit)
{
    struct kith__kept_result *r = kith__job_result(j, worker);
    uint64_t value = atomic_load(&r->value);

    if (!kith__job_keeps_results(j) || atomic_load(&r->unit) != unit + 1)
        return 0;
    memcpy((char *)kith__at(j->out) + kith__job_place(j, unit) * j->out_size, &value, j->out_size);
    return 1;
}

enum blame {
    FREE,
    TRIED,
    OVER
}; /* of the unit that was being run: nothing is its fault; it used a try; it may not try again */

/* What a function has done in the place of its argument, half or whole, it must not begin with again. */
static uint64_t tries_of(const struct kith__job *j)
{
    return j->in_place && !kith__job_keeps_results(j) ? 1 : j->tries;
}

/* Whether the unit that a dead worker was at had ended: it had failed; in a row, in any way. */
static int is_over(struct kith__job *j, uint64_t unit)
{
    return j->kind == KITH__JOB_ROW ? kith__row_is_over(j, unit) : has_fault(j, unit);
}

/* In j's guard, before its commit: that unit has failed. */
static void end_dead(struct kith__job *j, uint32_t worker, uint64_t unit, uint64_t fault)
{
    if (j->kind == KITH__JOB_ROW) {
        kith__row_fault(j, fault, unit);
        kith__row_tell(j, unit);
    } else
        link_fault(j, fault, worker, unit);
}

/* In j's guard: how far a dead worker came in its live claim, at that depth. */
static void log_claim(const struct kith__job *j, const struct kith__lane *lane, uint32_t worker,
                      uint32_t depth)
{
    uint64_t intent = atomic_load(&j->cells[worker].intent), lo = intent_lo(intent),
             at = atomic_load(&j->cells[worker].at);

    if (at >= lo && at < lo + intent_length(intent)) /* else it had not begun */
        kith__joblog_died(j, lane, worker, depth, lo, at + 1 - lo);
}

/* In j's guard: splits the live claim of a dead worker into what is done, what goes back, what has failed. */
static void settle_claim(struct kith__job *j, uint32_t worker, const struct kith__death *d, enum blame blame)
{
    struct kith__cell *cell = &j->cells[worker];
    uint64_t intent = atomic_load(&cell->intent), lo = intent_lo(intent), end = lo + intent_length(intent);
    uint64_t at = atomic_load(&cell->at), done = atomic_load(&cell->done),
             count = atomic_load(&j->returned_count);
    uint64_t tries = atomic_load(&cell->tries);

    if (at < lo || at >= end) /* it had not begun */
        kith__put_back(j, &count, lo, end - lo, tries);
    else {
        uint64_t used = (at == lo ? tries : 0) + (blame != FREE), first = at;

        if (is_over(j, at)) { /* and its worker came no further */
            mark(j, at);
            first++;
        } else if (write_result(j, worker, at)) {
            first++;
        } else if (blame == OVER || (blame == TRIED && used >= tries_of(j))) {
            mark(j, at); /* whoever has to settle this again will find the same */
            end_dead(j, worker, at, fault_of_death(d, worker, at));
            first++;
        } else if (j->kind == KITH__JOB_ROW)
            kith__row_again(j, at);
        done += first - lo;
        if (first < end)
            kith__put_back(j, &count, first, end - first, first == at ? used : 0);
    }
    retire_claim(j, cell, count, done);
}

/* The jobs of the claims above the outermost one were posted by the dead process itself, for a task of that:
 * their faults would be told to nobody, and the task would make the same calls for ever. So it is the one
 * that used a try. */
static enum blame blame_at(const struct kith__death *d, uint32_t at, uint32_t depth)
{
    if (at > 0)
        return FREE;
    return d->over_limit && depth == 1 ? OVER : TRIED;
}

static struct kith__job *touched(const struct kith__pool *p, const struct kith__lane *lane, uint32_t depth)
{
    return kith__post_job(kith__post(p, kith__touched_post(atomic_load(&lane->touching[depth]))));
}

/* Not of a later call, in the same place. */
static int is_inside(const struct kith__lane *lane, uint32_t depth, const struct kith__job *j)
{
    uint64_t touching = atomic_load(&lane->touching[depth]);

    return kith__touch(j->seq, kith__touched_post(touching)) == touching;
}

void kith__settle(struct kith__pool *p, uint32_t worker)
{
    struct kith__lane *lane = kith__lane(p, worker);
    uint32_t depth = atomic_load(&lane->depth);

    if (!atomic_load(&lane->death.unsettled))
        return;
    for (uint32_t d = depth; d-- > 0;) {
        struct kith__job *j = touched(p, lane, d);

        kith__guard_enter(&j->guard);
        /* A job that this process was inside of is not reused, so seq is its own. */
        if (is_inside(lane, d, j) && is_live(j, worker, atomic_load(&j->cursor))) {
            if (d > 0)
                /* its caller has died here: what goes back must not be begun again */
                atomic_store(&j->cancelled, KITH__ABANDONED);
            if (kith__joblog_on)
                log_claim(j, lane, worker, d);
            settle_claim(j, worker, &lane->death, blame_at(&lane->death, d, depth));
        }
        kith__guard_leave(&j->guard);
        kith__failpoint("settle: a job settled");
        kith__fence();
        kith__wake_all(&j->waiters);
    }
    atomic_store(&lane->depth, 0);
    kith__failpoint("settle: out of the jobs");
    for (uint32_t d = 0; d < depth; d++) { /* who waits for a halted one to be left */
        struct kith__job *j = touched(p, lane, d);

        if (kith__job_halted(j))
            kith__wake_all(&j->waiters);
    }
    atomic_store(&lane->death.unsettled, 0);
}
