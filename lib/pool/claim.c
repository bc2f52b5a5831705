/* claim.c: see claim.h. Called by worker.c and grant.c. */
#include "config.h"
#include "pool/claim.h"
#include "base/system.h"

int kith__job_complete(const struct kith__job *j)
{
    uint64_t done = 0;

    for (uint32_t w = 0; w < j->workers; w++)
        done += atomic_load_explicit(&j->cells[w].done, memory_order_acquire);
    return done == j->units;
}

/* Where worker keeps the cursor with the name of other. Up to KITH__KEPT others have a word each. */
static kith__word *kept_word(struct kith__job *j, uint32_t worker, uint32_t other)
{
    uint32_t behind = other > worker ? other - worker : other + j->workers - worker; /* from 1 on */

    return &j->cells[worker].kept[(behind - 1) % KITH__KEPT];
}

/* Whether w has moved the cursor as it says in its intent, seen with the cursor as it was before the intent
 * was read. */
static int was_made(struct kith__job *j, uint32_t w, uint64_t intent, uint64_t cursor)
{
    uint64_t moved = (kith__intent_lo(intent) + kith__intent_length(intent)) << 16 | (w + 1);

    if ((intent & 1) || cursor == moved)
        return 1;
    for (uint32_t other = 0; other < j->workers; other++)
        if (other != w && atomic_load(kept_word(j, other, w)) == moved)
            return 1;
    return atomic_load(&j->cells[w].intent) == (intent | 1); /* it is confirmed before a word is used again */
}

/* Whether the claim in cell w is live. */
int kith__claim_is_live(struct kith__job *j, uint32_t w, uint64_t cursor)
{
    const struct kith__cell *cell = &j->cells[w];
    uint64_t intent = atomic_load(&cell->intent);

    return kith__intent_length(intent) && was_made(j, w, intent, cursor) &&
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
        uint64_t lo = kith__intent_lo(atomic_load(&j->cells[w].intent));

        /* Read before it is judged: should the worker go on meanwhile, lo is too small, never too large. */
        if (lo < frontier && kith__claim_is_live(j, w, cursor))
            frontier = lo;
    }
    kith__guard_leave(&j->guard);
    return frontier;
}

/* ------------------------------------------------------------ the claim itself */

static void confirm(struct kith__cell *cell, uint64_t position)
{
    uint64_t intent = atomic_load(&cell->intent);

    if (!(intent & 1) && kith__intent_length(intent) &&
        kith__intent_lo(intent) + kith__intent_length(intent) == position)
        atomic_compare_exchange_strong(&cell->intent, &intent, intent | 1);
}

/* Before the cursor that was found is replaced: that its claimer has made that claim must not be forgotten.
 * When it is found again with another claim, the old one is over; a word that another claimer had needs a
 * look at that one's cell. To look at cells at each claim would cost as much as the cursor itself. */
static void keep(struct kith__job *j, uint32_t worker, uint64_t cursor)
{
    uint32_t claimer = (uint32_t)(cursor & 65535), before;
    kith__word *kept;
    uint64_t old;

    kept = kept_word(j, worker, claimer - 1);
    old = atomic_load_explicit(kept, memory_order_relaxed);
    before = (uint32_t)(old & 65535);
    if (before != 0 && before != claimer)
        confirm(&j->cells[before - 1], old >> 16);
    kith__failpoint("claim: old cursor confirmed");
    atomic_store_explicit(kept, cursor, memory_order_release);
    kith__failpoint("claim: cursor kept");
}

/* A claim does not cross the end of a ring: its elements lie side by side. */
static uint64_t within_ring(uint64_t ring, uint64_t lo, uint64_t length)
{
    uint64_t room = ring ? ring - kith__ring_slot(ring, lo) : length;

    return length < room ? length : room;
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

    if (!(intent & 1) && kith__intent_length(intent))
        atomic_store_explicit(&cell->intent, kith__intent_lo(intent) << 16, memory_order_release);
}

int kith__claim(struct kith__job *j, uint32_t worker, uint64_t most, uint64_t *lo, uint64_t *length)
{
    struct kith__cell *cell = &j->cells[worker];
    uint64_t cursor, limit, intent;

    kith__bring(&j->cursor); /* for writing at once: a look alone would bring it for reading first */
    cursor = atomic_load(&j->cursor);
    for (;;) {
        if (atomic_load_explicit(&j->cancelled, memory_order_relaxed))
            return 0;
        if (atomic_load(&j->returned_count) > 0 && claim_returned(j, cell, most, lo, length))
            return 1;
        *lo = cursor >> 16;
        limit = atomic_load(&j->limit);
        if (*lo >= limit) {
            drop_intent(cell);
            return 0;
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
        if (atomic_compare_exchange_weak(&j->cursor, &cursor, (*lo + *length) << 16 | (worker + 1))) {
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
void kith__claim_over(struct kith__job *j, struct kith__cell *cell, uint64_t count, uint64_t done)
{
    kith__guard_set(&j->guard, &j->returned_count, count);
    kith__guard_set(&j->guard, &cell->intent, 0);
    kith__guard_set(&j->guard, &cell->at, KITH__AT_NONE);
    kith__guard_set(&j->guard, &cell->done, done);
    kith__guard_commit(&j->guard);
}

/* As settle_claim does it for the dead. */
void kith__retire_part(struct kith__job *j, uint32_t worker)
{
    struct kith__cell *cell = &j->cells[worker];
    uint64_t intent = atomic_load(&cell->intent), lo = kith__intent_lo(intent),
             end = lo + kith__intent_length(intent);
    uint64_t next = atomic_load(&cell->at) + 1, count;

    kith__guard_enter(&j->guard);
    count = atomic_load(&j->returned_count);
    if (next < end)
        kith__put_back(j, &count, next, end - next, 0);
    kith__claim_over(j, cell, count, atomic_load(&cell->done) + (next - lo));
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
