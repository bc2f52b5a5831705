/* intake.c: see intake.h. Called by branch.c. */
#include "config.h"
#include "pool/intake.h"
#include "pool/branch.h"
#include "pool/chunk.h"
#include "pool/fault.h"
#include "pool/parcel.h"
#include "pool/row.h"
#include "pool/settle.h"
#include "base/error.h"
#include "shm/heap.h"

#include <string.h>

enum { TEXT_MOST = 512, LARGE = 64 << 10 };

static uint64_t bit(uint64_t unit)
{
    return UINT64_C(1) << unit % 64;
}

struct failed { /* which units of a grant */
    uint64_t bits[KITH__CHUNK_MOST / 64 + 1];
};

static void find_failed(const void *bytes, struct failed *failed)
{
    struct kith__parcel_faults faults = kith__parcel_faults(bytes);
    struct kith__parcel_fault f;
    const char *text;

    memset(failed, 0, sizeof *failed);
    while (kith__parcel_next_fault(&faults, &f, &text))
        failed->bits[f.unit / 64] |= bit(f.unit);
}

static int has_failed(const struct failed *failed, uint64_t unit)
{
    return (failed->bits[unit / 64] & bit(unit)) != 0;
}

static char *address_of_result(const struct kith__job *j, uint64_t unit)
{
    return (char *)kith__at(j->out) +
           j->out_size * (j->out_ring ? unit % j->out_ring : kith__job_position(j, unit));
}

/* Results of any size are memory of this node, which is everybody's as that of a task that has ended well. */
static uint64_t take_memory(const struct kith__job *j, const struct kith__grant *g, const void *bytes,
                            uint64_t done, const struct failed *failed)
{
    uint64_t at = 0, size, block;

    for (uint64_t i = 0; i < done; i++) {
        const void *from = kith__parcel_result_of(bytes, i, &at, &size);
        kith_bytes b = { NULL, (size_t)size };

        if (has_failed(failed, i))
            continue;
        if (size > 0) {
            if (!(block = kith__heap_alloc_lasting(size, 0)))
                return i;
            memcpy(b.data = kith__at(block), from, size);
        }
        memcpy(address_of_result(j, g->lo + i), &b, sizeof b);
    }
    return done;
}

/* Those of units that have failed keep their bytes. Returns how many of them: less where memory is short. */
static uint64_t copy_results(struct kith__job *j, const struct kith__grant *g, const void *bytes,
                             const struct kith__parcel_result *r)
{
    const char *from = kith__parcel_results(bytes);
    struct failed failed;
    uint64_t done = r->done;

    if (j->out_size == 0)
        return done;
    find_failed(bytes, &failed);
    if (j->kind == KITH__JOB_VARIABLE) {
        j->brought += r->size;
        j->bringing += done;
        return take_memory(j, g, bytes, done, &failed);
    }
    for (uint64_t i = 0; i < done && j->order; i++)
        if (!has_failed(&failed, i))
            memcpy(address_of_result(j, g->lo + i), from + i * j->out_size, j->out_size);
    if (!j->order && done * j->out_size >= LARGE)
        kith__arena_meet(kith__offset(address_of_result(j, g->lo)), done * j->out_size);
    for (uint64_t i = 0, end; i < done && !j->order; i = end + 1) {
        for (end = i; end < done && !has_failed(&failed, end); end++)
            ;
        memcpy(address_of_result(j, g->lo) + i * j->out_size, from + i * j->out_size,
               (end - i) * j->out_size);
    }
    return done;
}

static void take_fault(struct kith__job *j, const struct kith__grant *g, uint32_t node,
                       const struct kith__parcel_fault *f, const char *bytes)
{
    struct kith__fault_entry e = {
        .unit = g->lo + f->unit,
        .end = f->end,
        .code = f->code,
        .signal = f->signal,
        .pid = f->pid,
        .worker = f->worker,
        .node = node + 1,
    };
    uint32_t size = f->text_size < TEXT_MOST ? f->text_size : TEXT_MOST - 1;
    char text[TEXT_MOST];

    memcpy(text, bytes, size);
    text[size] = '\0';
    kith__job_fault(j, &e, text);
}

/* Of the first done units. */
static void take_faults(struct kith__job *j, const struct kith__grant *g, uint32_t node, const void *bytes,
                        uint64_t done)
{
    struct kith__parcel_faults faults = kith__parcel_faults(bytes);
    struct kith__parcel_fault f;
    const char *text;

    while (kith__parcel_next_fault(&faults, &f, &text))
        if (f.unit < done)
            take_fault(j, g, node, &f, text);
}

/* The result of an item, at to. 0: there is no memory for it. */
static int copy_item(const struct kith__callee *c, const void *bytes, void *to)
{
    uint64_t at = 0, size, block;
    const void *from;
    kith_bytes b;

    if (c->kind != KITH__JOB_VARIABLE) {
        if (c->out_size)
            memcpy(to, kith__parcel_results(bytes), c->out_size);
        return 1;
    }
    from = kith__parcel_result_of(bytes, 0, &at, &size);
    b = (kith_bytes){ NULL, (size_t)size };
    if (size > 0) {
        if (!(block = kith__heap_alloc_lasting(size, 0)))
            return 0;
        memcpy(b.data = kith__at(block), from, size);
    }
    memcpy(to, &b, sizeof b);
    return 1;
}

/* The agent is inside of j, a row. What was not done is settled as such: see grant.h. */
static void take_item(struct kith__pool *p, struct kith__job *j, uint32_t node, const void *bytes,
                      const struct kith__parcel_result *r, const struct kith__grant *g)
{
    struct kith__item *item = kith__row_item(kith__job_row(j), g->lo);
    const struct kith__callee *c = kith__at(item->callee);
    uint64_t done = r->done;

    if (r->faults > 0)
        take_faults(j, g, node, bytes, done);
    else if (done > 0 && !copy_item(c, bytes, kith__item_out(item, c)))
        done = 0;
    else if (done > 0 && !kith__item_done(j, item))
        kith__item_begin(item); /* one that was cancelled meanwhile ends so, whatever it has given */
    kith__grant_settle(j, p->workers, g->epoch, done, done == r->done ? r->tries : 0);
    kith__row_tell(j, g->lo);
}

/* The agent is inside of j. */
static int64_t take(struct kith__pool *p, struct kith__job *j, const struct kith__caller *who,
                    const void *bytes, uint64_t size, const struct kith__parcel_result *r)
{
    struct kith__grant g;
    uint64_t done;
    int rc;

    if (!kith__grant_find(j, r->epoch, who, &g))
        return kith__fail(KITH_ESTALE, "these results come too late: their tasks were given to others");
    if ((rc = kith__parcel_check_result(j, &g, bytes, size)) < 0) {
        kith__grant_settle(j, p->workers, r->epoch, 0, g.tries);
        return rc;
    }
    if (j->kind == KITH__JOB_ROW) {
        take_item(p, j, who->node, bytes, r, &g);
        return 0;
    }
    done = copy_results(j, &g, bytes, r);
    if (r->faults < r->done) /* before the first fault can halt it */
        atomic_store(&j->some_succeeded, 1);
    take_faults(j, &g, who->node, bytes, done);
    kith__grant_settle(j, p->workers, r->epoch, done, done == r->done ? r->tries : 0);
    return 0;
}

int64_t kith__intake(struct kith__pool *p, const struct kith__caller *who, const void *bytes, uint64_t size,
                     uint64_t *length, struct kith__result *out)
{
    struct kith__branches *all = kith__branches(p);
    struct kith__parcel_result r;
    struct kith__job *j;
    int64_t rc = kith__parcel_read_result(bytes, size, &r);

    if (rc < 0)
        return rc;
    *length = kith__parcel_result_length(&r, size);
    if (r.post >= kith__posts(p) || !(j = kith__post_job(kith__post(p, r.post))))
        return kith__fail(KITH_EPEER, "node %u returns results of a job that never was", who->node);
    if (kith__job_enter(p, &all->lane, r.post, r.seq)) {
        rc = take(p, j, who, bytes, *length, &r);
        kith__job_leave(&all->lane, j);
    } else { /* its caller has given it up, and waits until nobody has any of it */
        kith__grant_settle(j, p->workers, r.epoch, 0, 0);
        rc = kith__fail(KITH_ESTALE, "these results come too late: nobody waits for them");
    }
    if (atomic_load(&j->returned_count) > 0) {
        kith__pool_offers(p);
        kith__tell_one(out, KITH__POOL_IDLE);
        kith__tell_all(out, KITH__POOL_FOREMEN);
    }
    return rc;
}

int kith__intake_is_due(struct kith__pool *p, const struct kith__caller *who, const void *bytes,
                        uint64_t size)
{
    struct kith__parcel_result r;
    struct kith__grant g;
    struct kith__job *j;

    return kith__parcel_read_result(bytes, size, &r) < 0 || r.post >= kith__posts(p) ||
           !(j = kith__post_job(kith__post(p, r.post))) || kith__grant_find(j, r.epoch, who, &g);
}
