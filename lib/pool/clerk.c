/* clerk.c: see clerk.h. Begun by away.c. */
#include "config.h"
#include "pool/clerk.h"
#include "base/error.h"
#include "base/list.h"
#include "base/system.h"
#include "pool/line.h"
#include "pool/order.h"
#include "pool/result.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

struct entry { /* a call that was ordered */
    KITH__LINK(struct entry) link;
    uint64_t number;
    struct kith__order order;
    char *bytes; /* in which what it is given lies */
    kith_result result;
};

static KITH__OF_PROCESS struct {
    pthread_mutex_t mutex;
    KITH__LIST(struct entry) under_way;
    struct kith__line line;
} self = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void free_entry(struct entry *e)
{
    kith__order_free(&e->order);
    free(e->bytes);
    free(e);
}

/* ------------------------------------------------------------------ what has come of it */

static int post_outcome(uint64_t number, const struct kith__order *o)
{
    struct kith__message m;
    struct kith__letter *r;
    int rc = kith__outcome_make(o, sizeof *r, &m);

    if (rc < 0)
        return rc;
    r = (void *)m.bytes;
    *r = (struct kith__letter){ .size = m.size - sizeof *r, .number = number, .what = KITH__LETTER_OUTCOME };
    kith__line_post(&self.line, r);
    return 0;
}

/* This thread's last failure, or none, is about it. */
static void tell(uint64_t number, const struct kith__order *o)
{
    const struct kith__order none = { .code = KITH_ENOMEM };

    if (post_outcome(number, o) < 0 && post_outcome(number, &none) < 0)
        kith__die(); /* which is noticed */
}

/* A task leaves its result in its item; with KITH_SERIAL=1 in the call. */
static int take_task(struct kith__order *o, struct kith__found *f)
{
    const void *value;
    uint64_t size;
    int rc = kith__result_await(f, 0);

    if (rc == 0 && f->item)
        return kith__item_outcome(f->item, o->s.task, o->out);
    if (f->item)
        return rc;
    if ((value = kith__later_value(f->call, &size)) && size == o->s.out_size && o->out)
        memcpy(o->out, value, size);
    return kith__later_take(f->call);
}

static int place_for_task(struct kith__order *o)
{
    uint64_t size = o->s.out_size, block = size ? kith__heap_alloc(size, kith__me) : 0;

    if (size && !block)
        return KITH_ENOMEM;
    o->out = size ? memset(kith__at(block), 0, size) : NULL;
    return 0;
}

static int take_result(struct entry *e)
{
    struct kith__order *o = &e->order;
    struct kith__found f;
    int rc = kith__result_find(e->result, &f);

    if (rc < 0)
        return rc;
    if (!o->s.is_task)
        rc = kith__later_take(f.call);
    else if ((rc = place_for_task(o)) == 0)
        o->is_over = (rc = take_task(o, &f)) == 0;
    if (f.item)
        kith__feed_forget(f.feed, f.unit);
    kith__result_put(&f);
    if (rc == 0 && o->code < 0)
        return kith__fail(o->code, "no memory for the outcome of a call");
    return rc;
}

/* In the service. */
static void has_ended(kith_result r, void *arg)
{
    struct entry *e = arg;

    (void)r;
    pthread_mutex_lock(&self.mutex);
    kith__unlink(&self.under_way, e, link);
    pthread_mutex_unlock(&self.mutex);
    e->order.code = take_result(e);
    tell(e->number, &e->order);
    free_entry(e);
}

/* ------------------------------------------------------------------ what is ordered */

/* What it is given stays where it came, when that is all that came, or is copied. */
static struct entry *make_entry(const struct kith__letter *r, char **message)
{
    struct entry *e = calloc(1, sizeof *e);
    const char *bytes = (const char *)(r + 1);

    if (!e)
        return NULL;
    e->number = r->number;
    if (message) {
        e->bytes = *message;
        *message = NULL;
        e->order.code = kith__order_read(bytes, r->size, &e->order);
    } else if ((e->bytes = malloc(r->size + 1)))
        e->order.code = kith__order_read(memcpy(e->bytes, bytes, r->size), r->size, &e->order);
    else
        e->order.code = kith__fail(KITH_ENOMEM, "no memory for a call");
    return e;
}

static int begin(struct entry *e)
{
    struct kith__call_spec *s = &e->order.s;
    int rc = e->order.code;

    if (rc == 0 && !s->is_task)
        rc = kith__order_prepare(&e->order);
    if (rc < 0 || (rc = kith__result_begin(s, &e->result)) < 0)
        return rc;
    pthread_mutex_lock(&self.mutex);
    kith__link_last(&self.under_way, e, link);
    pthread_mutex_unlock(&self.mutex);
    if (kith_result_notify(e->result, has_ended, e) == 0)
        return 0;
    kith_result_wait(e->result, KITH_FOREVER);
    has_ended(e->result, e);
    return 0;
}

static void take_order(const struct kith__letter *r, char **message)
{
    const struct kith__order none = { .code = KITH_ENOMEM };
    struct entry *e = make_entry(r, message);
    int rc;

    if (!e)
        tell(r->number, &none);
    else if ((rc = begin(e)) < 0) { /* else it has ended, perhaps, and is no more */
        e->order.code = rc;
        tell(e->number, &e->order);
        free_entry(e);
    }
}

static void withdraw(kith_result r)
{
    struct kith__found f;

    if (kith__result_find(r, &f) == 0 && f.item)
        kith__feed_cancel_queued(f.feed, f.unit);
    kith__result_put(&f);
}

static void cancel(const struct kith__letter *letter)
{
    struct entry *e;
    kith_result r = { 0 };

    pthread_mutex_lock(&self.mutex);
    for (e = self.under_way.first; e && e->number != letter->number; e = e->link.next)
        ;
    if (e)
        r = e->result;
    pthread_mutex_unlock(&self.mutex);
    if (e && letter->what == KITH__LETTER_CANCEL)
        kith_result_cancel(r);
    else if (e)
        withdraw(r);
}

static void take(struct kith__line *line, const struct kith__letter *r, char **message)
{
    (void)line;
    if (r->what == KITH__LETTER_ORDER)
        take_order(r, message);
    else
        cancel(r);
}

/* There is no room for what has come of it: the sentence about that has some. */
static void refused(struct kith__line *line, const struct kith__letter *r, int code)
{
    const struct kith__order none = { .code = code };

    (void)line;
    tell(r->number, &none);
}

static void given_up(struct kith__line *line)
{
    (void)line;
    kith__die();
}

int kith__clerk(const void *end)
{
    memcpy(&self.line.end, end, sizeof self.line.end);
    self.line.take = take;
    self.line.refused = refused;
    self.line.given_up = given_up;
    if (kith__line_open(&self.line) == 0)
        kith__line_read(&self.line);
    return 0;
}
