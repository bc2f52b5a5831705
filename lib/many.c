/* many.c: kith_wait: what a thread waits for, and how: objects (watch.h), Results, and descriptors. */
#include "config.h"
#include "object/watch.h"
#include "pool/crowd.h"
#include "base/error.h"
#include "rpc/mailbox.h"
#include "base/system.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* ---- what there is */

enum { DESCRIPTOR = 'f', RESULT = 't' };

struct many {
    struct kith_waitable *list;
    size_t n;
    struct kith__watched
        *here;   /* those that are at home here, by their position in the list; kind 0: others */
    char *spent; /* a wake-up was spent on us there, when we last stood up */
    size_t here_count;
    struct pollfd *polled;     /* the descriptors, from the second on */
    size_t polled_count;       /* with it */
    struct kith__watched *far; /* the others, one after the other, */
    uint32_t *far_at;          /* and their positions in the list */
    int far_count;
    kith_result *results;
    uint32_t *results_at;
    struct kith__crowd crowd; /* of the Results */
    struct kith__caller who;
    int64_t deadline; /* ns; -1: none */
    int failed;       /* entries that were ready before anybody looked: their handles are bad */
};

/* The class whose handles kith_on marks so; 0: none. */
static unsigned kind_of(int letter)
{
    for (unsigned k = 1; k < KITH__KINDS; k++)
        if (kith__classes[k] && kith__classes[k]->ready && kith__classes[k]->letter == letter)
            return k;
    return KITH__NOTHING;
}

/* Where entry i belongs. */
static int sort_in(struct many *m, size_t i)
{
    struct kith_waitable *w = &m->list[i];
    struct kith__watched watched;

    w->ready = 0;
    if (w->kind == DESCRIPTOR) {
        m->polled[m->polled_count++] = (struct pollfd){ (int)w->id, POLLIN, 0 };
        return 0;
    }
    if (w->kind == RESULT) {
        m->results_at[m->crowd.n] = (uint32_t)i;
        m->results[m->crowd.n++] = (kith_result){ w->id };
        return 0;
    }
    if ((watched.kind = kind_of(w->kind)) == KITH__NOTHING)
        return kith__fail(KITH_EINVAL, "entry %zu of the list of kith_wait is not from kith_on or kith_on_fd",
                          i);
    watched.part = w->id >> 63 == 0 && (w->id & KITH__HANDLE_PART) != 0;
    watched.id = watched.part ? w->id & ~KITH__HANDLE_PART : w->id;
    if (watched.part && kith__classes[watched.kind]->marked) {
        watched.kind = kith__classes[watched.kind]->marked;
        watched.part = 0;
    }
    if ((w->ready = kith__handle_usable(watched.id, kith__classes[watched.kind]->noun)) < 0) {
        m->failed++;
        return 0;
    }
    if (!kith__is_remote(watched.id)) {
        m->here[i] = watched;
        m->here_count++;
        if (kith__classes[watched.kind]->methods[kith__classes[watched.kind]->ready].flags & KITH__HOLDS)
            kith__will_hold(KITH__HOLDS_UNITS);
        return 0;
    }
    if (m->far_count == KITH__WATCH_MOST)
        return kith__fail(KITH_EINVAL, "kith_wait takes up to %d objects of other nodes", KITH__WATCH_MOST);
    m->far_at[m->far_count] = (uint32_t)i;
    m->far[m->far_count++] = watched;
    return 0;
}

/* ---- looking */

/* Descriptors stand in the order of the list. */
static int look_at_descriptors(struct many *m)
{
    size_t at = 1;
    int found = 0;

    if (m->polled_count == 1)
        return 0;
    while (poll(m->polled + 1, m->polled_count - 1, 0) < 0)
        if (errno != EINTR)
            return kith__fail_errno(KITH_EINVAL, "kith_wait cannot poll %zu descriptors",
                                    m->polled_count - 1);
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i].kind == DESCRIPTOR) {
            int events = m->polled[at++].revents;

            if (m->polled[at - 1].fd < 0)
                events = POLLNVAL; /* poll leaves it out */
            m->list[i].ready = events & POLLNVAL ? KITH_EINVAL : events != 0;
            found += events != 0;
        }
    return found;
}

/* *met: kith__crowd_look. */
static int look_at_results(struct many *m, int *met)
{
    int found = 0;

    *met = 0;
    for (size_t i = 0; i < m->crowd.n; i++) {
        int *ready = &m->list[m->results_at[i]].ready;

        *ready = kith__crowd_look(&m->crowd, i, met);
        found += *ready != 0;
    }
    return found;
}

static int look_here(struct many *m)
{
    int found = 0;

    for (size_t i = 0; m->here_count > 0 && i < m->n; i++)
        if (m->here[i].kind) {
            m->list[i].ready = kith__watch_look_at(&m->here[i], &m->who);
            found += m->list[i].ready != 0;
        }
    return found;
}

/* What the home of entry k of the far ones says of all that are its own. */
static int ask_home(const struct many *m, int k, int32_t *codes)
{
    uint32_t home = kith__handle_home(m->far[k].id);
    uint64_t size = (uint64_t)m->far_count * sizeof *codes;
    struct kith__args in = { .bytes = m->far,
                             .size = (uint64_t)m->far_count * sizeof *m->far,
                             .number = size };
    struct kith__result out = { .buf = codes, .room = size };
    int64_t rc =
        kith__remote_call(home, KITH__NODE_KIND << 8 | KITH__NODE_LOOK, 0, &m->who, &in, &out, KITH_FOREVER);

    for (int i = 0; i < m->far_count && rc < 0; i++)
        codes[i] = kith__handle_home(m->far[i].id) == home ? (int32_t)rc : 0; /* lost with their node */
    return rc == KITH_EPEER || rc >= 0 ? 0 : (int)rc;
}

static int is_first_of_its_home(const struct many *m, int k)
{
    for (int i = 0; i < k; i++)
        if (kith__handle_home(m->far[i].id) == kith__handle_home(m->far[k].id))
            return 0;
    return 1;
}

/* Takes over the codes of those that are at home where entry k is. */
static int spread(struct many *m, int k, const int32_t *codes)
{
    int found = 0;

    for (int i = 0; i < m->far_count; i++)
        if (kith__handle_home(m->far[i].id) == kith__handle_home(m->far[k].id)) {
            m->list[m->far_at[i]].ready = codes[i];
            found += codes[i] != 0;
        }
    return found;
}

static int look_far(struct many *m)
{
    int found = 0, rc;
    int32_t *codes;

    if (m->far_count == 0)
        return 0;
    if (!(codes = calloc((size_t)m->far_count, sizeof *codes)))
        return kith__fail(KITH_ENOMEM, "no memory to wait for %d objects", m->far_count);
    for (int k = 0; k < m->far_count && found >= 0; k++)
        if (is_first_of_its_home(m, k))
            found = (rc = ask_home(m, k, codes)) < 0 ? rc : found + spread(m, k, codes);
    free(codes);
    return found;
}

/* How many of all are ready; a code. */
static int look_at_all(struct many *m)
{
    int here = look_here(m), files = look_at_descriptors(m), far = files < 0 ? 0 : look_far(m), met;

    return files < 0 ? files : far < 0 ? far : m->failed + here + files + far + look_at_results(m, &met);
}

/* ---- waiting */

static void join_all(struct many *m, struct kith__wait *w, int again)
{
    for (size_t i = 0; m->here_count > 0 && i < m->n; i++)
        if (m->here[i].kind)
            m->spent[i] = (char)(!kith__wait_join(w, kith__watch_set(&m->here[i])) && again);
    if (m->crowd.n > 0)
        kith__crowd_join(&m->crowd, w);
    kith__fence();
}

/* Whoever else waits there may have them: we have taken nothing. */
static void leave_all(struct many *m, struct kith__wait *w)
{
    for (size_t i = 0; m->here_count > 0 && i < m->n; i++)
        if (m->here[i].kind)
            kith__wait_leave(w, kith__watch_set(&m->here[i]), m->spent[i]);
    if (m->crowd.n > 0)
        kith__crowd_leave(&m->crowd, w);
}

static int ask_agents(struct many *m, uint64_t *id)
{
    struct kith__args in = { .bytes = m->far, .size = (uint64_t)m->far_count * sizeof *m->far };

    return kith__remote_ask(kith__handle_home(m->far[0].id), KITH__NODE_KIND << 8 | KITH__NODE_WATCH, &m->who,
                            &in, id);
}

/* As a worker, it does what it can for the Results itself. */
static int help_and_sleep(struct many *m, struct kith__wait *w)
{
    int rc = m->crowd.n > 0 ? kith__crowd_help(&m->crowd, 0) : 0;

    return rc < 0 ? rc : kith__wait_sleep(w);
}

/* Until something may be ready. 0; KITH_ETIMEDOUT, KITH_EPEER; what the agents have against the list. */
static int sleep_until_news(struct many *m, struct kith__wait *w, uint64_t asked)
{
    int rc = 0, again = 0, met;

    for (;;) {
        join_all(m, w, again++);
        if (look_here(m) > 0 || look_at_results(m, &met) > 0 || (asked && kith__remote_answered(asked, &rc)))
            return rc;
        if (asked && kith__agent_dead())
            return 0; /* those of other nodes are lost, which is told next */
        if (met)
            continue; /* where it does not stand yet */
        if ((rc = help_and_sleep(m, w)) < 0 || look_at_descriptors(m) != 0)
            return rc;
    }
}

/* Waits once. The objects had to be waited for when we looked last, so each has a slot and a set. */
static int wait_once(struct many *m)
{
    struct kith__wait w;
    uint64_t asked = 0;
    int rc;

    if (m->far_count > 0 && (rc = ask_agents(m, &asked)) < 0)
        return rc == KITH_EPEER ? 0 : rc;
    if ((rc = kith__wait_begin(&w, NULL, KITH_FOREVER)) == 0) {
        w.deadline = m->deadline;
        w.at_once = m->here_count == 0 && m->crowd.n == 0; /* nothing near comes */
        w.polled = m->polled_count > 1 ? m->polled : NULL;
        w.polled_count = m->polled_count;
        rc = sleep_until_news(m, &w, asked);
        leave_all(m, &w);
        kith__wait_end(&w, 1);
    }
    if (asked)
        kith__remote_withdraw(asked);
    return rc;
}

/* Who asks again and again would otherwise be the one that they wait for. */
static int look_after_helping(struct many *m)
{
    int rc = m->crowd.n > 0 ? kith__crowd_help(&m->crowd, 1) : 0, found = rc < 0 ? rc : look_at_all(m);

    return found != 0 ? found : kith__fail(KITH_ETIMEDOUT, "the timeout expired");
}

static int wait_for(struct many *m)
{
    int found, rc = 0;

    while ((found = look_at_all(m)) == 0 && rc == 0) {
        if (m->deadline >= 0 && kith__now_ns() >= m->deadline)
            return look_after_helping(m);
        rc = wait_once(m);
        if (rc == KITH_ETIMEDOUT)
            return rc; /* nothing has come in between */
    }
    return found != 0 ? found : rc;
}

static int sort_and_wait(struct many *m, int timeout_ms)
{
    int rc;

    m->polled_count = 1;
    m->crowd.list = m->results;
    m->who = kith__caller_here();
    m->deadline = timeout_ms == KITH_FOREVER ? -1 : kith__now_ns() + timeout_ms * KITH__MS;
    for (size_t i = 0; i < m->n; i++)
        if ((rc = sort_in(m, i)) < 0)
            return rc;
    return (rc = kith__remote_settle()) < 0 ? rc : wait_for(m);
}

static int check(const struct kith_waitable *list, size_t n, int timeout_ms)
{
    int rc = kith__check_timeout(timeout_ms);

    if (!kith__base || kith__me == 0)
        return kith__not_in_job("kith_wait was called");
    if (rc == 0 && !list && n > 0)
        rc = kith__fail(KITH_EINVAL, "kith_wait was given a list of %zu at NULL", n);
    if (rc == 0 && n == 0 && timeout_ms == KITH_FOREVER)
        rc = kith__fail(KITH_EINVAL, "kith_wait of nothing would wait indefinitely");
    return rc;
}

/* What a list of n needs beside it. */
static int wait_with_room(struct kith_waitable *list, size_t n, int timeout_ms)
{
    size_t each = 2 * sizeof(struct kith__watched) + sizeof(kith_result) + sizeof(struct pollfd) +
                  2 * sizeof(uint32_t) + 1;
    struct many m = { .list = list, .n = n };
    int rc;

    if (n > UINT32_MAX || !(m.here = calloc(n + 1, each)))
        return kith__fail(KITH_ENOMEM, "no memory to wait for %zu things", n);
    m.far = m.here + n + 1;
    m.results = (kith_result *)(void *)(m.far + n + 1);
    m.polled = (struct pollfd *)(void *)(m.results + n + 1);
    m.far_at = (uint32_t *)(void *)(m.polled + n + 1);
    m.results_at = m.far_at + n + 1;
    m.spent = (char *)(m.results_at + n + 1);
    rc = sort_and_wait(&m, timeout_ms);
    kith__crowd_end(&m.crowd);
    free(m.here);
    return rc;
}

int kith_wait(struct kith_waitable *list, size_t n, int timeout_ms)
{
    int rc = check(list, n, timeout_ms);

    return kith__report(rc < 0 ? rc : wait_with_room(list, n, timeout_ms));
}
