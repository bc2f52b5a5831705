/* spawn.c: see spawn.h. */
#include "config.h"
#include "server/spawn.h"
#include "server/server.h"
#include "server/deaths.h"
#include "server/child.h"
#include "server/timelimit.h"
#include "member/wait.h"
#include "object/process.h"
#include "pool/pool.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const int64_t fork_patience_ns = 2000 * KITH__MS;
static const int fork_again_ms = 20;

/* Of a member, by its number. */
static struct {
    int64_t refused; /* since when it was asked for and cannot be forked; 0: it can */
    int is_awaited;  /* it is dead, and the next worker of its lane waits for its number */
} members[KITH__MEMBERS + 1];

static int has_work(const struct kith__pool *p)
{
    return atomic_load(&p->state) <= KITH__POOL_CLOSING && kith__jobs_have_work(p);
}

int kith__spawn_is_wanted(const struct kith__pool *p)
{
    return !kith__serving.ending && (atomic_load(&p->state) == KITH__POOL_OPEN || has_work(p));
}

static int has_worker(const struct kith__pool *p)
{
    for (uint32_t w = 0; w < p->workers; w++) {
        uint32_t who = atomic_load(&kith__lane(p, w)->member);

        if (who && atomic_load(&kith__member(who)->state) == KITH__RUNNING)
            return 1;
    }
    return 0;
}

/* The lane of worker who, which does not run, gets no process any more. */
static void give_up_lane(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    struct kith__lane *lane = kith__lane(kith__pool_of(m), m->worker);

    kith__lane_move(lane, KITH__LANE_ENDS);
    atomic_store(&lane->member, 0);
    kith__fence();
    kith__wake_all(kith__object_waiters(kith__object_slot(atomic_load(&m->object)), 1));
    members[who].refused = 0;
    kith__member_free(who);
}

/* Who was asked for cannot be forked, for a moment or for good. A pool goes on as long as one of its workers
 * runs. */
static void refuse(uint32_t who, int error)
{
    struct kith__member *m = kith__member(who);
    int is_worker = atomic_load(&m->role) == KITH__WORKER;

    kith__member_move(m, KITH__MEMBER_IS_ASKED); /* a successor; others are */
    if (!members[who].refused) {
        members[who].refused = kith__now_ns();
        kith__log(KITH_LOG_ERROR, "%s cannot be forked: %s", m->name, strerror(error));
    }
    kith__serving_come_back(fork_again_ms);
    if (kith__now_ns() - members[who].refused < fork_patience_ns)
        return;
    if (is_worker && has_worker(kith__pool_of(m))) {
        struct kith__lane *lane = kith__lane(kith__pool_of(m), m->worker);

        if (kith__lane_move(lane, KITH__LANE_REFUSED))
            kith__wake_everybody(); /* who opens the pool goes on without it */
        return;
    }
    if (is_worker) {
        atomic_store(&kith__pool_of(m)->fork_error, (uint32_t)error);
        kith__pool_move(kith__pool_of(m), KITH__POOL_BREAK);
        kith__wake_everybody(); /* callers */
        give_up_lane(who);
    } else {
        struct kith__object *o = kith__object_slot(atomic_load(&m->object));

        members[who].refused = 0;
        if (atomic_load(&m->role) == KITH__PROCESS && kith__object_is(o, atomic_load(&m->object)))
            atomic_store(&kith__process_body(o)->fork_error, (uint32_t)error);
        if (kith__death_of(who, 127 << 8)) { /* its object is being looked at; later */
            members[who].refused = 1;
            atomic_store(&kith__process_body(o)->fork_error, 0);
        }
    }
}

void kith__spawn(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    pid_t pid;

    if (atomic_load(&m->role) == KITH__WORKER && !kith__spawn_is_wanted(kith__pool_of(m))) {
        give_up_lane(who);
        return;
    }
    pid = kith__child_fork();
    if (pid == 0) {
        if (kith__serving.head_fd >= 0)
            close(kith__serving.head_fd);
        kith__child_main(who, kith__serving.pid);
    }
    if (pid < 0) {
        refuse(who, errno);
        return;
    }
    kith__serving.children++;
    members[who].refused = 0;
    atomic_store(&m->pid, pid);
    kith__member_move(m, KITH__MEMBER_BEGINS);
    kith__timelimit_forget(who);
    if (atomic_load(&m->role) == KITH__PROCESS) {
        struct kith__object *o = kith__object_slot(atomic_load(&m->object));

        if (kith__object_is(o, atomic_load(&m->object)))
            atomic_store(&kith__process_body(o)->pid, pid);
    }
}

/* A new member, as the old number still owns what it had not published. */
void kith__spawn_successor(uint32_t who)
{
    struct kith__member *old = kith__member(who), *m;
    uint32_t successor = kith__member_take(KITH__WORKER);

    members[who].is_awaited = successor == 0;
    if (successor == 0)
        return;
    m = kith__member(successor);
    atomic_store(&m->object, atomic_load(&old->object));
    m->worker = old->worker;
    m->number = old->number;
    m->memory = old->memory;
    memcpy(m->name, old->name, sizeof m->name);
    atomic_store(&kith__lane(kith__pool_of(old), old->worker)->member, successor);
    kith__spawn(successor);
}

void kith__spawn_release(uint32_t who)
{
    struct kith__member *m = kith__member(who);

    if (!members[who].is_awaited) {
        kith__member_free(who);
        return;
    }
    members[who].is_awaited = 0;
    atomic_store(&m->role, KITH__WORKER);
    kith__member_renew(m);
    kith__member_move(m, KITH__MEMBER_IS_ASKED);
    kith__spawn(who);
}
