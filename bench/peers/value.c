/* value: the same as kith/value with what the C library and the compiler have: one atomic word, and a robust
 * mutex around a word that is loaded and stored. */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { ALONE = 5000000, CONTENDED = 3000000, LOCKED = 500000 };

struct shared {
    _Alignas(64) _Atomic long word;
    _Alignas(64) pthread_mutex_t mutex;
};

static void adds(struct shared *s, int rounds)
{
    for (int i = 0; i < rounds; i++)
        atomic_fetch_add(&s->word, 1);
}

static void locks(struct shared *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        pthread_mutex_lock(&s->mutex);
        atomic_store(&s->word, atomic_load(&s->word) + 1);
        pthread_mutex_unlock(&s->mutex);
    }
}

static double seconds(void (*fn)(struct shared *s, int rounds), struct shared *s, int rounds)
{
    double start = now();
    pid_t pid = fork();

    if (pid < 0)
        die("cannot fork");
    fn(s, rounds);
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    return now() - start;
}

int main(void)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;
    double start;

    if (s == MAP_FAILED)
        die("no shared memory");
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&s->mutex, &attr);
    start = now();
    adds(s, ALONE);
    say("alone", 1e-6 * ALONE / (now() - start));
    start = now();
    adds(s, ALONE);
    say("array", 1e-6 * ALONE / (now() - start));
    say("contended", 2e-6 * CONTENDED / seconds(adds, s, CONTENDED));
    say("locked", 2e-6 * LOCKED / seconds(locks, s, LOCKED));
    return 0;
}
