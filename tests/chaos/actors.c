/* actors.c: what an actor does: one step after the other, each drawn anew. */
#include "config.h"
#include "actors.h"
#include "dicts.h"
#include "feeds.h"
#include "jobs.h"
#include "kinds.h"
#include "leaves.h"
#include "locks.h"
#include "memory.h"
#include "pools.h"
#include "queues.h"
#include "pipes.h"
#include "sems.h"
#include "shares.h"
#include "sync.h"
#include "values.h"
#include "waits.h"
#include "world.h"

#include <signal.h>
#include <stdlib.h>

static int some_items(struct dice *d)
{
    return (int)roll(d, ITEMS);
}
static int some_time_ms(struct dice *d)
{
    return roll(d, 10) ? (int)roll(d, 10) : 200;
}

static void use_queue(int puts, int q, int life, struct dice *d)
{
    int timeout_ms = some_time_ms(d), n = some_items(d);

    if (puts)
        put_some(q, life, n, timeout_ms);
    else
        take_some(q, life, n, timeout_ms);
}

static void end_something(int pool, int q, struct dice *d)
{
    if (roll(d, 3))
        end_pool(pool, (int)roll(d, 2));
    else
        end_queue(q);
}

static void step(int actor, int number)
{
    static const enum kind kinds[] = { INTS, LONGS, DOUBLES, BYTES, RANGE, INTS, RANGE, BYTES, NOTHING };
    struct dice d = dice_of(now.seed, (uint64_t)actor + 100, (uint64_t)number);
    int what = (int)roll(&d, 33), pool = (int)roll(&d, POOLS), q = (int)roll(&d, QUEUES);
    int life = atomic_load(&world->queues[q].current);

    atomic_store(&world->doing[actor], (uint32_t)number << 8 | (uint32_t)what);
    CHECK(kith_priority((int)roll(&d, 9) - 4) == 0, "a priority is refused");
    open_pool((int)roll(&d, POOLS), &d);
    open_queue((int)roll(&d, QUEUES), &d);
    switch (what) {
    case 9:
    case 10: use_queue(1, q, life, &d); break;
    case 11:
    case 12: use_queue(0, q, life, &d); break;
    case 13: (roll(&d, 2) ? relay : open_by_name)(&d); break;
    case 14:
    case 15: start_leaves(&d); break;
    case 16: churn(&d); break;
    case 17: end_something(pool, q, &d); break;
    case 18: own_pool(&d); break;
    case 19: use_what_is_gone(&d); break;
    case 20:
    case 21: use_sem(&d); break;
    case 22:
    case 23: (roll(&d, 2) ? use_value : use_lock)(&d); break;
    case 24: (roll(&d, 2) ? talk : use_jobs)(&d); break;
    case 25: (roll(&d, 2) ? take_of_many : wait_for_many)(&d); break;
    case 26:
    case 27: use_sync(&d); break;
    case 28:
    case 29: use_dict(&d); break;
    case 30: feed(&d); break;
    case 31: use_names(&d); break;
    case 32: (roll(&d, 2) ? share : start_plain)(&d); break;
    default: make_call(pool, kinds[what], &d); break; /* 0 to 8 */
    }
    atomic_fetch_add(&world->steps_done, 1);
}

void play(int actor)
{
    my_actor = actor;
    for (int i = 0; i < now.steps && !atomic_load(&world->wrong); i++)
        step(actor, i);
    atomic_store(&world->doing[actor], 0xffff);
}

static void *play_thread(void *arg)
{
    play((int)(intptr_t)arg);
    return NULL;
}

static int play_process(const void *arg)
{
    play(*(const int *)arg);
    return 0;
}

/* ---- all of them */

void start_actors(struct actors *a)
{
    for (int i = 0; i < now.processes; i++) {
        int actor = THREADS + i;

        a->processes[i] = kith_process_start(play_process, KITH_ARG(actor));
        CHECK(kith_check(a->processes[i]) == 0 || server_lost(kith_check(a->processes[i])),
              "an actor cannot be started");
    }
    for (int i = 1; i < now.threads; i++)
        if (pthread_create(&a->threads[i], NULL, play_thread, (void *)(intptr_t)i) != 0)
            abort();
}

/* Joins a Process, or ends it. */
static void end_process(kith_process p, struct dice *d)
{
    int doom = roll(d, 5) == 0, code, rc;

    if (kith_check(p) < 0)
        return;
    if (doom) {
        atomic_store(&world->deaths, 1);
        atomic_store(&world->doomed, 1);
        rc = roll(d, 2) ? kith_process_kill(p) : kith_process_terminate(p);
        CHECK(rc == 0 || server_lost(rc), "an actor cannot be ended: %d", rc);
    }
    rc = kith_process_join(p, KITH_FOREVER);
    CHECK(rc == 0 || server_lost(rc), "join of an actor gives %d", rc);
    if (rc == 0 && kith_process_exitcode(p, &code) == 0)
        CHECK(code_is_right(code, 0) || (doom && (code == -SIGKILL || code == -SIGTERM)),
              "an actor ended with %d", code);
    CHECK((rc = kith_process_close(p)) == 0 || server_lost(rc), "an actor cannot be closed: %d", rc);
}

void end_actors(struct actors *a, struct dice *d)
{
    for (int i = 1; i < now.threads; i++)
        pthread_join(a->threads[i], NULL);
    for (int i = 0; i < now.processes; i++)
        end_process(a->processes[i], d);
}

void leave_actors(struct actors *a)
{
    for (int i = 1; i < now.threads; i++)
        pthread_detach(a->threads[i]);
}
