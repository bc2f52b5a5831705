/* grant.c: see grant.h. */
#include "config.h"
#include "pool/grant.h"
#include "pool/claim.h"
#include "pool/row.h"

/* In the guard, before its commit: the live claim of cell is the last of the granted ranges, and the cell's
 * no more. */
static void move_claim(struct kith__job *j, struct kith__cell *cell, const struct kith__grant *g,
                       uint64_t holder)
{
    uint64_t count = atomic_load(&j->granted_count);
    struct kith__granted *self = &kith__job_granted(j)[count];

    kith__guard_set(&j->guard, &self->epoch, g->epoch);
    kith__guard_set(&j->guard, &self->lo, g->lo);
    kith__guard_set(&j->guard, &self->length, g->length);
    kith__guard_set(&j->guard, &self->tries, g->tries);
    kith__guard_set(&j->guard, &self->holder, holder);
    kith__guard_set(&j->guard, &j->granted_count, count + 1);
    kith__guard_set(&j->guard, &cell->intent, 0);
}

/* What was tried before is granted alone: whoever runs it counts on. A guess, as others return and claim. */
static uint64_t at_most(struct kith__job *j, uint64_t most)
{
    uint64_t count = atomic_load(&j->returned_count);

    return count > 0 && atomic_load(&kith__job_returned(j)[count - 1].tries) > 0 ? 1 : most;
}

int kith__grant_make(struct kith__job *j, uint32_t cell, uint64_t most, const struct kith__caller *who,
                     uint64_t epoch, struct kith__grant *g)
{
    struct kith__cell *self = &j->cells[cell];

    if (atomic_load(&j->granted_count) == j->grants ||
        !kith__claim(j, cell, at_most(j, most), &g->lo, &g->length))
        return 0;
    g->epoch = epoch;
    g->tries = atomic_load(&self->tries);
    kith__guard_enter(&j->guard);
    move_claim(j, self, g, kith__holder(who));
    kith__guard_commit(&j->guard);
    kith__guard_leave(&j->guard);
    kith__failpoint("grant: made");
    return 1;
}

/* That of epoch; NULL: there is none any more. Nobody else adds or removes one. */
static struct kith__granted *find(struct kith__job *j, uint64_t epoch)
{
    uint64_t count = atomic_load(&j->granted_count);

    for (uint64_t i = 0; i < count; i++)
        if (atomic_load(&kith__job_granted(j)[i].epoch) == epoch)
            return &kith__job_granted(j)[i];
    return NULL;
}

static void read_grant(const struct kith__granted *self, struct kith__grant *g)
{
    *g = (struct kith__grant){ atomic_load(&self->epoch), atomic_load(&self->lo), atomic_load(&self->length),
                               atomic_load(&self->tries) };
}

int kith__grant_find(struct kith__job *j, uint64_t epoch, const struct kith__caller *who,
                     struct kith__grant *g)
{
    const struct kith__granted *self = find(j, epoch);

    if (!self || !kith__is_same(atomic_load(&self->holder), who))
        return 0;
    read_grant(self, g);
    return 1;
}

int kith__grant_next(struct kith__job *j, const struct kith__caller *who, struct kith__grant *g)
{
    uint64_t count = atomic_load(&j->granted_count);

    for (uint64_t i = 0; i < count; i++)
        if (kith__is_same(atomic_load(&kith__job_granted(j)[i].holder), who)) {
            read_grant(&kith__job_granted(j)[i], g);
            return 1;
        }
    return 0;
}

/* In the guard, before its commit: the last one takes its place. */
static void take_out(struct kith__job *j, struct kith__granted *self)
{
    uint64_t count = atomic_load(&j->granted_count) - 1;
    const struct kith__granted *last = &kith__job_granted(j)[count];

    kith__guard_set(&j->guard, &j->granted_count, count);
    if (self == last)
        return;
    kith__guard_set(&j->guard, &self->epoch, atomic_load(&last->epoch));
    kith__guard_set(&j->guard, &self->lo, atomic_load(&last->lo));
    kith__guard_set(&j->guard, &self->length, atomic_load(&last->length));
    kith__guard_set(&j->guard, &self->tries, atomic_load(&last->tries));
    kith__guard_set(&j->guard, &self->holder, atomic_load(&last->holder));
}

/* Of a row: an item that was not done is queued again, or it has ended, as it was condemned. */
static uint64_t end_item(struct kith__job *j, uint64_t unit)
{
    if (kith__row_is_over(j, unit))
        return 1;
    kith__row_again(j, unit);
    return 0;
}

/* In the guard: its first done units count as cell's, the others go back. */
static void settle(struct kith__job *j, struct kith__granted *self, struct kith__cell *cell, uint64_t done,
                   uint64_t tries)
{
    uint64_t lo = atomic_load(&self->lo), length = atomic_load(&self->length),
             count = atomic_load(&j->returned_count);

    if (j->kind == KITH__JOB_ROW && done == 0)
        done = end_item(j, lo);
    if (done < length) {
        kith__put_back(j, &count, lo + done, length - done, tries);
        kith__guard_set(&j->guard, &j->returned_count, count);
    }
    if (done > 0)
        kith__guard_set(&j->guard, &cell->done, atomic_load(&cell->done) + done);
    take_out(j, self);
    kith__guard_commit(&j->guard);
}

int kith__grant_settle(struct kith__job *j, uint32_t cell, uint64_t epoch, uint64_t done, uint64_t tries)
{
    struct kith__granted *self = find(j, epoch);

    if (!self || done > atomic_load(&self->length))
        return 0;
    kith__guard_enter(&j->guard);
    settle(j, self, &j->cells[cell], done, tries);
    kith__guard_leave(&j->guard);
    kith__failpoint("grant: settled");
    kith__retired(j);
    return 1;
}

uint32_t kith__grants_give_back(struct kith__job *j, uint32_t cell, const struct kith__caller *who)
{
    uint32_t given_back = 0;

    kith__guard_enter(&j->guard);
    for (uint64_t i = 0; i < atomic_load(&j->granted_count);) {
        struct kith__granted *self = &kith__job_granted(j)[i];

        if (!kith__is_same(atomic_load(&self->holder), who)) {
            i++;
            continue;
        }
        settle(j, self, &j->cells[cell], 0, atomic_load(&self->tries)); /* another one is in its place now */
        given_back++;
    }
    kith__guard_leave(&j->guard);
    if (given_back > 0)
        kith__retired(j);
    return given_back;
}

uint64_t kith__grants_of(struct kith__job *j, const struct kith__caller *who)
{
    uint64_t count = atomic_load(&j->granted_count), units = 0;

    for (uint64_t i = 0; i < count; i++) {
        const struct kith__granted *self = &kith__job_granted(j)[i];

        if (kith__is_same(atomic_load(&self->holder), who))
            units += atomic_load(&self->length);
    }
    return units;
}

int kith__grant_has(struct kith__job *j, uint64_t unit)
{
    int has = 0;

    kith__guard_enter(&j->guard);
    for (uint64_t i = 0; i < atomic_load(&j->granted_count) && !has; i++) {
        const struct kith__granted *self = &kith__job_granted(j)[i];

        has = unit - atomic_load(&self->lo) < atomic_load(&self->length);
    }
    kith__guard_leave(&j->guard);
    return has;
}
