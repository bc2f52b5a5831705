/* board.c: see board.h. Called by pool.c, call.c and feed.c (posters), and worker.c (workers). */
#include "config.h"
#include "pool/board.h"
#include "base/error.h"
#include "base/moves.h"
#include "pool/branch.h"
#include "pool/row.h"
#include "pool/settle.h"
#include "shm/heap.h"
#include "base/system.h"

#include <string.h>

_Static_assert(sizeof(struct kith__pool) <= KITH__BODY_SIZE, "a pool is the body of its object");

/* -------------------------------------------------------------- states */

static const struct kith__move lane_moves[] = {
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
static const struct kith__move pool_moves[] = {
    { KITH__POOL_OPEN, KITH__POOL_CLOSE, KITH__POOL_CLOSING },
    { KITH__POOL_OPEN, KITH__POOL_TERMINATE, KITH__POOL_TERMINATED },
    { KITH__POOL_CLOSING, KITH__POOL_TERMINATE, KITH__POOL_TERMINATED },
    { KITH__POOL_OPEN, KITH__POOL_BREAK, KITH__POOL_BROKEN },
    { KITH__POOL_CLOSING, KITH__POOL_BREAK, KITH__POOL_BROKEN },
};

int kith__lane_move(struct kith__lane *lane, enum kith__lane_event event)
{
    return KITH__MOVE(&lane->state, event, lane_moves);
}

int kith__pool_move(struct kith__pool *p, enum kith__pool_event event)
{
    return KITH__MOVE(&p->state, event, pool_moves);
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

/* By what is seen now. */
static int looks_untouched(const struct kith__pool *p, uint32_t post)
{
    const struct kith__branches *others = kith__branches(p);
    const struct kith__job *j;

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

int kith__job_untouched(const struct kith__pool *p, uint32_t post)
{
    kith__fence();
    return looks_untouched(p, post);
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
        if (!looks_untouched(p, i)) {
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

/* The first one that is free, so that few calls share few posts, whose memory is warm. */
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

/* Who has just left the job may still look whether to wake somebody there. */
static void clear(struct kith__waiters *set)
{
    uint64_t words = atomic_load(&set->summary) ? atomic_exchange(&set->summary, 0) : 0;

    for (; words; words &= words - 1)
        atomic_store_explicit(&set->bits[__builtin_ctzll(words)], 0, memory_order_relaxed);
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
    j->local = p->threads != 0;
    /* Nobody reads these before it is announced. */
    atomic_store_explicit(&j->cursor, 0, memory_order_relaxed);
    atomic_store_explicit(&j->limit, 0, memory_order_relaxed);
    atomic_store_explicit(&j->cancelled, KITH__NOT_CANCELLED, memory_order_relaxed);
    atomic_store_explicit(&j->eager, 0, memory_order_relaxed);
    atomic_store_explicit(&j->bored, 0, memory_order_relaxed);
    atomic_store_explicit(&j->some_succeeded, 0, memory_order_relaxed);
    atomic_store_explicit(&j->returned_count, 0, memory_order_relaxed);
    atomic_store_explicit(&j->fault_count, 0, memory_order_relaxed);
    clear(&j->waiters);
    memset(j->cells, 0, cells * sizeof j->cells[0]);
    for (uint32_t w = 0; w < cells; w++)
        atomic_store_explicit(&j->cells[w].at, KITH__AT_NONE, memory_order_relaxed);
    return j;
}

/* From now on workers look whether a job is announced there. */
static void show(struct kith__pool *p, uint32_t post)
{
    uint32_t t = kith__post_table_of(post);
    uint64_t bit;
    _Atomic uint64_t *word = active_word(p, post, &bit);

    atomic_fetch_or(word, bit);
    if (!(atomic_load(&p->busy) >> t & 1)) /* behind the other bit: see look_at */
        atomic_fetch_or(&p->busy, UINT64_C(1) << t);
}

struct kith__job *kith__job_keep(struct kith__object *o, uint32_t *post, int *rc)
{
    struct kith__job *j = kith__job_take(o, post, rc);

    if (!j)
        return NULL;
    atomic_store(&kith__post(kith__pool_body(o), *post)->kept, 1);
    show(kith__pool_body(o), *post);
    return j;
}

void kith__job_post(struct kith__pool *p, struct kith__job *j, uint32_t post)
{
    if (kith__branches(p))
        j->posted_at = kith__now_ns();
    j->seq = atomic_fetch_add(&p->seq, 1) + 1;
    if (j->root == 0)
        j->root = j->seq;
    atomic_store_explicit(&kith__post(p, post)->priority, j->priority, memory_order_relaxed);
    atomic_store_explicit(&kith__post(p, post)->root, j->root, memory_order_relaxed);
    atomic_store(&kith__post(p, post)->announced, j->seq);
    show(p, post);
    kith__failpoint("job: posted");
}

/* That there is a task: 0: only some that sleep could be told, and another one, which does not stand among
 * them, may be about to look around. When all of them stand there, nobody is. */
static int tell_one(const struct kith__pool *p, struct kith__waiters *idle)
{
    uint32_t idlers = kith__has_waiters(idle) ? kith__waiters_count(idle) : 0;

    if (idlers == 0)
        return 1;
    return idlers >= p->workers ? kith__wake_any(idle) : kith__wake_awake(idle);
}

void kith__job_raise(struct kith__job *j, struct kith__object *pool, uint64_t limit)
{
    struct kith__waiters *idle = kith__object_waiters(pool, KITH__POOL_IDLE);
    uint64_t old = atomic_load(&j->limit), fresh = limit - old;

    atomic_store(&j->limit, limit);
    if (atomic_load(&j->cursor) >> 16 >= old)
        kith__pool_offers(kith__pool_body(pool));
    if (j->is_awaited) {
        j->is_unheard = !tell_one(kith__pool_body(pool), idle);
        return;
    }
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

/* The jobs of a post that was kept have numbers of their poster's, the next one has one of the pool's. */
static void catch_up(_Atomic uint64_t *seq, uint64_t used)
{
    uint64_t seen = atomic_load(seq);

    while (seen < used && !atomic_compare_exchange_weak(seq, &seen, used))
        ;
}

void kith__job_withdraw(struct kith__pool *p, uint32_t post)
{
    struct kith__post *self = kith__post(p, post);

    kith__job_hide(p, post);
    atomic_store(&self->announced, 0);
    if (atomic_load(&self->kept)) {
        catch_up(&p->seq, kith__post_job(self)->seq);
        atomic_store(&self->kept, 0);
    }
    atomic_store_explicit(&self->poster, 0, memory_order_release);
    if (atomic_load_explicit(&p->free_from, memory_order_relaxed) > post)
        atomic_store_explicit(&p->free_from, post, memory_order_relaxed);
}

void kith__job_finish(const struct kith__pool *p, uint32_t post)
{
    struct kith__job *j = kith__post_job(kith__post(p, post));

    if (j)
        kith__guard_finish(&j->guard);
}

static int has_work(const struct kith__pool *p, uint64_t bits, uint32_t first)
{
    for (; bits; bits &= bits - 1) {
        const struct kith__post *post = kith__post(p, first + (uint32_t)__builtin_ctzll(bits));
        const struct kith__job *j = kith__post_job(post);

        if (atomic_load(&post->kept) && atomic_load(&post->announced) == 0)
            continue; /* for the next call that a task makes */
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

/* ------------------------------------------------------------ workers come and go */

int kith__job_enter(struct kith__pool *p, struct kith__lane *lane, uint32_t post, uint64_t seq)
{
    uint32_t depth = atomic_load_explicit(&lane->depth, memory_order_relaxed);

    uint64_t bit;
    const _Atomic uint64_t *word = active_word(p, post, &bit);

    atomic_store_explicit(&lane->touching[depth], kith__touch(seq, post), memory_order_release);
    atomic_store_explicit(&lane->depth, depth + 1, memory_order_release);
    atomic_store_explicit(&kith__post(p, post)->visited, 1, memory_order_release);
    kith__fence();
    kith__failpoint("job: touched");
    /* The poster clears these before it looks who touches the job. */
    if (atomic_load(word) & bit && atomic_load(&kith__post(p, post)->announced) == seq)
        return 1;
    atomic_store(&lane->depth, depth);
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
        kith__die();
    if (kith__job_halted(j))
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

    /* A process that has just begun still has to settle what the former one was at. */
    if (touch == 0 || atomic_load(&lane->state) != KITH__LANE_READY)
        return 0;
    if (atomic_load(&lane->depth) == 0 || atomic_load(&lane->touching[0]) != touch)
        return 0;
    if (unit == 0)
        return 1;
    cell = &kith__post_job(kith__post(p, kith__touched_post(touch)))->cells[worker];
    return atomic_load(&cell->at) == unit - 1 && atomic_load(&cell->done) == atomic_load(&cell->before);
}
