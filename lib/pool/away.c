/* away.c: see away.h. Called by later.c, service.c and elsewhere.c. */
#include "config.h"
#include "pool/away.h"
#include "base/error.h"
#include "base/list.h"
#include "object/pipe.h"
#include "pool/attend.h"
#include "pool/clerk.h"
#include "pool/elsewhere.h"
#include "pool/line.h"
#include "pool/order.h"

#include <stdlib.h>

struct kith__away {
    KITH__LINK(struct kith__away) link;
    struct kith__line line;
    struct kith__attendant clerk;
    struct kith__thread reader;
    uint32_t node;
    int over; /* under the mutex */
};

static KITH__OF_PROCESS KITH__LIST(struct kith__away) all;
static KITH__OF_PROCESS pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of it */

/* ------------------------------------------------------------------ what comes back */

static void take(struct kith__line *line, const struct kith__letter *r, char **message)
{
    (void)line;
    (void)message;
    if (r->what == KITH__LETTER_OUTCOME)
        kith__later_arrived(r->number, (const char *)(r + 1), r->size);
}

static void refused(struct kith__line *line, const struct kith__letter *r, int code)
{
    (void)line;
    kith__later_failed(r->number, code);
}

/* Who reads finds it shut. */
static void given_up(struct kith__line *line)
{
    kith__pipe_shut(line->end);
}

static void *listen(void *arg)
{
    struct kith__away *to = arg;
    int rc = kith__line_read(&to->line);

    pthread_mutex_lock(&mutex);
    to->over = 1;
    pthread_mutex_unlock(&mutex);
    kith__attend_lost(to->node, rc == KITH_EPEER ? rc : KITH_EEND);
    kith__later_lost(to);
    kith__attendant_dismiss(&to->clerk);
    return NULL;
}

/* ------------------------------------------------------------------ what is sent */

static int engage(struct kith__away *to)
{
    int rc = kith__attendant_begin(to->node, kith__clerk, "clerk", &to->clerk);

    if (rc < 0)
        return rc;
    to->line =
        (struct kith__line){ .end = to->clerk.end, .take = take, .refused = refused, .given_up = given_up };
    if ((rc = kith__line_open(&to->line)) < 0)
        kith__attendant_dismiss(&to->clerk);
    else if (kith__thread_begin(&to->reader, listen, to) != 0) {
        kith__attendant_dismiss(&to->clerk);
        kith__line_read(&to->line); /* it is shut: its sender ends */
        rc = kith__fail(KITH_ENOMEM, "no thread can be started for asynchronous calls");
    }
    return rc;
}

/* Under the mutex. */
static int make(uint32_t node, struct kith__away **out)
{
    struct kith__away *to = calloc(1, sizeof *to);
    int rc;

    if (!to)
        return kith__fail(KITH_ENOMEM, "no memory for a call");
    to->node = node;
    if ((rc = engage(to)) < 0) {
        free(to);
        return rc;
    }
    kith__link_first(&all, to, link);
    *out = to;
    return 0;
}

int kith__away_to(uint32_t node, struct kith__away **out)
{
    struct kith__away *to;
    int rc = 0;

    pthread_mutex_lock(&mutex);
    for (to = all.first; to && (to->node != node || to->over); to = to->link.next)
        ;
    if (to)
        *out = to;
    else
        rc = make(node, out);
    pthread_mutex_unlock(&mutex);
    return kith__attend_lost(node, rc);
}

int kith__away_order(struct kith__away *to, const struct kith__call_spec *s, uint64_t number)
{
    struct kith__message m;
    struct kith__letter *r;
    int rc = kith__order_make(s, sizeof *r, &m);

    if (rc < 0)
        return rc;
    r = (void *)m.bytes;
    *r = (struct kith__letter){ .size = m.size - sizeof *r, .number = number, .what = KITH__LETTER_ORDER };
    return kith__line_post(&to->line, r);
}

static void post(struct kith__away *to, enum kith__letter_what what, uint64_t number)
{
    struct kith__letter *r = kith__letter_make(what, number, 0);

    if (r)
        kith__line_post(&to->line, r);
}

void kith__away_cancel(struct kith__away *to, uint64_t number)
{
    post(to, KITH__LETTER_CANCEL, number);
}

void kith__away_withdraw(struct kith__away *to, uint64_t number)
{
    post(to, KITH__LETTER_WITHDRAW, number);
}

void kith__away_end(void)
{
    for (struct kith__away *to = all.first; to; to = to->link.next) {
        kith__pipe_shut(to->line.end);
        kith__thread_join(&to->reader);
    }
}
