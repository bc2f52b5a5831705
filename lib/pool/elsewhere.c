/* elsewhere.c: calls that do not wait, to pools of other nodes: away.c sends them there and takes back what
 * comes of them; see calls.h. */
#include "config.h"
#include "pool/elsewhere.h"
#include "pool/calls.h"
#include "pool/service.h"
#include "base/error.h"
#include "pool/away.h"
#include "pool/order.h"

#include <stdlib.h>

static void finish_elsewhere(struct kith__later *l, int code)
{
    pthread_mutex_lock(&kith__calls.mutex);
    kith__unlink(&kith__calls.elsewhere, l, link);
    kith__later_keep_outcome(l, code);
    kith__later_look(l);
    pthread_mutex_unlock(&kith__calls.mutex);
}

/* Under the mutex: one that is elsewhere stays until it is ready, dropped or not. NULL: it is, or there is
 * none. */
static struct kith__later *find_elsewhere(uint64_t number)
{
    struct kith__later *l = kith__local_find(&kith__calls.numbers, number);

    return l && l->away && atomic_load(&l->state) != KITH__LATER_READY ? l : NULL;
}

void kith__later_arrived(uint64_t number, const char *outcome, uint64_t size)
{
    struct kith__later *l;
    int rc;

    pthread_mutex_lock(&kith__calls.mutex);
    l = find_elsewhere(number);
    pthread_mutex_unlock(&kith__calls.mutex);
    if (!l)
        return;
    rc = kith__outcome_take(&l->s, outcome, size, NULL, NULL);
    finish_elsewhere(l, l->cancelled ? kith__later_fail_as_cancelled(l) : rc);
}

void kith__later_failed(uint64_t number, int code)
{
    struct kith__later *l;

    pthread_mutex_lock(&kith__calls.mutex);
    l = find_elsewhere(number);
    pthread_mutex_unlock(&kith__calls.mutex);
    if (l)
        finish_elsewhere(l, code);
}

void kith__later_lost(const struct kith__away *to)
{
    struct kith__later *l, *next;

    pthread_mutex_lock(&kith__calls.mutex);
    for (l = kith__calls.elsewhere.first; l; l = next) {
        next = l->link.next;
        if (l->away != to)
            continue;
        kith__unlink(&kith__calls.elsewhere, l, link);
        kith__later_keep_outcome(l, KITH_EPEER);
        kith__later_look(l);
    }
    pthread_mutex_unlock(&kith__calls.mutex);
}

/* Its outcome may come at once. What could not be sent has ended with those that were lost, or is gone. */
static int send(struct kith__later *l, uint64_t number)
{
    int rc = kith__away_order(l->away, &l->s, number);

    if (rc == 0)
        return 0;
    pthread_mutex_lock(&kith__calls.mutex);
    if (atomic_load(&l->state) == KITH__LATER_READY)
        rc = 0;
    else {
        kith__unlink(&kith__calls.elsewhere, l, link);
        kith__later_let_go(l);
    }
    pthread_mutex_unlock(&kith__calls.mutex);
    return rc;
}

/* Memory for the result of a task. */
static int make_value(struct kith__later *l)
{
    if (!l->s.is_task || l->s.out_size == 0)
        return 0;
    if (!(l->value = calloc(1, l->s.out_size)))
        return kith__fail(KITH_ENOMEM, "no memory for a result");
    l->s.out = l->value;
    return 0;
}

int kith__later_begin_elsewhere(const struct kith__call_spec *s, uint64_t *number)
{
    struct kith__later *l = kith__later_make(s);
    int rc = l ? 0 : KITH_ENOMEM;

    if (rc < 0)
        return rc;
    if ((rc = make_value(l)) < 0 || (rc = kith__away_to(kith__handle_home(s->pool.id), &l->away)) < 0) {
        free(l->value);
        free(l);
        return rc;
    }
    kith__call_warn(s);
    pthread_mutex_lock(&kith__calls.mutex);
    if ((rc = kith__service_begin()) < 0 ||
        (rc = kith__local_take(&kith__calls.numbers, l, &l->number)) < 0) {
        free(l->value);
        free(l);
    } else {
        *number = l->number;
        kith__link_last(&kith__calls.elsewhere, l, link);
    }
    pthread_mutex_unlock(&kith__calls.mutex);
    return rc < 0 ? rc : send(l, *number);
}
