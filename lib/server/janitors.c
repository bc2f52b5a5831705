/* janitors.c: see janitors.h. What a janitor does stands in child.c. */
#include "config.h"
#include "server/janitors.h"
#include "server/server.h"
#include "server/spawn.h"
#include "server/child.h"
#include "member/members.h"
#include "member/wait.h"
#include "object/process.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JANITOR_TRIES = 3, LONGEST_PAUSE_MS = 1000 };

static const int64_t fork_patience_ns = 2000 * KITH__MS;
static const int fork_again_ms = 20;

/* Of a dead member, by its number. */
static struct {
    pid_t pid; /* -1: it is to be forked when it is due; 0: there is none */
    unsigned char failures;
    int64_t due;
    int64_t refused; /* since when it is due and cannot be forked; 0: it can */
} janitors[KITH__MEMBERS + 1];

static int has_to_tell(uint32_t who)
{
    return atomic_load(&kith__member(who)->crash.signal) != 0 || kith__member(who)->killed_by != 0;
}

/* At the end of the job what a janitor takes back ends with the arena, but a crash is still told of. */
static int is_needed(uint32_t who)
{
    return !kith__serving.ending || (!kith__serving.hard && has_to_tell(who) &&
                                     kith__now_ns() < kith__serving.ending + KITH__TELLING_NS);
}

/* What it had will not be settled soon, if at all. */
static int is_overdue(uint32_t who)
{
    return !is_needed(who) || janitors[who].failures >= JANITOR_TRIES ||
           (janitors[who].refused && kith__now_ns() - janitors[who].refused > fork_patience_ns);
}

/* Then nobody waits any longer for the end of its Process. Somebody may be in the guard: we come back. */
static void let_it_end(uint32_t who)
{
    if (is_overdue(who) && !kith__process_settle(atomic_load(&kith__member(who)->object), 0))
        kith__serving_come_back(1);
}

/* Now, or as soon as one is due and there is a process for it. */
static void spawn(uint32_t who)
{
    int64_t now = kith__now_ns(), wait_ns = janitors[who].due - now;
    int tells_first = janitors[who].failures > 0 || kith__serving.ending; /* what comes first may be all */
    pid_t pid = -1;

    if (wait_ns <= 0 && (pid = fork()) == 0)
        kith__janitor_main(who, kith__serving.pid, tells_first);
    janitors[who].pid = pid;
    kith__serving.children += pid > 0;
    if (wait_ns <= 0)
        janitors[who].refused = pid > 0 ? 0 : janitors[who].refused ? janitors[who].refused : now;
    if (pid < 0)
        kith__serving_come_back(wait_ns > 0 ? wait_ns / KITH__MS + 1 : fork_again_ms);
}

void kith__janitors_begin(uint32_t who)
{
    janitors[who].due = 0;
    janitors[who].failures = 0;
    janitors[who].refused = 0;
    spawn(who);
}

void kith__janitors_look(uint32_t who)
{
    if (janitors[who].pid >= 0)
        return;
    if (is_needed(who))
        spawn(who);
    let_it_end(who);
}

uint32_t kith__janitors_of(pid_t pid)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (janitors[i].pid == pid)
            return i;
    return 0;
}

/* However a janitor ends: what it has to do is done when it says so, and until then another one goes on with
 * it. Those that die again and again take their time: what one trips over, the next one trips over, too. */
void kith__janitors_gone(uint32_t who, int status)
{
    int64_t pause_ms = 0;

    kith__seats_release(who); /* it may have had to wait */
    if (atomic_load(&kith__member(who)->state) == KITH__SWEPT) {
        janitors[who].pid = 0;
        kith__spawn_release(who);
        return;
    }
    janitors[who].pid = -1;
    kith__wake_everybody(); /* what it gave back it may have told nobody, and the next one finds it given back
                             */
    if (!is_needed(who)) {
        let_it_end(who);
        return;
    }
    if (janitors[who].failures < UINT8_MAX && ++janitors[who].failures == JANITOR_TRIES)
        kith__log(
            KITH_LOG_ERROR,
            "what a dead process had in shared memory is not taken back yet: %d janitors have died over it, "
            "the last one with %s %d",
            JANITOR_TRIES, WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    for (int i = JANITOR_TRIES; i <= janitors[who].failures && pause_ms < LONGEST_PAUSE_MS; i++)
        pause_ms = pause_ms ? 2 * pause_ms : 1;
    janitors[who].due = kith__now_ns() + pause_ms * KITH__MS;
    let_it_end(who);
    spawn(who);
}

/* What they would take back ends with the arena. But who has a crash to tell of is waited for a while: it may
 * look long for the names of functions. */
void kith__janitors_dismiss(int all)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (janitors[i].pid > 0 && (all || !has_to_tell(i)))
            kill(janitors[i].pid, SIGKILL);
}
