/* standin.c: see standin.h. */
#include "config.h"
#include "base/standin.h"
#include "base/system.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static _Atomic uint32_t starts; /* whose threads have not ended, */
static _Atomic pid_t process;   /* and which are in this process: a child of the program's has none */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* not NULL: this thread has started some */
static int has_key;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint32_t standing; /* threads that stand in, */
static sigset_t heard;    /* and what they hear */

void kith__signals_held(sigset_t *set)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPIPE, SIGPROF };

    sigfillset(set);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        sigdelset(set, own[i]);
}

/* Takes no mutex while it hears: a handler may call exit, which ends those for whom it stands. */
static void *stand_in(void *arg)
{
    sigset_t all;
    uint32_t n;

    pthread_setname_np(pthread_self(), "kith signals");
    while ((n = atomic_load(&starts)) > 0)
        kith__futex_wait(&starts, n, -1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_mutex_lock(&mutex);
    if (--standing == 0)
        sigemptyset(&heard);
    pthread_mutex_unlock(&mutex);
    return arg;
}

/* With this thread's mask. */
static void start(const sigset_t *more)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, stand_in, NULL) != 0)
        return;
    pthread_detach(thread);
    if (standing++ == 0)
        sigemptyset(&heard);
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(more, sig) == 1)
            sigaddset(&heard, sig);
}

/* What this thread hears, and those that stand in do not. How many. */
static int count_unheard(sigset_t *unheard)
{
    sigset_t held, mask;
    int n = 0;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    kith__signals_held(&held);
    sigemptyset(unheard);
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(&held, sig) == 1 && sigismember(&mask, sig) == 0 &&
            (standing == 0 || sigismember(&heard, sig) == 0)) {
            sigaddset(unheard, sig);
            n++;
        }
    return n;
}

/* Called in a thread that ends. */
static void leave(void *arg)
{
    sigset_t unheard;

    (void)arg;
    if (atomic_load(&starts) == 0 || atomic_load(&process) != getpid())
        return;
    pthread_mutex_lock(&mutex);
    if (count_unheard(&unheard) > 0)
        start(&unheard);
    pthread_mutex_unlock(&mutex);
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, leave) == 0;
}

void kith__standin_begin(void)
{
    if (kith__time) /* no signal comes to a process that is played */
        return;
    atomic_fetch_add(&starts, 1);
    atomic_store(&process, getpid());
    pthread_once(&once, make_key);
    if (has_key)
        pthread_setspecific(key, &starts);
}

void kith__standin_end(void)
{
    if (kith__time)
        return;
    if (atomic_fetch_sub(&starts, 1) == 1)
        kith__futex_wake(&starts, INT32_MAX);
}
