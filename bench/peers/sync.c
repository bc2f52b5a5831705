/* sync: microseconds of a hand-over between two processes by a raw futex: who waits looks 2000 times, then
 * sleeps; who hands over makes the call only when somebody sleeps. */
#include "config.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { TURNS = 100000, LOOKS = 2000 };

struct shared {
    _Alignas(64) _Atomic int turn;
    _Alignas(64) _Atomic int asleep[2];
};

static void await_turn(struct shared *s, int me)
{
    for (int i = 0; i < LOOKS; i++)
        if (atomic_load(&s->turn) == me)
            return;
    while (atomic_load(&s->turn) != me) {
        atomic_store(&s->asleep[me], 1);
        if (atomic_load(&s->turn) != me)
            syscall(SYS_futex, &s->turn, FUTEX_WAIT, !me, NULL, NULL, 0);
        atomic_store(&s->asleep[me], 0);
    }
}

static void take_turns(struct shared *s, int me)
{
    for (int i = 0; i < TURNS; i++) {
        await_turn(s, me);
        atomic_store(&s->turn, !me);
        if (atomic_load(&s->asleep[!me]))
            syscall(SYS_futex, &s->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

int main(void)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double start = now(), us;
    pid_t pid;

    if (s == MAP_FAILED)
        die("no shared memory");
    if ((pid = fork()) < 0)
        die("cannot fork");
    take_turns(s, pid == 0);
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    us = 1e6 * (now() - start) / (2 * TURNS);
    say("event", us);
    say("condition", us);
    say("barrier", us);
    return 0;
}
