/* snapshot.c: see snapshot.h. */
#include "config.h"
#include "server/snapshot.h"
#include "base/system.h"
#include "base/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <libintl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* Who sleeps for so many ms waits for a lock; for a slow disk at worst, and that costs a copy more. */
enum { ASLEEP_MOST = 3, WAIT_MS = 10000 };

static void nothing(int status, void *arg)
{
    (void)status;
    (void)arg;
}

static int stop(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    (void)arg;
    return 1;
}

/* One call for each lock of libc that fork does not look after. */
static void take_locks(void)
{
    const time_t now = 0;
    struct tm tm;
    iconv_t converter;
    void *library;

    unsetenv("KITH__SNAPSHOT");
    on_exit(nothing, NULL);
    localtime_r(&now, &tm);
    random();
    closelog();
    bindtextdomain("kith", NULL);
    if ((converter = iconv_open("UTF-8", "UTF-8")) != (iconv_t)-1)
        iconv_close(converter);
    dl_iterate_phdr(stop, NULL); /* the loader has two, and fork makes one of them free */
    if ((library = dlopen(NULL, RTLD_LAZY)))
        dlclose(library); /* it ends this process, and says so, when it was in the middle of a change */
}

/* 1: it has taken them all. It has one thread, and waits for nothing but locks. */
static int comes_through(pid_t pid)
{
    int status = 1;

    for (int asleep = 0, passed = 0; passed < WAIT_MS && asleep < ASLEEP_MOST; passed++) {
        if (waitpid(pid, &status, WNOHANG | __WALL) == pid)
            return status == 0;
        asleep = kith__process_state(pid) == 'S' ? asleep + 1 : 0;
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    kill(pid, SIGKILL);
    kith__openmp_forget(pid);
    waitpid(pid, NULL, __WALL);
    return 0;
}

/* What fork takes: the locks of malloc, of the list of streams, and those of the program's own handlers. */
static void take_locks_of_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        kith__leave(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void try(int is_bare) __attribute__((noreturn));

static void try(int is_bare)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null >= 0)
        dup2(null, STDERR_FILENO);
    signal(SIGABRT, SIG_DFL);
    if (is_bare)
        take_locks_of_fork();
    take_locks();
    kith__leave(0);
}

int kith__snapshot_is_clean(int is_bare)
{
    pid_t pid;

    signal(SIGCHLD, SIG_DFL);
    if ((pid = is_bare ? kith__fork_unseen() : fork()) == 0)
        try(is_bare);
    return pid < 0 || comes_through(pid);
}
