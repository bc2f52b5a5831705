/* jobs.c: see jobs.h. */
#include "config.h"
#include "jobs.h"
#include "world.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>

struct job {
    uint32_t number, priority;
    char bytes[20000]; /* as many as its number decides */
};

static kith_queue queue(void)
{
    return (kith_queue){ atomic_load(&world->jobs) };
}

static size_t size_of(uint32_t number)
{
    uint64_t x = mixed(number);

    return offsetof(struct job, bytes) + (x % 20 ? x / 64 % 100 : x / 64 % sizeof((struct job *)0)->bytes);
}

void open_jobs(void)
{
    kith_queue q = kith_queue_open_with(0, .order = KITH_PRIORITY, .joinable = 1);
    int rc = kith_check(q);

    CHECK(rc == 0 || excused(rc), "a joinable Queue cannot be opened: %d", rc);
    if (rc == 0)
        atomic_store(&world->jobs, q.id);
}

/* 1: it is there. */
static int put_job(struct dice *d)
{
    struct job job = { atomic_fetch_add(&world->next_job, 1), (uint32_t)roll(d, 3), { 0 } };
    int rc;

    if (job.number >= JOBS)
        return 0;
    memset(job.bytes, (int)(job.number & 127), sizeof job.bytes);
    rc = kith_queue_put_priority(queue(), &job, size_of(job.number), (int)job.priority, KITH_FOREVER);
    CHECK(rc == 0 || excused(rc), "put of a job gives %d", rc);
    if (rc == 0)
        atomic_store(&world->job_put[job.number], 1);
    return rc == 0;
}

static void look_at(const struct job *job, int64_t size)
{
    CHECK(size >= (int64_t)offsetof(struct job, bytes) && job->number < JOBS &&
              size == (int64_t)size_of(job->number),
          "a job of %lld bytes that nobody put", (long long)size);
    for (size_t i = 0; i < (size_t)size - offsetof(struct job, bytes); i++)
        if (job->bytes[i] != (char)(job->number & 127)) {
            wrong("byte %zu of job %u is wrong", i, job->number);
            break;
        }
}

/* Does one: each is done once, but for what the dead have done and not told. 0: there was none. */
static int do_job(int timeout_ms, int moments)
{
    struct job job = { JOBS, 0, { 0 } };
    int64_t size = kith_queue_get(queue(), &job, sizeof job, timeout_ms);
    int rc;

    if (size == KITH_ETIMEDOUT || excused((int)size))
        return 0;
    CHECK(size >= 0, "get of a job gives %d", (int)size);
    look_at(&job, size);
    if (job.number >= JOBS)
        return 0;
    for (int i = 0; i < moments; i++)
        sched_yield();
    CHECK(atomic_fetch_add(&world->job_done[job.number], 1) == 0 || somebody_died(), "job %u came twice",
          job.number);
    rc = kith_queue_task_done(queue());
    CHECK(rc == 0 || excused(rc), "task_done gives %d", rc);
    return 1;
}

void use_jobs(struct dice *d)
{
    int n = 1 + (int)roll(d, 20), puts = (int)roll(d, 2);

    for (int i = 0; i < n && atomic_load(&world->jobs); i++)
        if (!(puts ? put_job(d) : do_job((int)roll(d, 5), (int)roll(d, 4))))
            break;
}

/* What the dead had comes back some moments later. */
static int join_jobs(void)
{
    int rc = KITH_ETIMEDOUT;

    for (int tries = 0; tries < 20000 && rc == KITH_ETIMEDOUT; tries++) {
        while (do_job(0, 0))
            ;
        rc = kith_queue_join(queue(), dead_keep_what_they_have() ? 0 : 1);
        if (dead_keep_what_they_have())
            break;
    }
    return rc;
}

void end_jobs(void)
{
    int rc;

    if (!atomic_load(&world->jobs))
        return;
    rc = join_jobs();
    CHECK(rc == 0 || excused(rc) || dead_keep_what_they_have(), "jobs are not done at the end, join gives %d",
          rc);
    for (uint32_t i = 0; rc == 0 && i < JOBS && i < atomic_load(&world->next_job); i++)
        CHECK(!atomic_load(&world->job_put[i]) || atomic_load(&world->job_done[i]), "job %u is lost", i);
    rc = kith_queue_close(queue());
    CHECK(rc == 0 || server_lost(rc), "close of a joinable Queue gives %d", rc);
}
