/* system.c: see system.h. */
#include "config.h"
#include "base/system.h"
#include "kith.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const struct kith__time *kith__time;

void kith__futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };

    if (__builtin_expect(kith__time != NULL, 0)) {
        kith__time->sleep(word, expected, timeout_ns);
        return;
    }
    syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout_ns < 0 ? NULL : &ts, NULL, 0);
}

void kith__futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

int kith__pidfd_open(pid_t pid)
{
    if (kith__under_valgrind()) { /* it knows no pidfds, and says so at length */
        errno = ENOSYS;
        return -1;
    }
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int kith__memfd(const char *name)
{
    return memfd_create(name, MFD_CLOEXEC);
}

int kith__process_state(pid_t pid)
{
    char path[64], text[512], *s;
    ssize_t got;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    s = strrchr(text, ')'); /* the name before it may hold anything */
    return s && s[1] ? s[2] : 0;
}

int kith__process_is_gone(pid_t pid)
{
    char path[64];
    struct stat tasks;
    int state;

    if (kill(pid, 0) < 0 && errno == ESRCH)
        return 1;
    state = kith__process_state(pid);
    if (state != 'Z' && state != 'X')
        return 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid); /* its first thread may end before the others */
    return stat(path, &tasks) < 0 || tasks.st_nlink <= 3;
}

int64_t kith__now_ns(void)
{
    struct timespec ts;

    if (__builtin_expect(kith__time != NULL, 0))
        return kith__time->now();
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void kith__nap(int64_t ns)
{
    if (__builtin_expect(kith__time != NULL, 0))
        kith__time->sleep(NULL, 0, ns);
    else
        nanosleep(&(struct timespec){ ns / 1000000000, ns % 1000000000 }, NULL);
}

void kith__die(void)
{
    if (kith__time)
        kith__time->die();
    raise(SIGKILL);
}

int kith__thread_begin(struct kith__thread *t, void *(*run)(void *), void *arg)
{
    enum { STACK = 256 << 10 };
    sigset_t every, before;
    pthread_attr_t attr;
    int error;

    if (kith__time) {
        t->played = kith__time->begin(run, arg);
        return 0;
    }
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    error = pthread_create(&t->of, &attr, run, arg);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

void kith__thread_join(struct kith__thread *t)
{
    if (kith__time)
        kith__time->join(t->played);
    else
        pthread_join(t->of, NULL);
}

double kith_time(void)
{
    return (double)kith__now_ns() * 1e-9;
}

static void *flush_all(void *done)
{
    fflush(NULL);
    atomic_store((_Atomic uint32_t *)done, 1);
    kith__futex_wake(done, 1);
    return NULL;
}

pid_t kith__fork_unseen(void)
{
    return (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

int kith__has_other_threads(void)
{
    struct stat st;

    return !__libc_single_threaded && (stat("/proc/self/task", &st) < 0 || st.st_nlink > 3);
}

/* fflush(NULL) takes the lock of each stream, and a thread that waits for input has that of its own: of stdin
 * mostly, which it shall pass by. exit takes none, but it also moves the positions of files that are being
 * read, which the head has in common with its workers. */
void kith__flush_streams(void)
{
    static const int64_t patience_ns = 2000 * KITH__MS;
    static _Atomic uint32_t done;
    int64_t left = patience_ns, until = kith__now_ns() + left;
    pthread_t thread;

    fflush(stdout);
    fflush(stderr);
    __fsetlocking(stdin, FSETLOCKING_BYCALLER);
    if (!kith__has_other_threads() || pthread_create(&thread, NULL, flush_all, &done) != 0) {
        fflush(NULL);
        return;
    }
    pthread_detach(thread);
    for (; !atomic_load(&done) && left > 0; left = until - kith__now_ns())
        kith__futex_wait(&done, 0, left);
}

int kith__under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload && strstr(preload, "vgpreload");
}
