/* server.c: what the fork server of a node does: it starts what is asked for, as clients; ends what is to
 * end; and when one has ended it says so to those who wait, starts the next one, and sends a janitor. As in
 * lib/server, but for the processes. */
#include "config.h"
#include "../check.h"
#include "inside.h"
#include "object/process.h"
#include "pool/settle.h"
#include "pool/worker.h"
#include "server/child.h"
#include "server/spawn.h"
#include "shm/heap.h"

/* -------------------------------------------------------------------- what has ended */

static void hand_to_janitor(struct client *c)
{
    kith__member_move(kith__member(c->member), KITH__MEMBER_IS_DEAD); /* unless it is */
    atomic_store(&kith__member(c->member)->role, KITH__NOBODY);
    c->state = DEAD;
    c->until = net.now + sim_janitor_delay(c);
}

/* NULL: it is not that one's any more. */
static struct kith__lane *lane_of(uint32_t who)
{
    const struct kith__member *m = kith__member(who);
    const struct kith__pool *p = kith__pool_of(m);
    struct kith__lane *lane;

    if (atomic_load(&m->role) != KITH__WORKER || atomic_load(&p->lanes) == 0 ||
        !(kith__object_is(kith__object_slot(m->object), m->object) ||
          kith__object_leaves(m->object, KITH__POOL_KIND)))
        return NULL;
    lane = kith__lane(p, m->worker);
    return atomic_load(&lane->member) == who ? lane : NULL;
}

/* Of the process of a lane that has not come to the end of that by itself: as in deaths.c and spawn.c. */
static void end_worker(uint32_t who)
{
    struct kith__member *old = kith__member(who), *m;
    struct kith__pool *p = kith__pool_of(old);
    struct kith__lane *lane = kith__lane(p, old->worker);
    uint32_t successor;

    if (!atomic_load(&lane->death.unsettled)) {
        memset(&lane->death, 0, sizeof lane->death);
        lane->death.pid = (int32_t)who;
        lane->death.status = SIGKILL;
        lane->death.over_limit = kith__lane_is_condemned(p, old->worker);
        atomic_store(&lane->death.unsettled, 1);
    }
    kith__record_death(&lane->record);
    if (kith__spawn_is_wanted(p)) {
        kith__lane_move(lane, KITH__LANE_DIED);
        kith__record_asked(&lane->record);
        REQUIRE(successor = kith__member_take(KITH__WORKER));
        m = kith__member(successor);
        m->object = old->object;
        m->worker = old->worker;
        m->number = old->number;
        memcpy(m->name, old->name, sizeof m->name);
        atomic_store(&lane->member, successor);
        kith__member_move(m, KITH__MEMBER_IS_ASKED);
    } else {
        kith__lane_move(lane, KITH__LANE_ENDS);
        atomic_store(&lane->member, 0);
    }
    kith__fence();
    kith__wake_all(kith__object_waiters(kith__object_slot(old->object), 1));
}

/* One of kith's own, with its status as of waitpid. */
static void end_internal(uint32_t who, int status)
{
    struct kith__member *m = kith__member(who);
    struct kith__object *o = kith__object_slot(m->object);

    kith__guard_enter(&o->guard);
    kith__member_move(m, KITH__MEMBER_ENDS);
    kith__process_ends(o, m->object, status, WIFSIGNALED(status));
    kith__guard_leave(&o->guard);
    kith__wake_all(kith__object_waiters(o, 0));
}

/* 1: c was its last thread. Else those that are left end, too, when it has died or was the first one. */
static int is_last(struct client *c)
{
    int last = 1;

    for (int i = 0; i < sim_client_count; i++) {
        struct client *t = sim_clients[i];

        if (t->state != RUNS || t->node != c->node || t->member != c->member || t == c)
            continue;
        last = 0;
        t->process_died |= c->died | c->process_died;
        t->process_ended |= !c->died && c->part != THREAD;
        t->status = c->part != THREAD ? c->status : t->status;
        t->dies |= c->died | (c->part != THREAD);
    }
    return last;
}

/* Who had other threads when it ended may have left something half done, as who dies. */
static void end_process(struct client *c)
{
    const int died = c->process_ended ? 0 : c->died | c->process_died, messy = died || c->process_ended;
    struct kith__member *m = kith__member(c->member);

    kith__seats_release(c->member);
    sim_died += (uint64_t)died;
    sim_nodes[c->node].deaths += (uint64_t)messy;
    if (messy)
        kith__wake_everybody();
    if (lane_of(c->member))
        end_worker(c->member);
    else if (atomic_load(&m->role) == KITH__PROCESS)
        end_internal(c->member, died ? SIGKILL : c->status << 8);
    kith__member_move(m, KITH__MEMBER_ENDS); /* unless it has */
    if (messy || atomic_load(&m->unpublished) || atomic_load(&m->holds))
        hand_to_janitor(c);
    else
        kith__member_free(c->member);
}

/* Its work is done, or the next one goes on with it. */
static void end_janitor(struct client *c)
{
    kith__seats_release(c->member);
    if (c->died) {
        sim_died++;
        kith__wake_everybody();
        hand_to_janitor(c);
        return;
    }
    kith__member_move(kith__member(c->member), KITH__MEMBER_IS_SWEPT);
    kith__member_free(c->member);
}

/* What the fork server does at once. */
void sim_reap(struct client *c)
{
    struct sim_node *n = &sim_nodes[c->node];

    strand_end(c->strand);
    sim_end_life(c);
    c->state = FREE;
    if (c->part == THREAD)
        atomic_fetch_add(&sim_threads_ended, 1);
    if (n->lost)
        return;
    sim_enter_as(n, KITH__SERVER_MEMBER);
    if (c->part == JANITOR)
        end_janitor(c);
    else if (is_last(c))
        end_process(c);
    else
        return;
    atomic_fetch_add(&kith__shared->ended, 1);
    n->due = net.now;
}

static void sweeps(struct client *c, void *arg)
{
    (void)arg;
    kith__janitor_settle(c->member);
    kith__janitor_sweep(c->member);
}

void sim_begin_janitor(struct client *c)
{
    c->state = FREE;
    if (sim_nodes[c->node].lost)
        return;
    c->part = JANITOR;
    c->fn = sweeps;
    c->process_died = c->process_ended = c->spared = c->doing = 0;
    sim_begin_life(c);
}

/* ------------------------------------------------------------------ what is asked for */

/* What the fork server does with those that a test has asked for: they are only a time to live. What they
 * were given a janitor takes back. */
static void end_played(struct sim_node *n, struct kith__member *m, uint32_t who, int status)
{
    struct kith__object *o = kith__object_slot(m->object);
    int messy;

    kith__guard_enter(&o->guard);
    kith__member_move(m, KITH__MEMBER_ENDS);
    messy = atomic_load(&m->holds) != 0;
    kith__process_ends(o, m->object, status, messy);
    kith__guard_leave(&o->guard);
    kith__wake_all(kith__object_waiters(o, 0));
    kith__heap_free(m->arg);
    if (messy)
        hand_to_janitor(sim_new_client(JANITOR, n->number, who, NULL, NULL));
    else
        kith__member_free(who);
    atomic_fetch_add(&kith__shared->ended, 1);
    n->due = net.now;
}

static void say_started(const struct kith__member *m, uint32_t who)
{
    struct kith__object *o = kith__object_slot(m->object);

    sim_running(who);
    if (kith__object_is(o, m->object))
        atomic_store(&kith__process_body(o)->pid, (int32_t)who);
}

static void serve_played(struct sim_node *n, struct kith__member *m, uint32_t who)
{
    uint32_t state = atomic_load(&m->state), sig;

    if (state == KITH__ASKED && (sim_is_calm || draw(2)))
        say_started(m, who);
    else if ((sig = atomic_exchange(&m->stop_signal, 0)) != 0)
        end_played(n, m, who, (int)sig);
    else if (state == KITH__RUNNING && !sim_processes_live && (sim_is_calm || draw(20) == 0))
        end_played(n, m, who, (int)(m->arg_size & 127) << 8);
}

static void kill_process(const struct sim_node *n, uint32_t who)
{
    for (int i = 0; i < sim_client_count; i++)
        if (sim_clients[i]->state == RUNS && sim_clients[i]->node == n->number &&
            sim_clients[i]->member == who)
            sim_clients[i]->dies = 1;
}

static void runs_process(struct client *c, void *arg)
{
    (void)arg;
    c->status = kith__process_main(c->member);
}

/* One of kith's own: what it is to do it does. */
static void serve_internal(const struct sim_node *n, struct kith__member *m, uint32_t who)
{
    if (atomic_load(&m->state) == KITH__ASKED) {
        if (!sim_is_calm && draw(4) > 0)
            return; /* it comes late */
        say_started(m, who);
        sim_begin_client(PROCESS, n->number, who, runs_process, NULL);
    } else if (atomic_exchange(&m->stop_signal, 0) != 0)
        kill_process(n, who);
}

static void works(struct client *c, void *arg)
{
    const struct kith__member *m = kith__member(c->member);
    struct kith__object *o = kith__object_slot(m->object);
    uint32_t worker = m->worker;

    (void)arg;
    kith__settle(kith__pool_body(o), worker);
    kith__worker_thread(o, worker);
}

static void serve_worker(const struct sim_node *n, const struct kith__member *m, uint32_t who)
{
    struct kith__pool *p = kith__pool_of(m);
    struct kith__lane *lane = lane_of(who);

    if (!lane)
        return;
    if (atomic_load(&m->state) == KITH__RUNNING) {
        if (atomic_load(&p->killed) || kith__lane_is_condemned(p, m->worker))
            kill_process(n, who);
        return;
    }
    if (kith__spawn_is_wanted(p)) {
        sim_running(who);
        sim_begin_client(WORKER, n->number, who, works, NULL);
        return;
    }
    kith__lane_move(lane, KITH__LANE_ENDS);
    atomic_store(&lane->member, 0);
    kith__fence();
    kith__wake_all(kith__object_waiters(kith__object_slot(m->object), 1));
    kith__member_free(who);
}

/* Its loop. */
void sim_serve(struct sim_node *n)
{
    uint32_t used;

    sim_enter_as(n, KITH__SERVER_MEMBER);
    used = atomic_load(&kith__shared->members_used);
    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        struct kith__member *m = kith__member(i);
        uint32_t state = atomic_load(&m->state), role = atomic_load(&m->role);

        if (state != KITH__ASKED && state != KITH__RUNNING)
            continue;
        if (role == KITH__WORKER && sim_world.workers && (state == KITH__RUNNING || sim_is_calm || draw(2)))
            serve_worker(n, m, i);
        else if (role == KITH__PROCESS && atomic_load(&m->internal))
            serve_internal(n, m, i);
        else if (role == KITH__PROCESS)
            serve_played(n, m, i);
    }
}
