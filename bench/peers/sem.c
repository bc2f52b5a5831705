/* sem: what the C library has between processes: sem_t, or a robust mutex, which alone survives the death of
 * its holder. Prints the same as kith/sem, but no hand-over for the mutex, as only its holder may unlock it.
 *
 * sem posix|robust */
#include "config.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { ALONE = 1000000, CONTENDED = 300000, TURNS = 100000 };

struct shared {
    _Alignas(64) sem_t sem[2];
    _Alignas(64) pthread_mutex_t mutex;
};

typedef void use(struct shared *s, int me, int rounds);

static void posix_use(struct shared *s, int me, int rounds)
{
    (void)me;
    for (int i = 0; i < rounds; i++) {
        sem_wait(&s->sem[0]);
        sem_post(&s->sem[0]);
    }
}

static void robust_use(struct shared *s, int me, int rounds)
{
    (void)me;
    for (int i = 0; i < rounds; i++) {
        pthread_mutex_lock(&s->mutex);
        pthread_mutex_unlock(&s->mutex);
    }
}

static void take_turns(struct shared *s, int me, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        sem_wait(&s->sem[me]);
        sem_post(&s->sem[!me]);
    }
}

static double seconds(use *fn, struct shared *s, int rounds)
{
    double start = now();
    pid_t pid = fork();

    if (pid < 0)
        die("cannot fork");
    fn(s, pid != 0, rounds);
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    return now() - start;
}

int main(int argc, char **argv)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int posix = argc > 1 && strcmp(argv[1], "posix") == 0;
    use *fn = posix ? posix_use : robust_use;
    pthread_mutexattr_t attr;
    double start;

    if (s == MAP_FAILED || sem_init(&s->sem[0], 1, 1) < 0 || sem_init(&s->sem[1], 1, 0) < 0)
        die("no shared memory");
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&s->mutex, &attr);
    start = now();
    fn(s, 0, ALONE);
    say("alone", 1e-6 * ALONE / (now() - start));
    say("contended", 2e-6 * CONTENDED / seconds(fn, s, CONTENDED));
    if (posix)
        say("handover", 1e6 * seconds(take_turns, s, TURNS) / (2 * TURNS));
    return 0;
}
