/* head.c: see head.h. */
#include "config.h"
#include "server/head.h"
#include "base/error.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A page of its own, shared by the head and its fork server. */
static struct shared {
    pthread_mutex_t lives;
} * shared;

int kith__head_begin(void)
{
    pthread_mutexattr_t attr;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        shared = NULL;
        return kith__fail_errno(KITH_ENOMEM, "no memory for what the fork server watches");
    }
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->lives, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_mutex_lock(&shared->lives);
    return 0;
}

/* Another thread than the one that began cannot unlock it: then the page stays, as libc has it in a list of
 * that thread. */
void kith__head_end(void)
{
    if (shared && pthread_mutex_unlock(&shared->lives) == 0)
        munmap(shared, sizeof *shared);
    shared = NULL;
}

/* The line of the page in the list of mappings of a process, without its first two fields, into line: 1; 0:
 * there is none. -1: nothing can be read there. */
static int find_page(pid_t pid, char *line, size_t room)
{
    char path[64], *text = NULL;
    size_t size = 0;
    unsigned long from, to;
    int found = -1, at;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    if (!(f = fopen(path, "re")))
        return -1;
    while (found != 1 && getline(&text, &size, f) > 0) {
        found = 0;
        if (sscanf(text, "%lx-%lx %*s %n", &from, &to, &at) == 2 && (uintptr_t)shared == from) {
            snprintf(line, room, "%s", text + at);
            found = 1;
        }
    }
    free(text);
    fclose(f);
    return found;
}

/* The mark that the kernel leaves in a robust mutex; not by trylock, which would take it. */
static int was_let_go_of(void)
{
    return (__atomic_load_n(&shared->lives.__data.__lock, __ATOMIC_ACQUIRE) & (int)FUTEX_OWNER_DIED) != 0;
}

/* When the thread that called kith_init has ended, it has let go of the mutex as well. Then the page tells,
 * which is not there after an execve. */
int kith__head_is_another(pid_t head)
{
    char ours[256], its[256];

    if (!was_let_go_of())
        return 0;
    switch (find_page(head, its, sizeof its)) {
    case 0: return 1;
    case 1: return find_page(getpid(), ours, sizeof ours) == 1 && strcmp(ours, its) != 0;
    default: return 0; /* it ends, or does not let us look; the pidfd knows */
    }
}
