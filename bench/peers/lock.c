/* lock: a robust mutex between processes, as in kith/lock: alone and contended. */
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

static void add(struct shared *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        pthread_mutex_lock(&s->mutex);
        s->value += 1;
        pthread_mutex_unlock(&s->mutex);
    }
}

int main(void)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;
    double start;
    pid_t pid;

    if (s == MAP_FAILED)
        die("no shared memory");
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&s->mutex, &attr);
    start = now();
    add(s, ALONE);
    say("alone", 1e-6 * ALONE / (now() - start));
    start = now();
    if ((pid = fork()) < 0)
        die("cannot fork");
    add(s, CONTENDED);
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    say("contended", 2e-6 * CONTENDED / (now() - start));
    if (s->value != ALONE + 2L * CONTENDED)
        die("an addition is lost");
    return 0;
}
