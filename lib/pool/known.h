/* known.h: the jobs of which a foreman was granted something: each is asked for once. */
#ifndef KITH_KNOWN_H
#define KITH_KNOWN_H

#include "base/list.h"
#include "pool/deal.h"
#include "pool/parcel.h"

struct kith__crew;

struct kith__known {
    KITH__LINK(struct kith__known) link;
    struct kith__parcel_job job;
    void *bytes; /* its description, from malloc */
    const void *arg;
    kith__anyfn *fn;
    struct kith__deal deal;
    uint32_t users;
    uint64_t looked; /* news after which it was asked for */
    int over;        /* nothing of it is to be begun any more */
};

/* The job of a grant that was claimed after that news, which is used until _drop. 0; a code, as _fetch. */
int kith__know(struct kith__crew *crew, const struct kith__parcel_grant *g, const char *bytes, uint64_t size,
               uint64_t news, struct kith__known **out);
void kith__known_drop(struct kith__crew *crew, struct kith__known *k);

/* What the home says of a job. 0, and the caller frees it; KITH_EEND, KITH_ECANCELLED: nothing of it is
 * wanted; or another code. */
int kith__known_fetch(struct kith__crew *crew, uint64_t seq, uint32_t post, struct kith__known **out);
void kith__known_free(struct kith__known *k);

/* Locked: those that nobody uses, but for the last one; _all: when no thread is left. */
void kith__known_forget(struct kith__crew *crew);
void kith__known_forget_all(struct kith__crew *crew);

#endif
