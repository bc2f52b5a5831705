/* tidy.c: looks for what is left: items, processes, seats, objects, blocks; and of the whole job, files and
 * memory. */
#include "config.h"
#include "../killer.h"
#include "calls.h"
#include "jobs.h"
#include "pools.h"
#include "queues.h"
#include "dicts.h"
#include "locks.h"
#include "sems.h"
#include "shares.h"
#include "sync.h"
#include "values.h"
#include "tidy.h"
#include "world.h"
#include "member/members.h"
#include "shm/heap.h"
#include "object/class.h"

#include <dirent.h>
#include <string.h>

static int files_before;
static uint64_t blocks_before;

/* ---- files */

static int count_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int maps_arena(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    int found = 0;

    while (fgets(line, sizeof line, f))
        found |= strstr(line, "memfd:kith") != NULL;
    fclose(f);
    return found;
}

void remember_files(void)
{
    files_before = count_files();
}

void look_after_the_end(void)
{
    CHECK(count_files() == files_before, "%d files are open that were not", count_files() - files_before);
    CHECK(!maps_arena(), "shared memory is left");
    CHECK(!kith_alloc(1) && kith_check(kith_queue_open(0)) == KITH_ENOTINIT, "there is life after the end");
}

/* ---- shared memory */

static uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

void remember_blocks(void)
{
    blocks_before = used_blocks();
}

/* Through the agent each seat has a mailbox, which stays. */
static int blocks_are_free(void)
{
    return used_blocks() <= blocks_before + (uint64_t)atomic_load(&world->blocks) +
                                (uint64_t)atomic_load(&have_not_waited) +
                                (now.net ? atomic_load(&kith__shared->seats_used) : 0);
}

static void count_object(struct kith__object *o, void *context)
{
    (void)o;
    ++*(int *)context;
}

static int count_objects(void)
{
    int n = 0;

    for (unsigned kind = 1; kind < KITH__KINDS; kind++)
        kith__objects_each(kind, count_object, &n);
    return n;
}

static int objects_are_free(void)
{
    return count_objects() == 1; /* that of main, which is there from the start */
}

static int members_are_free(void)
{
    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        if (atomic_load(&kith__member(i)->state) != KITH__FREE &&
            atomic_load(&kith__member(i)->role) != KITH__AGENT)
            return 0;
    return 1;
}

static int seats_are_free(void)
{
    for (uint32_t i = 0; i < atomic_load(&kith__shared->seats_used); i++) {
        uint32_t member = atomic_load(&kith__shared->seats[i].member);

        if (member != 0 && member != kith__me && atomic_load(&kith__member(member)->role) != KITH__AGENT &&
            atomic_load(&kith__member(member)->role) != KITH__SERVER)
            return 0;
    }
    return 1;
}

/* What dead processes leave is taken back behind them. */
static int soon(int (*is_free)(void))
{
    for (int i = 0; i < 5000; i++) {
        if (is_free())
            return 1;
        nap_us(1000);
    }
    return 0;
}

void tidy_up(void)
{
    /* First the Pools and what is left of Processes: those whose caller was ended may still put something. */
    for (int p = 0; p < POOLS; p++)
        end_pool(p, p % 2);
    if (now.trouble != NO_SERVER && !atomic_load(&world->open))
        soon(members_are_free);
    for (int q = 0; q < QUEUES; q++)
        take_some(q, atomic_load(&world->queues[q].current), 1 << 30, 0);
    if (now.trouble != NO_SERVER)
        count_items();
    for (int q = 0; q < QUEUES; q++)
        end_queue(q);
    close_named();
    end_sem();
    end_value();
    end_dict();
    end_lock();
    end_sync();
    end_jobs();
    end_names();
    CHECK(kith__heap_audit() == 0, "the heap is not sound");
    if (now.trouble == NO_SERVER || atomic_load(&world->open))
        return;
    CHECK(soon(members_are_free), "processes are left");
    CHECK(soon(seats_are_free), "seats are left");
    CHECK(soon(objects_are_free), "%d objects are left", count_objects() - 1);
    CHECK(soon(blocks_are_free), "%d blocks are left, and %d of kith_alloc",
          (int)(used_blocks() - blocks_before), (int)atomic_load(&world->blocks));
}
