/* crew.c: see crew.h. */
#include "config.h"
#include "pool/crew.h"
#include "base/log.h"
#include "base/system.h"
#include "pool/branch.h"
#include "pool/errand.h"
#include "pool/known.h"

#include <limits.h>
#include <string.h>

static const int64_t look_least_ns = 50000, look_most_ns = 100 * KITH__MS;

void kith__crew_lock(struct kith__crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
}

void kith__crew_unlock(struct kith__crew *crew)
{
    pthread_mutex_unlock(&crew->mutex);
}

void kith__crew_tell(struct kith__crew *crew, int most)
{
    atomic_fetch_add(&crew->changes, 1);
    if (crew->asleep > 0)
        kith__futex_wake(&crew->changes, most);
}

/* Locked, but for the time that it sleeps. ns < 0: until something is told. */
static void sleep_until_told(struct kith__crew *crew, int64_t ns)
{
    uint32_t seen = atomic_load(&crew->changes);

    crew->asleep++;
    kith__crew_unlock(crew);
    kith__futex_wait(&crew->changes, seen, ns);
    kith__crew_lock(crew);
    crew->asleep--;
}

int64_t kith__crew_ask(struct kith__crew *crew, unsigned method, struct kith__args *in,
                       struct kith__result *out)
{
    return kith__invoke(crew->home.id, KITH__POOL_KIND, method, in, out, KITH_FOREVER);
}

void kith__crew_end_claims(struct kith__crew *crew)
{
    kith__crew_lock(crew);
    crew->ends = 1;
    kith__crew_tell(crew, INT_MAX);
    kith__crew_unlock(crew);
}

void kith__crew_leave_with(struct kith__crew *crew, const struct kith__branch_fault *f)
{
    struct kith__args in = { .bytes = f, .size = f ? sizeof *f : 0 };
    int left;

    kith__crew_end_claims(crew);
    kith__crew_lock(crew);
    left = crew->left;
    crew->left = 1;
    kith__crew_unlock(crew);
    if (!left)
        kith__crew_ask(crew, KITH__POOL_LEAVE, &in, &(struct kith__result){ 0 });
}

void kith__crew_leave(struct kith__crew *crew)
{
    kith__crew_leave_with(crew, NULL);
}

void kith__crew_give_up(struct kith__crew *crew, const char *why)
{
    kith__crew_lock(crew);
    if (crew->ends)
        why = NULL;
    kith__crew_unlock(crew);
    if (why)
        kith__notice("%s takes no part in a pool any more: %s", kith__shared->host, why);
    kith__crew_leave(crew);
}

/* ------------------------------------------------------------------ whose turn it is to claim */

/* Locked. */
static struct kith__deal deal_now(const struct kith__crew *crew)
{
    struct kith__deal d =
        crew->jobs.first ? crew->jobs.first->deal : (struct kith__deal){ .workers = crew->workers };

    d.trip_ns = crew->line.trip_ns;
    d.byte_ns = crew->line.byte_ns;
    d.batch = kith__deal_batch(&crew->single);
    return d;
}

/* Locked: units of all grants that are not done. */
static uint64_t count_unfinished(const struct kith__crew *crew)
{
    uint64_t unfinished = 0;

    for (const struct kith__errand *r = crew->running.first; r; r = r->link.next) {
        uint64_t done = r->ended ? r->units : 0;

        for (uint32_t w = 0; r->posted && w < r->call.job->workers; w++)
            done += atomic_load(&r->call.job->cells[w].done);
        unfinished += done < r->units ? r->units - done : 0;
    }
    return unfinished;
}

/* Locked: until a grant has come or gone, or, at due ns, what there is may have become little. One looks for
 * all; and once before, as units may be cheaper than those before. */
static void await_change(struct kith__crew *crew, double due)
{
    double ns = due / 2;

    if (crew->watched || due <= 0) {
        sleep_until_told(crew, -1);
        return;
    }
    crew->watched = 1;
    sleep_until_told(crew, ns < (double)look_least_ns  ? look_least_ns
                           : ns > (double)look_most_ns ? look_most_ns
                                                       : (int64_t)ns);
    crew->watched = 0;
}

/* Locked: what is so just now. */
struct moment {
    struct kith__deal deal;
    uint64_t in_size, out_size, unfinished;
};

static struct moment look(const struct kith__crew *crew)
{
    const struct kith__parcel_job *j = crew->jobs.first ? &crew->jobs.first->job : NULL;

    return (struct moment){ deal_now(crew), j ? j->in_size : 0, j ? j->out_size : 0, count_unfinished(crew) };
}

/* Locked. Tasks of a row come one by one: then there is a claim for each worker that has none. Or in batches:
 * then the next one comes while one is at work, and who has done that claims as it returns the results. */
static int is_turn_for_items(const struct kith__crew *crew, const struct moment *now)
{
    const uint64_t unfinished = now->unfinished;

    if (!crew->items)
        return 0;
    return now->deal.batch > 1
               ? crew->asking < (unfinished ? 1 : 2) && unfinished < 2 * (uint64_t)KITH__DEAL_BATCH
               : unfinished + crew->asking < crew->workers;
}

/* Locked. */
static int is_turn(const struct kith__crew *crew, const struct moment *now)
{
    return is_turn_for_items(crew, now) ||
           kith__deal_asks(&now->deal, now->in_size, now->out_size, now->unfinished, crew->asking) > 0;
}

/* Locked: when the next claim is due; 0: when something changes. */
static double due(const struct kith__crew *crew, const struct moment *now)
{
    return kith__deal_due(&now->deal, now->in_size, now->out_size, now->unfinished, crew->asking);
}

void kith__crew_call_next(struct kith__crew *crew)
{
    struct moment now;

    if (crew->asleep == 0)
        return;
    now = look(crew);
    if (is_turn(crew, &now) || due(crew, &now) > 0)
        kith__crew_tell(crew, 1);
}

/* Locked. 1: it is, and was taken. */
static int take_turn(struct kith__crew *crew, const struct moment *now, uint64_t *news, struct kith__deal *d)
{
    if (!is_turn(crew, now))
        return 0;
    crew->asking++;
    *news = crew->news;
    *d = now->deal;
    return 1;
}

int kith__crew_take_turn(struct kith__crew *crew, uint64_t *news, struct kith__deal *d)
{
    struct moment now;
    int is;

    kith__crew_lock(crew);
    now = look(crew);
    is = !crew->ends && take_turn(crew, &now, news, d);
    kith__crew_call_next(crew);
    kith__crew_unlock(crew);
    return is;
}

int kith__crew_await_turn(struct kith__crew *crew, uint64_t *news, struct kith__deal *d)
{
    struct moment now;

    kith__crew_lock(crew);
    while (!crew->ends) {
        now = look(crew);
        if (take_turn(crew, &now, news, d)) {
            kith__crew_call_next(crew);
            kith__crew_unlock(crew);
            return 1;
        }
        await_change(crew, due(crew, &now));
    }
    kith__crew_unlock(crew);
    return 0;
}

void kith__crew_begin(struct kith__crew *crew, struct kith__errand *r)
{
    kith__crew_lock(crew);
    crew->items = r->is_item;
    kith__link_first(&crew->running, r, link);
    crew->asking--;
    kith__crew_call_next(crew); /* it is known now when the next claim is due */
    kith__crew_unlock(crew);
}

void kith__crew_end(struct kith__crew *crew, struct kith__errand *r, int claims)
{
    kith__crew_lock(crew);
    kith__unlink(&crew->running, r, link);
    if (!claims)
        kith__crew_call_next(crew);
    kith__crew_unlock(crew);
}

void kith__crew_got_none(struct kith__crew *crew)
{
    kith__crew_lock(crew);
    crew->asking--;
    kith__crew_call_next(crew);
    kith__crew_unlock(crew);
}
