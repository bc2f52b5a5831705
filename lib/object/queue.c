/* queue.c: the Queue, of either class: see queue.h and kith.h. */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/queue.h"
#include "object/vouch.h"

#include <string.h>

/* ------------------------------------------------------------- what the classes share */

int64_t kith__queue_was_shut(void)
{
    return kith__fail(KITH_EEND,
                      "the Queue was shut down, or all its producers are done: nothing more is put");
}

int64_t kith__queue_is_over(void)
{
    return kith__fail(KITH_EEND, "the Queue is empty, and was shut down or all its producers are done");
}

int64_t kith__queue_does_not_fit(uint64_t size, uint64_t room, int exact)
{
    if (exact && size != room)
        return kith__fail(KITH_ESIZE,
                          "the next item of the Queue has %llu bytes, not %llu; it is still there",
                          (unsigned long long)size, (unsigned long long)room);
    if (size > room)
        return kith__fail(KITH_ETOOBIG,
                          "the next item of the Queue has %llu bytes, more than the %llu there is room for; "
                          "it is still there",
                          (unsigned long long)size, (unsigned long long)room);
    return 0;
}

static struct kith__producers *producers_of(struct kith__object *o)
{
    return (struct kith__producers *)(void *)&o->body;
}

/* rc: what a function of producers.h gave. What was set is true; whoever waits learns that nothing more is
 * put. */
static int64_t settle(struct kith__object *o, int rc, struct kith__result *out)
{
    if (rc < 0)
        return rc;
    kith__guard_commit(&o->guard);
    if (rc > 0) {
        kith__tell_all(out, KITH__QUEUE_CONSUMERS);
        kith__tell_all(out, KITH__QUEUE_PRODUCERS);
    }
    return 0;
}

int64_t kith__queue_shutdown(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                             struct kith__result *out)
{
    (void)who;
    (void)in;
    return settle(o, kith__producers_shut(o, producers_of(o)), out);
}

int64_t kith__queue_empty(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                          struct kith__result *out)
{
    (void)who;
    (void)in;
    return settle(o, kith__producers_empty(o, producers_of(o)), out);
}

int64_t kith__queue_expect(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out)
{
    (void)who;
    return settle(o, kith__producers_expect(o, producers_of(o), in->number), out);
}

int64_t kith__queue_name(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    struct kith__caller producer;
    int rc = kith__named(in, &producer);

    (void)who;
    return rc ? rc : settle(o, kith__producers_name(o, producers_of(o), &producer), out);
}

int64_t kith__queue_done(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    (void)in;
    return settle(o, kith__producers_done(o, producers_of(o), who), out);
}

void kith__queue_died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    settle(o, kith__producers_died(o, producers_of(o), who), out);
}

/* -------------------------------------------------------------- public functions */

static int is_sorted(kith_queue q)
{
    return q.id & KITH__HANDLE_PART && kith__handle_code(q.id) == 0;
}

static uint64_t object_of(kith_queue q)
{
    return is_sorted(q) ? q.id & ~KITH__HANDLE_PART : q.id;
}

static enum kith__kind kind_of(kith_queue q)
{
    return is_sorted(q) ? KITH__SORTED_KIND : KITH__FIFO_KIND;
}

static int check(const void *bytes, size_t size)
{
    return bytes || size == 0 ? 0 : kith__fail(KITH_EINVAL, "a Queue was given NULL for %zu bytes", size);
}

int64_t kith__queue_put_one(kith_queue q, const void *item, size_t size, uint64_t priority, int timeout_ms)
{
    struct kith__args in = { .bytes = item, .size = size, .number = priority };
    struct kith__result out = { 0 };
    int rc = check(item, size);

    return rc < 0 ? rc : kith__invoke(object_of(q), kind_of(q), KITH__QUEUE_PUT, &in, &out, timeout_ms);
}

int64_t kith__queue_take(kith_queue q, void *buf, size_t room, uint32_t flags, int timeout_ms)
{
    static char nothing[1]; /* for an item of no bytes */
    struct kith__args in = { .number = room, .flags = flags };
    struct kith__result out = { .buf = buf ? buf : nothing, .room = room };
    int rc = check(buf, room);

    return rc < 0 ? rc : kith__invoke(object_of(q), kind_of(q), KITH__QUEUE_GET, &in, &out, timeout_ms);
}

int kith_queue_put_priority(kith_queue q, const void *item, size_t size, int priority, int timeout_ms)
{
    if (priority < 0 || priority > 63)
        return kith__report(kith__fail(KITH_EINVAL, "a priority of %d: it is 0 to 63", priority));
    return kith__report((int)kith__queue_put_one(q, item, size, (uint64_t)priority, timeout_ms));
}

int64_t kith_queue_next(kith_queue q, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    return kith__report64(kith__invoke(object_of(q), kind_of(q), KITH__QUEUE_NEXT, &in, &out, timeout_ms));
}

/* Items of no bytes, large ones, and those of a sorted Queue. */
static int goes_one_by_one(kith_queue q, size_t size)
{
    return size == 0 || size > KITH__LARGE || is_sorted(q);
}

static int64_t put_some(kith_queue q, const char *items, size_t size, size_t n, int timeout_ms)
{
    struct kith__args in = { .bytes = items, .number = size };
    struct kith__result out = { 0 };
    int64_t rc;

    if (goes_one_by_one(q, size)) {
        rc = kith__queue_put_one(q, items, size, 0, timeout_ms);
        return rc < 0 ? rc : 1;
    }
    in.size = (n < KITH__QUEUE_AT_ONCE / size ? n : KITH__QUEUE_AT_ONCE / size) * size;
    return kith__invoke(q.id, KITH__FIFO_KIND, KITH__QUEUE_PUT_MANY, &in, &out, timeout_ms);
}

/* What is left of it, in ms. */
static int time_left(int64_t until, int timeout_ms)
{
    int64_t left = until - kith__now_ns();

    return timeout_ms <= 0 ? timeout_ms : left > 0 ? (int)(left / KITH__MS) : 0;
}

int64_t kith_queue_put_many(kith_queue q, const void *items, size_t size, size_t n, int timeout_ms)
{
    int64_t until = kith__now_ns() + timeout_ms * KITH__MS, rc = check(items, n ? size : 0);
    size_t put = 0;

    while (rc >= 0 && put < n) {
        rc = put_some(q, (const char *)items + put * size, size, n - put, time_left(until, timeout_ms));
        put += rc > 0 ? (size_t)rc : 0;
    }
    return put > 0 ? (int64_t)put : kith__report64(rc);
}

static int64_t take_one_by_one(kith_queue q, char *items, size_t size, size_t n, int timeout_ms)
{
    int64_t rc = 0;
    size_t taken = 0;

    while (rc >= 0 && taken < n) {
        rc = kith__queue_take(q, items ? items + taken * size : NULL, size, KITH__EXACT,
                              taken ? 0 : timeout_ms);
        taken += rc >= 0;
    }
    return taken > 0 ? (int64_t)taken : rc;
}

static int64_t take_many(kith_queue q, void *items, size_t size, size_t n, int timeout_ms)
{
    uint64_t each = size, room = (n < KITH__QUEUE_AT_ONCE / size ? n : KITH__QUEUE_AT_ONCE / size) * size;
    struct kith__args in = { .bytes = &each, .size = sizeof each, .number = room };
    struct kith__result out = { .buf = items, .room = room };
    int64_t rc = kith__invoke(q.id, KITH__FIFO_KIND, KITH__QUEUE_GET_MANY, &in, &out, timeout_ms);

    return rc < 0 ? rc : rc / (int64_t)size;
}

int64_t kith_queue_get_many(kith_queue q, void *items, size_t size, size_t n, int timeout_ms)
{
    int64_t rc = check(items, n ? size : 0);

    if (rc < 0 || n == 0)
        return kith__report64(rc);
    return kith__report64(goes_one_by_one(q, size) ? take_one_by_one(q, items, size, n, timeout_ms)
                                                   : take_many(q, items, size, n, timeout_ms));
}

static int64_t ask(kith_queue q, unsigned method, uint64_t number)
{
    return kith__ask(object_of(q), kind_of(q), method, number);
}

/* The next put of this thread asks again, and is refused. */
static int64_t shut(kith_queue q, unsigned how)
{
    int64_t rc = ask(q, how, 0);

    kith__remote_forget(object_of(q));
    return rc;
}

int kith_queue_shutdown(kith_queue q)
{
    return kith__report((int)shut(q, KITH__QUEUE_SHUTDOWN));
}

/* What is lost is so with the first call, whatever becomes of the caller; the memory goes with the others. */
int kith_queue_shutdown_now(kith_queue q)
{
    int64_t rc = shut(q, KITH__QUEUE_EMPTY), more = rc == 0;

    while (more > 0)
        more = ask(q, KITH__QUEUE_FREE, 0);
    return kith__report((int)rc);
}

int kith_queue_producers(kith_queue q, int n)
{
    if (n < 1)
        return kith__report(kith__fail(KITH_EINVAL, "a Queue of %d producers: give 1 or more", n));
    return kith__report((int)ask(q, KITH__QUEUE_EXPECT, (uint64_t)n));
}

int kith_queue_producer(kith_queue q, kith_process p)
{
    return kith__report((int)kith__name_process(object_of(q), kind_of(q), KITH__QUEUE_NAME, p));
}

int kith_queue_done(kith_queue q)
{
    return kith__report((int)ask(q, KITH__QUEUE_DONE, 0));
}

/* What only a sorted one can do. */
static int check_joinable(kith_queue q)
{
    int rc = kith__handle_usable(q.id & ~KITH__HANDLE_PART, "Queue");

    if (rc == 0 && !is_sorted(q))
        return kith__fail(KITH_EINVAL, "the Queue was opened without .joinable");
    return rc;
}

int kith_queue_task_done(kith_queue q)
{
    int rc = check_joinable(q);

    return kith__report(rc < 0 ? rc : (int)ask(q, KITH__SORTED_TASK_DONE, 0));
}

int kith_queue_join(kith_queue q, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    int rc = check_joinable(q);

    if (rc == 0)
        rc = (int)kith__invoke(object_of(q), KITH__SORTED_KIND, KITH__SORTED_JOIN, &in, &out, timeout_ms);
    return kith__report(rc);
}

int64_t kith_queue_size(kith_queue q)
{
    return kith__report64(ask(q, KITH__QUEUE_SIZE, 0));
}

int kith_queue_empty(kith_queue q)
{
    int64_t n = kith_queue_size(q);

    return n < 0 ? (int)n : n == 0;
}

int kith_queue_close(kith_queue q)
{
    return kith__close(object_of(q), kind_of(q));
}

kith_queue kith_queue_open(size_t bound)
{
    uint64_t options = bound;

    return (kith_queue){ kith__open(KITH__FIFO_KIND, NULL, &options, sizeof options, "kith_queue_open") };
}

kith_queue kith_queue_named(const char *name, size_t bound)
{
    uint64_t options = bound;

    return (
        kith_queue){ kith__open_named(KITH__FIFO_KIND, name, &options, sizeof options, "kith_queue_named") };
}

#undef kith_queue_open_with /* which adds the size */
kith_queue kith_queue_open_with(size_t bound, const struct kith_queue_options *given, size_t given_size)
{
    struct kith_queue_options o = { 0 };
    struct kith__sorted_options options = { .bound = bound };
    uint64_t id;

    if (given)
        memcpy(&o, given, given_size < sizeof o ? given_size : sizeof o);
    if (o.order < KITH_FIFO || o.order > KITH_PRIORITY)
        return (kith_queue){ kith__failed_handle(kith__report(kith__fail(
            KITH_EINVAL, "a Queue of .order %d: give KITH_FIFO, KITH_LIFO or KITH_PRIORITY", o.order))) };
    if (o.order == KITH_FIFO && !o.joinable)
        return o.name ? kith_queue_named(o.name, bound) : kith_queue_open(bound);
    options.order = (uint32_t)o.order;
    options.joinable = o.joinable != 0;
    id = kith__open(KITH__SORTED_KIND, o.name, &options, sizeof options, "kith_queue_open");
    return (kith_queue){ kith__handle_code(id) < 0 ? id : id | KITH__HANDLE_PART };
}
