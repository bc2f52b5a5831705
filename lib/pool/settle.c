/* settle.c: see settle.h. */
#include "config.h"
#include "pool/settle.h"
#include "pool/claim.h"
#include "pool/joblog.h"
#include "pool/row.h"
#include "shm/heap.h"
#include "base/system.h"

#include <string.h>
#include <sys/wait.h>

enum { HALT = 100 }; /* the failures that are enough when not one task has succeeded */

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
        if (!kith__claim_is_live(j, w, atomic_load(&j->cursor)))
            continue;
        intent = atomic_load(&cell->intent);
        at = atomic_load(&cell->at);
        if (at >= kith__intent_lo(intent) && at < kith__intent_lo(intent) + kith__intent_length(intent))
            run += at - kith__intent_lo(intent) + (at == now || has_fault(j, at));
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
    uint64_t slot;

    if (j->out_ring == 0)
        return;
    slot = unit % j->out_ring;
    atomic_fetch_or(&kith__job_marks(j)[slot / 64], UINT64_C(1) << slot % 64);
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
    uint64_t block = make_fault(what, text), count = 0;
    int kept = 1;

    kith__guard_enter(&j->guard);
    if (j->kind == KITH__JOB_ROW)
        kept = kith__row_fault(j, block, what->unit);
    else {
        count = link_fault(j, block, cell_of(j, what), what->unit);
        kith__guard_commit(&j->guard);
    }
    kith__guard_leave(&j->guard);
    if (!kept)
        kith__heap_free(block);
    if (count == 1)
        kith__wake_all(&j->waiters); /* the poster tells of the first one at once */
    kith__failpoint("fault: told");
    mark(j, what->unit);
    return block || !kept ? 0 : KITH_ENOMEM;
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
    memcpy((char *)kith__at(j->out) + kith__job_position(j, unit) * j->out_size, &value, j->out_size);
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
    uint64_t intent = atomic_load(&j->cells[worker].intent), lo = kith__intent_lo(intent),
             at = atomic_load(&j->cells[worker].at);

    if (at >= lo && at < lo + kith__intent_length(intent)) /* else it had not begun */
        kith__joblog_died(j, lane, worker, depth, lo, at + 1 - lo);
}

/* Whether that unit was to end with its worker. */
static int is_cancelled(const struct kith__job *j, uint64_t unit)
{
    enum kith__item_state state;

    if (j->kind != KITH__JOB_ROW)
        return kith__job_halted(j);
    state = kith__item_state(kith__row_item(kith__job_row(j), unit));
    return state == KITH__ITEM_CONDEMNED || state == KITH__ITEM_CANCELLED;
}

/* In j's guard: the unit that a dead worker was at. again: it may be tried again. 1: it is over; 0: it goes
 * back. *returned: 1: it had come to its end. */
static int settle_unit(struct kith__job *j, uint32_t worker, const struct kith__death *d, uint64_t unit,
                       int again, int *returned)
{
    *returned = 1;
    if (is_over(j, unit)) { /* and its worker came no further */
        mark(j, unit);
        return 1;
    }
    if (write_result(j, worker, unit))
        return 1;
    *returned = 0;
    if (!again) {
        mark(j, unit); /* whoever has to settle this again will find the same */
        end_dead(j, worker, unit, fault_of_death(d, worker, unit));
        return 1;
    }
    if (j->kind == KITH__JOB_ROW)
        kith__row_again(j, unit);
    return 0;
}

/* In j's guard, before its commit: for kith_pool_stats. */
static void record_claim(struct kith__job *j, struct kith__lane *lane, uint32_t depth, uint64_t lo,
                         uint64_t at, int returned, int cancelled)
{
    struct kith__fault_entry end;

    kith__death_fault(&lane->death, 0, &end);
    if (cancelled)
        end.end = KITH_END_SIGNALLED;
    if (j->kind == KITH__JOB_ROW && cancelled)
        returned = 0;
    kith__record_settle(&lane->record, j, lo, at, depth == 0, returned ? NULL : &end);
}

/* In j's guard: splits the live claim of a dead worker into what is done, what goes back, what has failed. */
static void settle_claim(struct kith__job *j, struct kith__lane *lane, uint32_t worker, uint32_t depth,
                         enum blame blame)
{
    struct kith__cell *cell = &j->cells[worker];
    uint64_t intent = atomic_load(&cell->intent), lo = kith__intent_lo(intent),
             end = lo + kith__intent_length(intent);
    uint64_t at = atomic_load(&cell->at), done = atomic_load(&cell->done),
             count = atomic_load(&j->returned_count);
    uint64_t tries = atomic_load(&cell->tries);

    if (at < lo || at >= end) /* it had not begun */
        kith__put_back(j, &count, lo, end - lo, tries);
    else {
        uint64_t used = (at == lo ? tries : 0) + (blame != FREE), first = at;
        int again = !(blame == OVER || (blame == TRIED && used >= tries_of(j)));
        int cancelled = is_cancelled(j, at), returned;

        first += (uint64_t)settle_unit(j, worker, &lane->death, at, again, &returned);
        done += first - lo;
        if (first < end)
            kith__put_back(j, &count, first, end - first, first == at ? used : 0);
        record_claim(j, lane, depth, lo, at, returned, cancelled);
    }
    kith__claim_over(j, cell, count, done);
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
        if (is_inside(lane, d, j) && kith__claim_is_live(j, worker, atomic_load(&j->cursor))) {
            if (d > 0)
                /* its caller has died here: what goes back must not be begun again */
                atomic_store(&j->cancelled, KITH__ABANDONED);
            if (kith__joblog_on)
                log_claim(j, lane, worker, d);
            settle_claim(j, lane, worker, d, blame_at(&lane->death, d, depth));
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
