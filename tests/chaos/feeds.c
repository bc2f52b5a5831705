/* feeds.c: see feeds.h. */
#include "config.h"
#include "feeds.h"
#include "world.h"

#include <signal.h>
#include <string.h>

enum { PRODUCERS = 3, MOST = 50, LARGEST = 9000 };

/* What a producer is told: how many items it puts, of what size, after how many it dies. */
struct producer {
    kith_queue q;
    uint32_t number, size;
    int n, dies_at;
};

struct item {
    uint32_t producer, number;
    char bytes[LARGEST];
};

/* A Queue and its producers, as the one sees it that takes. */
struct feed {
    kith_queue q;
    int order, producers, shut_after; /* how many items: then it is shut down; -1: not */
    struct producer told[PRODUCERS];
    kith_process p[PRODUCERS];
    uint64_t seen[PRODUCERS]; /* a bit for each item that has come */
    int came[PRODUCERS];
};

static size_t size_of(const struct producer *t)
{
    return offsetof(struct item, bytes) + t->size;
}

/* Its exit code is how many it has put. */
static int produce(const void *arg)
{
    const struct producer *t = arg;
    struct item item = { t->number, 0, { 0 } };
    int rc = 0;

    memset(item.bytes, 'a' + (int)t->number, sizeof item.bytes);
    for (int i = 0; i < t->n; i++) {
        if (i == t->dies_at)
            raise(SIGKILL);
        item.number = (uint32_t)i;
        if ((rc = kith_queue_put_priority(t->q, &item, size_of(t), i % 3, KITH_FOREVER)) < 0) {
            CHECK(rc == KITH_EEND || rc == KITH_ESTALE || excused(rc) ||
                      (rc == KITH_EPEER && atomic_load(&world->at_finalize)),
                  "put by a producer gives %d", rc);
            return i;
        }
    }
    return t->n;
}

/* 0: it could not be had. */
static int open_feed(struct feed *f, struct dice *d)
{
    static const int orders[] = { KITH_FIFO, KITH_LIFO, KITH_PRIORITY };
    int rc;

    memset(f, 0, sizeof *f);
    f->order = orders[roll(d, 3)];
    f->producers = 1 + (int)roll(d, PRODUCERS);
    f->shut_after = roll(d, 3) ? -1 : (int)roll(d, MOST);
    f->q = kith_queue_open_with(roll(d, 2) ? 0 : 1 + roll(d, 5), .order = f->order);
    rc = kith_check(f->q);
    CHECK(rc == 0 || excused(rc), "a Queue of order %d cannot be opened: %d", f->order, rc);
    /* One more: whoever takes is a producer too, which puts nothing. */
    if (rc == 0 && (rc = kith_queue_producers(f->q, f->producers + 1)) == 0)
        rc = kith_queue_done(f->q);
    CHECK(rc == 0 || excused(rc), "producers, or done, gives %d", rc);
    return rc == 0;
}

static int start_producer(struct feed *f, int i, struct dice *d)
{
    struct producer *t = &f->told[i];
    int rc;

    *t = (struct producer){ f->q, (uint32_t)i, (uint32_t)(roll(d, 5) ? roll(d, 60) : roll(d, LARGEST)),
                            (int)roll(d, MOST), roll(d, 4) ? -1 : (int)roll(d, MOST) };
    f->p[i] = kith_process_start_with(produce, KITH_ARG(*t), .daemon = 1);
    rc = kith_check(f->p[i]);
    if (rc == 0)
        rc = kith_queue_producer(f->q, f->p[i]);
    CHECK(rc == 0 || excused(rc), "a producer cannot be started and named: %d", rc);
    return rc == 0;
}

static void look_at(struct feed *f, const struct item *item, int64_t size)
{
    const struct producer *t = &f->told[item->producer % PRODUCERS];
    uint64_t bit = UINT64_C(1) << (item->number & 63);

    CHECK(size == (int64_t)size_of(t) && (int)item->producer < f->producers && (int)item->number < t->n,
          "an item of %lld bytes that no producer put", (long long)size);
    for (uint32_t i = 0; i < t->size; i++)
        if (item->bytes[i] != 'a' + (char)t->number) {
            wrong("byte %u of an item of a producer is wrong", i);
            break;
        }
    CHECK(!(f->seen[t->number] & bit), "item %u of producer %u came twice", item->number, t->number);
    CHECK(f->order != KITH_FIFO || (int)item->number == f->came[t->number],
          "item %u of producer %u came as its item %d", item->number, t->number, f->came[t->number]);
    f->seen[t->number] |= bit;
    f->came[t->number]++;
}

/* Until it has ended. 0: it has not. */
static int take_all(struct feed *f)
{
    struct item item = { 0 };
    int64_t size = 0;

    for (int i = 0; size >= 0; i++) {
        if (i == f->shut_after)
            CHECK((size = kith_queue_shutdown(f->q)) == 0 || excused((int)size), "shutdown gives %d",
                  (int)size);
        if ((size = kith_queue_get(f->q, &item, sizeof item, KITH_FOREVER)) >= 0)
            look_at(f, &item, size);
    }
    CHECK(size == KITH_EEND || excused((int)size), "get from a Queue with producers gives %d", (int)size);
    return size == KITH_EEND;
}

/* What has come of one that was not killed is what it has put. */
static void end_producer(struct feed *f, int i, int ended)
{
    int code = 0, rc = kith_process_join(f->p[i], KITH_FOREVER);

    CHECK(rc == 0 || server_lost(rc), "join of a producer gives %d", rc);
    rc = rc < 0 ? rc : kith_process_exitcode(f->p[i], &code);
    CHECK(rc == 0 || server_lost(rc), "exitcode of a producer gives %d", rc);
    CHECK(rc < 0 || code >= 0 || (code == -SIGKILL && (disturbed() || f->told[i].dies_at >= 0)),
          "a producer ended with %d", code);
    CHECK(rc < 0 || code < 0 || !ended || code == f->came[i], "of %d items of a producer %d came", code,
          f->came[i]);
    rc = kith_process_close(f->p[i]);
    CHECK(rc == 0 || server_lost(rc), "close of a producer gives %d", rc);
}

void feed(struct dice *d)
{
    struct feed f;
    int started = 0, ended = 0, rc;

    if (now.alone)
        return;
    atomic_fetch_add(&world->open, 1);
    if (!open_feed(&f, d))
        return;
    while (started < f.producers && start_producer(&f, started, d))
        started++;
    if (started == f.producers)
        ended = take_all(&f);
    if (!ended)
        return; /* the fork server is lost, or memory is short */
    for (int i = 0; i < started; i++)
        end_producer(&f, i, ended);
    rc = kith_queue_put(f.q, &rc, sizeof rc, 0);
    CHECK(rc == KITH_EEND || excused(rc), "put into a Queue that has ended gives %d", rc);
    rc = kith_queue_close(f.q);
    CHECK(rc == 0 || server_lost(rc), "close of a Queue with producers gives %d", rc);
    atomic_fetch_sub(&world->open, 1);
}
