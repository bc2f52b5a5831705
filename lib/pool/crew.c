/* crew.c: see crew.h. */
#include "config.h"
#include "pool/crew.h"
#include "base/log.h"
#include "base/system.h"
#include "pool/branch.h"
#include "pool/errand.h"
#include "pool/known.h"

#include <string.h>
#include <time.h>

static const int64_t look_least_ns = 50000, look_most_ns = 100 * KITH__MS;

struct kith__crew kith__crew = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void kith__crew_lock(void)
{
    pthread_mutex_lock(&kith__crew.mutex);
}

void kith__crew_unlock(void)
{
    pthread_mutex_unlock(&kith__crew.mutex);
}

int64_t kith__crew_ask(unsigned method, struct kith__args *in, struct kith__result *out)
{
    return kith__invoke(kith__crew.home.id, KITH__POOL_KIND, method, in, out, KITH_FOREVER);
}

void kith__crew_end_claims(void)
{
    kith__crew_lock();
    kith__crew.ends = 1;
    pthread_cond_broadcast(&kith__crew.changed);
    kith__crew_unlock();
}

void kith__crew_leave_with(const struct kith__branch_fault *f)
{
    struct kith__args in = { .bytes = f, .size = f ? sizeof *f : 0 };
    int left;

    kith__crew_end_claims();
    kith__crew_lock();
    left = kith__crew.left;
    kith__crew.left = 1;
    kith__crew_unlock();
    if (!left)
        kith__crew_ask(KITH__POOL_LEAVE, &in, &(struct kith__result){ 0 });
}

void kith__crew_leave(void)
{
    kith__crew_leave_with(NULL);
}

void kith__crew_give_up(const char *why)
{
    kith__crew_lock();
    if (kith__crew.ends)
        why = NULL;
    kith__crew_unlock();
    if (why)
        kith__notice("%s takes no part in a pool any more: %s", kith__shared->host, why);
    kith__crew_leave();
}

/* ------------------------------------------------------------------ whose turn it is to claim */

/* Locked. */
static struct kith__deal deal_now(void)
{
    struct kith__deal d = kith__crew.jobs.first ? kith__crew.jobs.first->deal
                                                : (struct kith__deal){ .workers = kith__crew.workers };

    d.trip_ns = kith__crew.line.trip_ns;
    d.byte_ns = kith__crew.line.byte_ns;
    d.batch = kith__deal_batch(&kith__crew.single);
    return d;
}

/* Locked: units of all grants that are not done. */
static uint64_t count_unfinished(void)
{
    uint64_t unfinished = 0;

    for (const struct kith__errand *r = kith__crew.running.first; r; r = r->link.next) {
        uint64_t done = 0;

        for (uint32_t w = 0; r->posted && w < r->call.job->workers; w++)
            done += atomic_load(&r->call.job->cells[w].done);
        unfinished += done < r->units ? r->units - done : 0;
    }
    return unfinished;
}

/* Locked: until a grant has come or gone, or, at due ns, what there is may have become little. One looks for
 * all; and once before, as units may be cheaper than those before. */
static void await_change(double due)
{
    struct timespec until;
    double ns = due / 2;
    int64_t at;

    if (kith__crew.watched || due <= 0) {
        pthread_cond_wait(&kith__crew.changed, &kith__crew.mutex);
        return;
    }
    at = kith__now_ns() + (ns < (double)look_least_ns  ? look_least_ns
                           : ns > (double)look_most_ns ? look_most_ns
                                                       : (int64_t)ns);
    until = (struct timespec){ at / 1000000000, at % 1000000000 };
    kith__crew.watched = 1;
    pthread_cond_timedwait(&kith__crew.changed, &kith__crew.mutex, &until);
    kith__crew.watched = 0;
}

/* Locked. Tasks of a row come one by one: then there is a claim for each worker that has none. Or in batches:
 * then the next one comes while one is at work. */
static int is_turn_for_items(const struct kith__deal *d, uint64_t unfinished)
{
    if (!kith__crew.items)
        return 0;
    return d->batch > 1 ? kith__crew.asking < 2 && unfinished < 2 * KITH__DEAL_BATCH
                        : unfinished + kith__crew.asking < kith__crew.workers;
}

/* Locked. */
static int is_turn(const struct kith__deal *d, uint64_t in_size, uint64_t out_size, uint64_t unfinished)
{
    return is_turn_for_items(d, unfinished) ||
           kith__deal_asks(d, in_size, out_size, unfinished, kith__crew.asking) > 0;
}

int kith__crew_await_turn(uint64_t *news, struct kith__deal *d)
{
    kith__crew_lock();
    while (!kith__crew.ends) {
        const struct kith__parcel_job *j = kith__crew.jobs.first ? &kith__crew.jobs.first->job : NULL;
        uint64_t in_size = j ? j->in_size : 0, out_size = j ? j->out_size : 0,
                 unfinished = count_unfinished();

        *d = deal_now();
        if (is_turn(d, in_size, out_size, unfinished)) {
            kith__crew.asking++;
            *news = kith__crew.news;
            pthread_cond_signal(&kith__crew.changed);
            kith__crew_unlock();
            return 1;
        }
        await_change(kith__deal_due(d, in_size, out_size, unfinished, kith__crew.asking));
    }
    kith__crew_unlock();
    return 0;
}

void kith__crew_begin(struct kith__errand *r)
{
    kith__crew_lock();
    kith__crew.items = r->is_item;
    kith__link_first(&kith__crew.running, r, link);
    kith__crew.asking--;
    pthread_cond_signal(&kith__crew.changed); /* it is known now when the next claim is due */
    kith__crew_unlock();
}

void kith__crew_end(struct kith__errand *r)
{
    kith__crew_lock();
    kith__unlink(&kith__crew.running, r, link);
    pthread_cond_signal(&kith__crew.changed);
    kith__crew_unlock();
}

void kith__crew_got_none(void)
{
    kith__crew_lock();
    kith__crew.asking--;
    pthread_cond_signal(&kith__crew.changed);
    kith__crew_unlock();
}
