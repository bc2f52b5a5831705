/* lock: a robust mutex between processes, as in kith/lock: alone and contended; and a recursive one, which is
 * taken twice each time. */
#include "config.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { ALONE = 1000000, CONTENDED = 1000000 };

struct shared {
    _Alignas(64) pthread_mutex_t mutex;
    _Alignas(64) long value;
};

static void adds(struct shared *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        pthread_mutex_lock(&s->mutex);
        s->value += 1;
        pthread_mutex_unlock(&s->mutex);
    }
}

static void adds_two_deep(struct shared *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        pthread_mutex_lock(&s->mutex);
        pthread_mutex_lock(&s->mutex);
        s->value += 1;
        pthread_mutex_unlock(&s->mutex);
        pthread_mutex_unlock(&s->mutex);
    }
}

static void init_robust(pthread_mutex_t *mutex, int type)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attr);
}

static void time_adding(void (*fn)(struct shared *s, int rounds), int type, const char *alone,
                        const char *contended)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double start;
    pid_t pid;

    if (s == MAP_FAILED)
        die("no shared memory");
    init_robust(&s->mutex, type);
    start = now();
    fn(s, ALONE);
    say(alone, 1e-6 * ALONE / (now() - start));
    fflush(stdout);
    start = now();
    if ((pid = fork()) < 0)
        die("cannot fork");
    fn(s, CONTENDED);
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    say(contended, 2e-6 * CONTENDED / (now() - start));
    if (s->value != ALONE + 2L * CONTENDED)
        die("an addition is lost");
}

int main(void)
{
    time_adding(adds, PTHREAD_MUTEX_DEFAULT, "alone", "contended");
    time_adding(adds_two_deep, PTHREAD_MUTEX_RECURSIVE, "rlock", "rlock2");
    return 0;
}
