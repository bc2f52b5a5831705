/* reap.c: see reap.h. */
#include "config.h"
#include "server/reap.h"
#include "server/server.h"
#include "server/deaths.h"
#include "server/janitors.h"
#include "server/orphans.h"
#include "member/members.h"
#include "pool/board.h"
#include "pool/pool.h"
#include "base/oom.h"
#include "base/threads.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int watches_memory;

/* Not before somebody can die of its want: it takes longer than the rest of a start. */
void kith__reap_watch_memory(void)
{
    if (watches_memory || kith__serving.children == 0)
        return;
    kith__oom_watch("");
    watches_memory = 1;
}

static uint32_t member_of(pid_t pid)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (atomic_load(&kith__member(i)->state) == KITH__RUNNING &&
            atomic_load(&kith__member(i)->pid) == pid)
            return i;
    return 0;
}

/* The others are orphans. */
int kith__reap_is_ours(pid_t pid)
{
    return member_of(pid) || kith__janitors_of(pid);
}

/* By a signal, or, a worker, by exit in the middle of a task: what it has started goes, before the task
 * begins again. */
static int has_died(const struct kith__member *m, int status)
{
    return WIFSIGNALED(status) || (atomic_load(&m->role) == KITH__WORKER &&
                                   atomic_load(&kith__lane(kith__pool_of(m), m->worker)->depth) > 0);
}

static void explain_death(struct kith__member *m, int status, const struct rusage *usage)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && watches_memory && kith__oom_has_killed())
        kith__oom_text((uint64_t)usage->ru_maxrss * 1024, m->why, sizeof m->why);
}

/* 1: dealt with, its pid is free. */
static int reap(pid_t pid)
{
    uint32_t who;
    siginfo_t info = { 0 };
    struct rusage usage = { 0 };
    int status;

    /* By hand: libc has no waitid that tells what it has used. */
    if (syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, &usage) < 0 || info.si_pid == 0)
        return 0;
    kith__openmp_forget(pid); /* while no other process can have its pid */
    status = info.si_code == CLD_EXITED ? (info.si_status & 255) << 8 : info.si_status & 127;
    if ((who = member_of(pid))) {
        explain_death(kith__member(who), status, &usage);
        if (has_died(kith__member(who), status))
            kith__orphans_condemn(kith__member(who)->serial);
        kith__orphans_look(kith__serving.children, kith__reap_is_ours);
        /* Waited for first: a restart gives the member another pid. */
        if (atomic_load(&kith__member(who)->role) == KITH__WORKER) {
            waitpid(pid, NULL, 0);
            kith__serving.children--;
            kith__death_of(who, status);
            return 1;
        }
        if (kith__death_of(who, status))
            return 0;
        kith__serving.children--;
    } else if ((who = kith__janitors_of(pid))) {
        kith__serving.children--;
        kith__janitors_gone(who, status);
    }
    waitpid(pid, NULL, 0);
    return 1;
}

/* 1: one has to wait. */
static int reap_each(void)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (;;) {
        siginfo_t info = { 0 };

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return 0;
        if (!reap(info.si_pid))
            break; /* it has to wait: look at each of the others */
    }
    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (atomic_load(&kith__member(i)->state) == KITH__RUNNING)
            reap(atomic_load(&kith__member(i)->pid));
    return 1;
}

int kith__reap_all(void)
{
    int later = reap_each();

    kith__orphans_look(kith__serving.children, kith__reap_is_ours);
    return later;
}
