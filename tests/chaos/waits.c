/* waits.c: see waits.h. */
#include "config.h"
#include "waits.h"
#include "world.h"

#include <signal.h>
#include <unistd.h>

enum { END, EVENT, PROCESS, THINGS };

/* What the Process is told: before which of its steps it dies. */
struct plan {
    kith_pipe end;
    kith_event event;
    int dies_at;
};

struct scene {
    struct plan plan;
    kith_pipe mine;
    kith_process p;
    int seen[THINGS];
    int number; /* that came through the Pipe */
};

static int is_well(int rc)
{
    return rc == 0 || excused(rc);
}

/* Sends a number, and sets the Event. */
static int does_both(const void *arg)
{
    const struct plan *plan = arg;
    int x = 5, rc;

    if (plan->dies_at == 0)
        raise(SIGKILL);
    rc = kith_pipe_send(plan->end, &x, sizeof x, KITH_FOREVER);
    CHECK(rc == 0 || rc == KITH_EEND || rc == KITH_ESTALE || rc == KITH_EPEER || excused(rc), "send gives %d",
          rc);
    if (plan->dies_at == 1)
        raise(SIGKILL);
    rc = kith_event_set(plan->event);
    CHECK(rc == 0 || rc == KITH_ESTALE || rc == KITH_EPEER || excused(rc), "an Event gives %d", rc);
    return 7;
}

/* 1: all is there. */
static int open_scene(struct scene *s, struct dice *d)
{
    kith_pipe ends[2];
    int rc = kith_pipe_open(ends);

    CHECK(is_well(rc), "a Pipe cannot be opened: %d", rc);
    if (rc < 0)
        return 0;
    s->mine = ends[0];
    s->plan = (struct plan){ ends[1], kith_event_open(), (int)roll(d, 6) };
    CHECK(is_well(kith_check(s->plan.event)), "an Event cannot be opened: %d", kith_check(s->plan.event));
    if (kith_check(s->plan.event) < 0)
        return 0;
    s->p = kith_process_start_with(does_both, KITH_ARG(s->plan), .daemon = 1);
    CHECK(is_well(kith_check(s->p)), "a Process cannot be started: %d", kith_check(s->p));
    if (kith_check(s->p) < 0)
        return 0;
    rc = kith_pipe_give(ends[1], s->p);
    CHECK(is_well(rc), "give gives %d", rc);
    return rc == 0;
}

/* What is ready can be had at once. */
static void have(struct scene *s, int thing)
{
    int rc;

    s->seen[thing] = 1;
    if (thing == END)
        rc = kith_pipe_recv(s->mine, &s->number, sizeof s->number, 0) == sizeof s->number ? 0 : KITH_EEND;
    else if (thing == EVENT)
        rc = kith_event_wait(s->plan.event, 0);
    else
        rc = kith_process_join(s->p, 0);
    CHECK(rc == 0 || (thing == END && (s->plan.dies_at == 0 || somebody_died())) || excused(rc),
          "thing %d is ready, and gives %d", thing, rc);
}

/* Until the Process has ended, which it does in any case. 0: kith_wait has failed. */
static int await_end(struct scene *s, int fd, struct dice *d)
{
    struct kith_waitable all[THINGS] = { kith_on(s->mine), kith_on(s->plan.event), kith_on(s->p) };

    while (!s->seen[PROCESS]) {
        struct kith_waitable list[THINGS + 1] = { { 0 } };
        int which[THINGS], rc;
        size_t n = 0;

        for (int i = 0; i < THINGS; i++)
            if (!s->seen[i]) {
                which[n] = i;
                list[n++] = all[i];
            }
        list[n] = kith_on_fd(fd);
        rc = kith_wait(list, n + 1, roll(d, 4) ? KITH_FOREVER : (int)roll(d, 5));
        CHECK(rc >= 1 || rc == KITH_ETIMEDOUT || excused(rc), "wait for many gives %d", rc);
        if (rc < 0 && rc != KITH_ETIMEDOUT)
            return 0;
        CHECK(list[n].ready == 0, "a descriptor that nobody writes to is ready: %d", list[n].ready);
        for (size_t i = 0; rc > 0 && i < n; i++)
            if (list[i].ready)
                have(s, which[i]);
    }
    return 1;
}

static void close_scene(struct scene *s)
{
    int code = 0, rc = kith_process_exitcode(s->p, &code);

    CHECK(server_lost(rc) ||
              (rc == 0 && (code_is_right(code, 7) || (s->plan.dies_at < 2 && code == -SIGKILL))),
          "a Process that was waited for: %d, exit code %d", rc, code);
    rc = kith_event_is_set(s->plan.event);
    CHECK(rc == 1 || (rc == 0 && code != 7) || excused(rc), "an Event is %d, and its setter ended with %d",
          rc, code);
    if (rc >= 0 && code == 7 && !s->seen[END])
        have(s, END);
    CHECK(code != 7 || s->number == 5 || rc < 0, "the number %d came", s->number);
    CHECK(is_well(kith_process_close(s->p)), "close of a Process fails");
    CHECK(is_well(kith_event_close(s->plan.event)), "close of an Event fails");
    CHECK(is_well(kith_pipe_close(s->mine)) && is_well(kith_pipe_close(s->plan.end)),
          "close of a Pipe fails");
    atomic_fetch_sub(&world->open, 1);
}

void wait_for_many(struct dice *d)
{
    struct scene s = { .number = 0 };
    int fds[2];

    if (now.alone || pipe(fds) < 0)
        return;
    atomic_fetch_add(&world->open, 1);
    if (open_scene(&s, d) && await_end(&s, fds[0], d))
        close_scene(&s);
    close(fds[0]);
    close(fds[1]);
}
