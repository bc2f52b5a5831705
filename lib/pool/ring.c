/* ring.c: see ring.h. Called by call.c. */
#include "config.h"
#include "pool/ring.h"
#include "pool/claim.h"
#include "pool/settle.h"
#include "base/error.h"
#include "shm/heap.h"

#include <string.h>

/* A ring of some MiB stays in the caches. More than that when the elements are so large that workers would
 * have to wait for room: enough for one slow task to let the others go on, or at least for each worker and
 * one that is filled and emptied. */
static const uint64_t ring_bytes = 4 << 20, ring_bytes_more = 64 << 20, step_bytes = 256 << 10;
static const uint64_t at_once_bytes = 4096;
enum { RING_LEAST = 3 };

/* ---- what moves through them */

static char *ring_at(uint64_t base, uint64_t size, uint64_t ring, uint64_t i)
{
    return (char *)kith__at(base) + kith__ring_slot(ring, i) * size;
}

/* How many elements from i on lie side by side in the ring, at most n. */
static uint64_t run_length(uint64_t ring, uint64_t i, uint64_t n)
{
    uint64_t room = ring - kith__ring_slot(ring, i);

    return n < room ? n : room;
}

static uint64_t mark_of(uint64_t slot)
{
    return UINT64_C(1) << slot % 64;
}

/* Copies the results of n slots, but those of tasks that failed: their outputs keep their bytes. Clears the
 * marks. */
static void copy_good(const struct kith__job *j, uint64_t slot, uint64_t n, char *to, const char *from)
{
    _Atomic uint64_t *marks = kith__job_marks(j);

    for (uint64_t i = 0, good; i < n; i = good) {
        for (good = i; good < n && !(atomic_load(&marks[(slot + good) / 64]) & mark_of(slot + good)); good++)
            ;
        memcpy(to + i * j->out_size, from + i * j->out_size, (good - i) * j->out_size);
        for (; good < n && atomic_load(&marks[(slot + good) / 64]) & mark_of(slot + good); good++)
            atomic_fetch_and(&marks[(slot + good) / 64], ~mark_of(slot + good));
    }
}

/* The same where units have an order of their own: each result goes to its element. */
static void copy_each_out(const struct kith__call *c, uint64_t slot, uint64_t n, const char *from)
{
    const struct kith__job *j = c->job;
    _Atomic uint64_t *marks = kith__job_marks(j);

    for (uint64_t i = 0; i < n; i++) {
        _Atomic uint64_t *mark = &marks[(slot + i) / 64];

        if (atomic_load(mark) & mark_of(slot + i))
            atomic_fetch_and(mark, ~mark_of(slot + i));
        else
            memcpy((char *)c->out + kith__job_element(j, c->out_done + i) * j->out_size,
                   from + i * j->out_size, j->out_size);
    }
}

void kith__rings_move_out(struct kith__call *c, uint64_t until)
{
    struct kith__job *j = c->job;

    while (c->out_done < until) {
        uint64_t n = run_length(j->out_ring, c->out_done, until - c->out_done);
        const char *from = ring_at(j->out, j->out_size, j->out_ring, c->out_done);
        char *to = (char *)c->out + c->out_done * j->out_size;

        if (j->order)
            copy_each_out(c, c->out_done % j->out_ring, n, from);
        else if (atomic_load(&j->fault_count) == 0 && !kith__job_halted(j)) /* no marks */
            memcpy(to, from, n * j->out_size);
        else
            copy_good(j, c->out_done % j->out_ring, n, to, from);
        c->out_done += n;
    }
}

void kith__rings_move_rest(struct kith__call *c)
{
    struct kith__job *j = c->job;

    if (!j->out_ring)
        return;
    kith__job_mark_rest(j);
    kith__rings_move_out(c, atomic_load(&j->cursor) >> 16);
}

static uint64_t copy_in(struct kith__call *c, uint64_t from, uint64_t n)
{
    struct kith__job *j = c->job;

    if (!j->in_ring)
        return n;
    n = run_length(j->in_ring, from, n);
    for (uint64_t i = 0; i < n && j->order; i++)
        memcpy(ring_at(j->in, j->in_size, j->in_ring, from + i),
               (const char *)c->in + kith__job_element(j, from + i) * j->in_size, j->in_size);
    if (j->order)
        return n;
    memcpy(ring_at(j->in, j->in_size, j->in_ring, from), (const char *)c->in + from * j->in_size,
           n * j->in_size);
    return n;
}

/* What there is room for goes in. 1: something did. */
int kith__rings_move_in(struct kith__call *c)
{
    struct kith__job *j = c->job;
    uint64_t limit = atomic_load(&j->limit), free_until, n;

    free_until = c->out_done + c->window < j->units ? c->out_done + c->window : j->units;
    if (limit >= free_until)
        return 0;
    n = free_until - limit < c->step ? free_until - limit : c->step;
    kith__job_raise(j, c->object, limit + copy_in(c, limit, n));
    return 1;
}

/* What is done comes out, and more goes in. 1: something moved. */
int kith__rings_move(struct kith__call *c)
{
    struct kith__job *j = c->job;
    uint64_t frontier = kith__job_frontier(j);
    int moved = j->out_ring && frontier > c->out_done;

    if (moved)
        kith__rings_move_out(c, frontier);
    else if (!j->out_ring)
        c->out_done = frontier;
    return kith__rings_move_in(c) || moved;
}

/* ---- where they lie */

/* size bytes that this post keeps for the next job. */
static uint64_t keep(struct kith__job *j, enum kith__ring which, uint64_t size)
{
    uint64_t old = atomic_load(&j->kept[which]), block;

    if (size <= sizeof j->small[which])
        return kith__offset(&j->small[which]);
    if (old && kith__heap_size_of(old) >= size)
        return old;
    if ((block = kith__heap_alloc(size, kith__me)) == 0)
        return 0;
    kith__guard_enter(&j->guard);
    kith__guard_set(&j->guard, &j->kept[which], block);
    kith__guard_set(&j->guard, kith__heap_owner(block), 0);
    if (old)
        kith__guard_set(&j->guard, kith__heap_owner(old), kith__me);
    kith__guard_commit(&j->guard);
    kith__guard_leave(&j->guard);
    kith__heap_free(old);
    return block;
}

void kith__ring_give_back(struct kith__job *j, enum kith__ring which, uint64_t at)
{
    if (at != kith__offset(&j->small[which]) && at != atomic_load(&j->kept[which]))
        kith__heap_free(at);
}

/* What a large one takes goes back at the end of the call. A ring of bytes has an eighth more for marks. */
uint64_t kith__ring_take(struct kith__job *j, enum kith__ring which, uint64_t size)
{
    return size <= ring_bytes + ring_bytes / 8 ? keep(j, which, size) : kith__heap_alloc(size, kith__me);
}

/* Workers reach it where it is. */
static int is_here(const struct kith__job *j, const void *p, uint64_t size)
{
    return j->local || kith__arena_holds(p, size);
}

/* A ring for window elements of size, when the user's memory is not ours. */
static int make_ring(struct kith__job *j, enum kith__ring which, const void *p, uint64_t size,
                     uint64_t window, uint64_t *at, uint64_t *ring)
{
    if (size == 0)
        return 0;
    if (is_here(j, p, j->n * size)) {
        *at = kith__offset(p);
        return 0;
    }
    *ring = window;
    if ((*at = kith__ring_take(j, which,
                               ((window * size + 7) & ~UINT64_C(7)) + kith__job_marks_size(window))) == 0)
        *ring = 0;
    return *at ? 0 : KITH_ENOMEM;
}

static uint64_t window_of(uint64_t each, uint64_t workers, uint64_t n)
{
    uint64_t window, roomy;

    if (each == 0)
        return n;
    window = ring_bytes / each;
    roomy = ring_bytes_more / each < 4 * workers ? ring_bytes_more / each : 4 * workers;
    window = window > roomy ? window : roomy;
    window = window > workers + 1 ? window : workers + 1;
    window = window > RING_LEAST ? window : RING_LEAST;
    return window < n ? window : n;
}

static int make_rings(struct kith__job *j, const struct kith__call_spec *s, uint64_t window)
{
    int rc = make_ring(j, KITH__RING_IN, s->in, s->in_size, window, &j->in, &j->in_ring);

    if (rc == 0 &&
        (rc = make_ring(j, KITH__RING_OUT, s->out, s->out_size, window, &j->out, &j->out_ring)) < 0 &&
        j->in_ring) {
        kith__ring_give_back(j, KITH__RING_IN, j->in);
        j->in = j->in_ring = 0;
    }
    return rc;
}

/* Results may take the place of their own arguments. Where tasks would read what others have written, the
 * outcome would depend on who is faster; that is told where it is seen for sure: where they reach both in
 * place. */
static int check_overlap(struct kith__job *j, const struct kith__call_spec *s)
{
    uintptr_t in = (uintptr_t)s->in, out = (uintptr_t)s->out;
    char name[64];

    if (s->in_size == 0 || s->out_size == 0 || !is_here(j, s->in, s->n * s->in_size) ||
        !is_here(j, s->out, s->n * s->out_size) || in >= out + s->n * s->out_size ||
        out >= in + s->n * s->in_size)
        return 0;
    if (s->n > 1 && (in != out || s->in_size != s->out_size))
        return kith__fail(
            KITH_EINVAL,
            "the results of %s overlap the arguments of other tasks: use one array for both, or "
            "two that do not overlap",
            kith__call_name(s, name, sizeof name));
    j->in_place = 1;
    for (uint32_t w = 0; w < j->workers; w++)
        atomic_store(&kith__job_result(j, w)->unit, 0);
    return 0;
}

int kith__rings_make(struct kith__call *c, const struct kith__call_spec *s)
{
    struct kith__job *j = c->job;
    uint64_t each = s->in_size + s->out_size, window = s->n;
    int is_small = s->n <= at_once_bytes && each <= at_once_bytes && s->n * each <= at_once_bytes;
    int rc = check_overlap(j, s);

    if (rc < 0)
        return rc;
    j->units = s->n;
    if (!is_small)
        window = window_of(each, j->workers, s->n);
    /* Where memory is short it goes with less, down to one element after the other. */
    while ((rc = make_rings(j, s, window)) < 0)
        if ((window /= 2) == 0)
            return rc;
    if (j->out_ring)
        memset(kith__job_marks(j), 0, kith__job_marks_size(window));
    c->window = window;
    c->step = is_small ? s->n : each && step_bytes / each > 0 ? step_bytes / each : 1;
    /* A few bytes go in and come out at once: to look meanwhile how far it is would cost more. */
    j->windowed = (j->in_ring || j->out_ring) && !(is_small && window == s->n);
    return 0;
}
