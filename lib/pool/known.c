/* known.c: see known.h. */
#include "config.h"
#include "pool/known.h"
#include "base/error.h"
#include "pool/branch.h"
#include "pool/crew.h"

#include <stdlib.h>
#include <string.h>

static struct kith__known *find_job(const struct kith__crew *crew, uint64_t seq)
{
    struct kith__known *k = crew->jobs.first;

    while (k && k->job.seq != seq)
        k = k->link.next;
    return k;
}

/* Locked. To the front: the next claims are like this one. */
static struct kith__known *use(struct kith__crew *crew, struct kith__known *k)
{
    kith__unlink(&crew->jobs, k, link);
    kith__link_first(&crew->jobs, k, link);
    k->users++;
    return k;
}

void kith__known_free(struct kith__known *k)
{
    if (k)
        free(k->bytes);
    free(k);
}

/* Locked. Nobody has any of it, and it was not the last one. */
void kith__known_forget(struct kith__crew *crew)
{
    for (struct kith__known *k = crew->jobs.first, *next; k; k = next) {
        next = k->link.next;
        if (k->users > 0 || k == crew->jobs.first)
            continue;
        kith__unlink(&crew->jobs, k, link);
        kith__known_free(k);
    }
}

void kith__known_forget_all(struct kith__crew *crew)
{
    struct kith__known *k;

    while ((k = crew->jobs.first)) {
        kith__unlink(&crew->jobs, k, link);
        kith__known_free(k);
    }
}

void kith__known_drop(struct kith__crew *crew, struct kith__known *k)
{
    kith__crew_lock(crew);
    k->users--;
    kith__known_forget(crew);
    kith__crew_unlock(crew);
}

static int read_job(const struct kith__crew *crew, struct kith__known *k, uint64_t size)
{
    int rc = kith__parcel_read_job(k->bytes, size, &k->job, &k->arg);

    if (rc == 0)
        rc = kith__token_resolve(&k->job.fn, &k->fn);
    k->deal.job = k->job.seq;
    k->deal.workers = crew->workers;
    return rc;
}

int kith__known_fetch(struct kith__crew *crew, uint64_t seq, uint32_t post, struct kith__known **out)
{
    struct kith__args in = { .number = kith__touch(seq, post) };
    struct kith__result got = { .grows = 1 };
    struct kith__known *k = calloc(1, sizeof *k);
    int64_t rc =
        k ? kith__crew_ask(crew, KITH__POOL_JOB, &in, &got) : kith__fail(KITH_ENOMEM, "no memory for a job");

    if (rc >= 0) {
        k->bytes = got.buf;
        rc = read_job(crew, k, got.size);
    }
    if (rc < 0) {
        free(got.buf);
        free(k);
        return (int)rc;
    }
    *out = k;
    return 0;
}

/* As it came along with a grant. */
static int copy_job(const struct kith__crew *crew, const void *described, uint64_t size,
                    struct kith__known **out)
{
    struct kith__known *k = calloc(1, sizeof *k);
    int rc = k && (k->bytes = malloc(size)) ? 0 : kith__fail(KITH_ENOMEM, "no memory for a job");

    if (rc == 0) {
        memcpy(k->bytes, described, size);
        rc = read_job(crew, k, size);
    }
    if (rc < 0)
        kith__known_free(k);
    else
        *out = k;
    return rc;
}

/* Locked, and unlocked meanwhile. What came along is as it was when it was granted: with news since, that it
 * may have been given up, the home is asked. */
static int learn_job(struct kith__crew *crew, const struct kith__parcel_grant *g, const char *bytes,
                     uint64_t size, uint64_t news, struct kith__known **out)
{
    uint64_t job_size;
    const void *described = kith__parcel_described(bytes, size, &job_size);
    int rc = 0;

    if (described && crew->news == news) {
        kith__crew_unlock(crew);
        rc = copy_job(crew, described, job_size, out);
        kith__crew_lock(crew);
        if (rc < 0 || crew->news == news)
            return rc;
        kith__known_free(*out);
        *out = NULL;
    }
    kith__crew_unlock(crew);
    rc = kith__known_fetch(crew, g->seq, g->post, out);
    kith__crew_lock(crew);
    return rc;
}

int kith__know(struct kith__crew *crew, const struct kith__parcel_grant *g, const char *bytes, uint64_t size,
               uint64_t news, struct kith__known **out)
{
    struct kith__known *new = NULL;
    int rc = 0;

    kith__crew_lock(crew);
    if (!find_job(crew, g->seq))
        rc = learn_job(crew, g, bytes, size, news, &new);
    if (new &&new->job.seq != g->seq)
        rc = kith__fail(KITH_EPEER, "a grant comes with another job than its own: two versions of kith?");
    if (rc == 0 && !find_job(crew, g->seq)) {
        kith__link_first(&crew->jobs, new, link);
        new = NULL;
    }
    if (rc == 0)
        *out = use(crew, find_job(crew, g->seq));
    kith__crew_unlock(crew);
    kith__known_free(new); /* another thread was faster */
    return rc;
}
