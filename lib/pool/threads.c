/* threads.c: see threads.h. Called by pool.c. */
#include "config.h"
#include "pool/threads.h"
#include "base/error.h"
#include "base/log.h"
#include "base/standin.h"
#include "pool/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hand {
    struct kith__object *pool;
    uint32_t worker;
    pthread_t thread;
};

struct crew { /* of one pool */
    uint64_t pool;
    uint32_t count;
    struct crew *next;
    struct hand hands[];
};

static struct crew *crews; /* of this process */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* As a worker process is bound; but such a process is bound to its part already, which its threads share. */
static void bind_thread(const struct hand *h)
{
    if (atomic_load(&kith__member(kith__me)->role) == KITH__WORKER)
        return;
    kith__unbind();
    kith__worker_bind(kith__pool_body(h->pool), h->worker);
}

/* By pthread_exit in a task. Its call, and each other one that this worker takes part in, would never end. */
static void is_gone(void *arg)
{
    const struct hand *h = arg;

    kith__fail(
        KITH_ETASK,
        "a task in worker %u of a pool of threads called pthread_exit: this ends the program, as exit does",
        h->worker);
    kith__report(KITH_ETASK);
    kith__tell("%s", kith_last_error());
    exit(1);
}

static void *run(void *arg)
{
    const struct hand *h = arg;
    char name[16];

    snprintf(name, sizeof name, "worker %u", h->worker % 10000);
    pthread_setname_np(pthread_self(), name);
    bind_thread(h);
    pthread_cleanup_push(is_gone, arg);
    kith__worker_thread(h->pool, h->worker);
    pthread_cleanup_pop(0);
    return NULL;
}

static int start(struct kith__object *o, struct crew *c)
{
    struct kith__lane *lane = kith__lane(kith__pool_body(o), c->count);
    struct hand *h = &c->hands[c->count];
    int error;

    h->pool = o;
    h->worker = c->count;
    atomic_store(&lane->member, kith__me);
    if ((error = pthread_create(&h->thread, NULL, run, h)) != 0)
        atomic_store(&lane->member, 0);
    else
        c->count++;
    return error;
}

/* The program's handlers run in its own threads; but a signal that a task causes itself is its own. */
static void hold_signals(sigset_t *before)
{
    sigset_t held;

    kith__signals_held(&held);
    pthread_sigmask(SIG_BLOCK, &held, before);
}

static int number_of_this(void)
{
    return kith__worker_is_thread() ? kith__worker_number() : -1;
}

int kith__threads_start(struct kith__object *o)
{
    const struct kith__pool *p = kith__pool_body(o);
    struct crew *c = calloc(1, sizeof *c + p->workers * sizeof c->hands[0]);
    sigset_t before;
    int error = 0;

    if (!c)
        return kith__fail(KITH_ENOMEM, "no memory for a pool of %u threads", p->workers);
    c->pool = p->id;
    atomic_fetch_add(&kith__member(kith__me)->unpublished, 1); /* when we end a janitor ends the pool */
    kith__log_workers(number_of_this);
    kith__standin_begin();
    hold_signals(&before);
    while (c->count < p->workers && (error = start(o, c)) == 0)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&mutex);
    c->next = crews;
    crews = c;
    pthread_mutex_unlock(&mutex);
    if (error == 0)
        return 0;
    return kith__fail(KITH_ENOMEM,
                      "only %u of the %u threads of a pool can be started: %s; see ulimit -u and -v",
                      c->count, p->workers, strerror(error));
}

static struct crew *take(uint64_t pool)
{
    struct crew **at = &crews, *c;

    pthread_mutex_lock(&mutex);
    while ((c = *at) && c->pool != pool)
        at = &c->next;
    if (c)
        *at = c->next;
    pthread_mutex_unlock(&mutex);
    return c;
}

void kith__threads_join(uint64_t pool)
{
    struct crew *c = take(pool);

    if (!c)
        return;
    for (uint32_t i = 0; i < c->count; i++)
        pthread_join(c->hands[i].thread, NULL);
    free(c);
    kith__standin_end();
    atomic_fetch_sub(&kith__member(kith__me)->unpublished, 1);
}

int kith__threads_refuse(void)
{
    return kith__fail(KITH_EINVAL,
                      "a Pool of threads was used in another process than the one that opened it, "
                      "and is for that one only: open one there, or one whose workers are processes");
}

uint64_t kith__threads_first(void)
{
    uint64_t pool;

    pthread_mutex_lock(&mutex);
    pool = crews ? crews->pool : 0;
    pthread_mutex_unlock(&mutex);
    return pool;
}
