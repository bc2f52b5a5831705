/* head.c: the head of a history: kith_init, the actors, and one of three ends. */
#include "config.h"
#include "actors.h"
#include "dicts.h"
#include "head.h"
#include "jobs.h"
#include "../killer.h"
#include "pools.h"
#include "queues.h"
#include "locks.h"
#include "sems.h"
#include "shares.h"
#include "sync.h"
#include "values.h"
#include "tidy.h"
#include "world.h"
#include "member/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void begin(struct dice *d)
{
    int rc;

    remember_files();
    CHECK((rc = kith_init(NULL, NULL)) == 0, "kith_init gives %d", rc);
    if (rc < 0)
        _exit(3);
    kith_on_fault(NULL);
    kith__seat();
    remember_blocks();
    atomic_store(&world->watchdog, kith__shared->watchdog_pid);
    atomic_store(&world->agent, kith__shared->agent_pid);
    atomic_store(&world->server, kith__shared->server_pid);
    for (int i = 0; i < POOLS; i++)
        open_pool(i, d);
    for (int i = 0; i < QUEUES; i++)
        open_queue(i, d);
    open_sem(d);
    open_value();
    open_dict();
    open_lock();
    open_sync();
    open_jobs();
    open_names();
    atomic_store(&world->up, 1);
}

/* What is said from now on is not listened to: threads go on while kith ends under them. */
static void __attribute__((noreturn)) leave_by_exit(struct actors *actors)
{
    atomic_store(&world->over, 2);
    atomic_store(&world->at_finalize, 1);
    leave_actors(actors);
    exit(LEFT_EARLY);
}

static void await_killer(void)
{
    atomic_store(&world->over, 1);
    while (!atomic_load(&world->killer_rests))
        nap_us(200);
}

static void __attribute__((noreturn)) end(void)
{
    int rc;

    if (now.ending == TIDY) {
        await_killer();
        tidy_up();
    }
    atomic_store(&world->at_finalize, 1);
    rc = kith_finalize();
    /* 1: nobody has asked how all Processes ended. */
    CHECK(rc == 0 || (rc == 1 && (disturbed() || atomic_load(&world->doomed))), "kith_finalize gives %d", rc);
    look_after_the_end();
    if (now.ending != TIDY)
        await_killer();
    fflush(NULL);
    _exit(0);
}

void play_head(void)
{
    struct dice d = dice_of(now.seed, 7, 7);
    struct actors actors;

    begin(&d);
    start_actors(&actors);
    play(0);
    if (now.ending == LEAVE_BY_EXIT)
        leave_by_exit(&actors);
    end_actors(&actors, &d);
    end();
}
