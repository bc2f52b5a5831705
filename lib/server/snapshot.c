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
#include <locale.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* Who sleeps for so many ms waits for a lock; for a slow disk at worst, and that costs a copy more. */
enum { ASLEEP_MOST = 3, CPU_MS = 300, WAIT_MS = 10000 };

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

static void take_lock_of_locales(void)
{
    locale_t copy = duplocale(LC_GLOBAL_LOCALE);

    if (copy)
        freelocale(copy);
}

/* That of the machine's own addresses, which each look for a host's takes: this one asks nobody. */
static void take_lock_of_addresses(void)
{
    const struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST | AI_ADDRCONFIG };
    struct addrinfo *list;

    if (getaddrinfo("127.0.0.1", NULL, &numeric, &list) == 0)
        freeaddrinfo(list);
}

/* The last one: from here on there is no memory for the stack of another process, so none is started; but
 * under an emulator, which has no such limit, and where that is not waited for asleep, as if for a lock. */
static void take_lock_of_popen(void)
{
    struct rlimit none;

    getrlimit(RLIMIT_AS, &none);
    none.rlim_cur = 0;
    if (setrlimit(RLIMIT_AS, &none) == 0 && popen(":", "re"))
        while (waitpid(-1, NULL, WNOHANG) == 0)
            sched_yield();
}

/* One call for each lock of libc that fork does not look after, but those of its databases (getgrgid,
 * getpwent): to ask these may take a network. */
static void take_locks(void)
{
    const time_t now = 0;
    struct tm tm;
    iconv_t converter;
    void *library;

    take_lock_of_locales();
    take_lock_of_addresses();
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
    take_lock_of_popen();
}

/* 1: it waits in a loop, as for a lock of readers and writers that changes hands. */
static int is_spinning(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    return clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &used) == 0 &&
           used.tv_sec * 1000 + used.tv_nsec / KITH__MS > CPU_MS;
}

/* 1: it has taken them all. It has one thread, and waits for nothing but locks. */
static int comes_through(pid_t pid)
{
    int status = 1;

    for (int asleep = 0, passed = 0; passed < WAIT_MS && asleep < ASLEEP_MOST && !is_spinning(pid);
         passed++) {
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
