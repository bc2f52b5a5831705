/* crowd.c: see crowd.h; and kith_results_wait. */
#include "config.h"
#include "pool/crowd.h"
#include "pool/result.h"
#include "base/error.h"
#include "base/system.h"

/* 1: it is a new one. */
static int meet(struct kith__crowd *c, struct kith__feed *feed)
{
    for (int i = c->count; i-- > 0;)
        if (c->feeds[i] == feed)
            return 0;
    if (c->count == KITH__CROWD_FEEDS) {
        c->others = 1;
        return 0;
    }
    kith__feed_watch(feed);
    c->feeds[c->count++] = feed;
    return 1;
}

int kith__crowd_look(struct kith__crowd *c, size_t i, int *met)
{
    struct kith__found f;
    int rc = kith__result_find(c->list[i], &f);

    if (rc < 0)
        return rc;
    if (!(rc = kith__result_is_ready(&f)) && f.feed)
        *met |= meet(c, f.feed);
    kith__result_put(&f);
    return rc;
}

void kith__crowd_join(struct kith__crowd *c, struct kith__wait *w)
{
    kith__later_join(w);
    for (int i = 0; i < c->count; i++)
        kith__feed_join(c->feeds[i], w);
    if (c->others)
        w->look_at = kith__now_ns() + KITH__MS; /* nobody wakes it for those */
}

void kith__crowd_leave(struct kith__crowd *c, struct kith__wait *w)
{
    kith__later_leave(w);
    for (int i = 0; i < c->count; i++)
        kith__feed_leave(c->feeds[i], w);
}

void kith__crowd_end(struct kith__crowd *c)
{
    for (int i = 0; i < c->count; i++)
        kith__feed_unwatch(c->feeds[i]);
}

/* A pool that ends has made its results ready. */
int kith__crowd_help(struct kith__crowd *c, int polls)
{
    int rc = 0;

    kith__later_help(polls);
    for (int i = 0; i < c->count && rc == 0; i++)
        if ((rc = kith__feed_help(c->feeds[i], polls)) == KITH_ECANCELLED)
            rc = 0;
    return rc;
}

/* How many have ended, or a code. */
static int64_t count_ended(struct kith__crowd *c, int *met)
{
    int64_t ended = 0;

    *met = 0;
    for (size_t i = 0; i < c->n; i++) {
        int rc = kith__crowd_look(c, i, met);

        if (rc < 0)
            return rc;
        ended += rc;
    }
    return ended;
}

static int64_t await_some(struct kith__crowd *c, struct kith__wait *w, int64_t enough, int timeout_ms)
{
    for (;;) {
        int64_t ended;
        int met, rc;

        kith__crowd_join(c, w);
        if ((ended = count_ended(c, &met)) < 0 || ended >= enough)
            return ended;
        if (met)
            continue;
        if ((rc = kith__crowd_help(c, timeout_ms == 0)) < 0)
            return rc;
        if ((rc = kith__wait_sleep(w)) < 0)
            return rc;
    }
}

static int64_t wait_for_some(const kith_result *list, size_t n, size_t enough, int timeout_ms)
{
    struct kith__crowd c = { .list = list, .n = n };
    struct kith__wait w;
    int64_t ended;
    int rc = kith__wait_begin(&w, NULL, timeout_ms);

    if (rc < 0)
        return rc;
    ended = await_some(&c, &w, (int64_t)enough, timeout_ms);
    kith__crowd_leave(&c, &w);
    kith__crowd_end(&c);
    kith__wait_end(&w, 1);
    return ended;
}

/* One after the other: each is looked at once. */
static int64_t wait_for_all(const kith_result *list, size_t n, int timeout_ms)
{
    int64_t end = kith__now_ns() + timeout_ms * KITH__MS, left;
    struct kith__found f;
    int rc;

    for (size_t i = 0; i < n; i++) {
        if ((rc = kith__result_find(list[i], &f)) < 0)
            return rc;
        left = timeout_ms == KITH_FOREVER ? KITH_FOREVER : (end - kith__now_ns() + KITH__MS - 1) / KITH__MS;
        rc = kith__result_await(&f, timeout_ms != KITH_FOREVER && left < 0 ? 0 : (int)left);
        kith__result_put(&f);
        if (rc < 0 && rc != KITH_ECANCELLED)
            return rc;
    }
    return (int64_t)n;
}

int64_t kith_results_wait(const kith_result *list, size_t n, size_t enough, int timeout_ms)
{
    int rc = kith__check_timeout(timeout_ms);

    if (rc == 0 && !list && n > 0)
        rc = kith__fail(KITH_EINVAL, "kith_results_wait was given NULL for %zu Results", n);
    if (rc == 0 && enough > n)
        rc = kith__fail(KITH_EINVAL, "kith_results_wait was to wait for %zu of %zu Results", enough, n);
    if (rc < 0)
        return kith__report(rc);
    return kith__report64(enough == n ? wait_for_all(list, n, timeout_ms)
                                      : wait_for_some(list, n, enough, timeout_ms));
}
