/* pipes.c: see pipes.h. */
#include "config.h"
#include "pipes.h"
#include "world.h"

#include <signal.h>
#include <string.h>

enum { LARGEST = 20000 };

/* What the Process is told: as which message it dies; how large its answers are. */
struct talk {
    kith_pipe end;
    int dies_at;
    uint32_t size;
};

/* Answers each number with the next one, until the other end is over. */
static int answer(const void *arg)
{
    static char bytes[LARGEST];
    const struct talk *t = arg;
    int64_t rc;

    for (int i = 0; (rc = kith_pipe_recv(t->end, bytes, sizeof bytes, KITH_FOREVER)) == (int64_t)t->size;
         i++) {
        int x;

        memcpy(&x, bytes, sizeof x);
        CHECK(x == i, "message %d of a Pipe says %d", i, x);
        if (i == t->dies_at)
            raise(SIGKILL);
        x++;
        memcpy(bytes, &x, sizeof x);
        if ((rc = kith_pipe_send(t->end, bytes, t->size, KITH_FOREVER)) < 0)
            break;
    }
    CHECK(rc == KITH_EEND || rc == KITH_ESTALE || excused((int)rc) ||
              (rc == KITH_EPEER && atomic_load(&world->at_finalize)),
          "recv from a Pipe gives %d", (int)rc);
    return 0;
}

/* 1: the answer is right; 0: there is none, and the other one may have died. */
static int ask(kith_pipe end, int i, const struct talk *t)
{
    char bytes[LARGEST];
    int64_t rc;
    int x = i;

    memset(bytes, i, sizeof bytes);
    memcpy(bytes, &x, sizeof x);
    rc = kith_pipe_send(end, bytes, t->size, KITH_FOREVER);
    if (rc == 0)
        rc = kith_pipe_recv(end, bytes, sizeof bytes, KITH_FOREVER);
    if (rc == KITH_EEND || excused((int)rc)) {
        CHECK(rc != KITH_EEND || i >= t->dies_at || somebody_died(), "a Pipe is over at message %d", i);
        return 0;
    }
    CHECK(rc == (int64_t)t->size, "an answer from a Pipe has %d bytes, not %u", (int)rc, t->size);
    memcpy(&x, bytes, sizeof x);
    CHECK(x == i + 1, "the answer to %d is %d", i, x);
    return rc == (int64_t)t->size;
}

static int is_well(int rc)
{
    return rc == 0 || excused(rc);
}

static void end_talk(kith_process p, const kith_pipe ends[2], int dies)
{
    int rc = kith_pipe_close(ends[0]), code = 0;

    CHECK(is_well(rc), "close of an end gives %d", rc);
    rc = kith_process_join(p, KITH_FOREVER);
    CHECK(rc == 0 || server_lost(rc), "join gives %d", rc);
    rc = kith_process_exitcode(p, &code);
    CHECK(server_lost(rc) || (rc == 0 && (code_is_right(code, 0) || (dies && code == -SIGKILL))),
          "whoever answers at a Pipe: %d, exit code %d", rc, code);
    rc = kith_process_close(p);
    CHECK(is_well(rc), "close of a Process gives %d", rc);
    rc = kith_pipe_close(ends[1]);
    CHECK(is_well(rc), "close of the other end gives %d", rc);
    rc = kith_pipe_close(ends[1]);
    CHECK(rc == KITH_ESTALE || server_lost(rc), "a second close of an end gives %d", rc);
    atomic_fetch_sub(&world->open, 1);
}

void talk(struct dice *d)
{
    int n = 1 + (int)roll(d, 30), dies = roll(d, 3) == 0, rc;
    struct talk t = { .dies_at = dies ? (int)roll(d, 40) : n + 1 };
    kith_pipe ends[2];
    kith_process p;

    if (now.alone)
        return;
    t.size =
        (uint32_t)(roll(d, 4) ? sizeof(int) + roll(d, 100) : sizeof(int) + roll(d, LARGEST - sizeof(int)));
    atomic_fetch_add(&world->open, 1);
    if ((rc = kith_pipe_open(ends)) < 0) {
        CHECK(excused(rc), "a Pipe cannot be opened: %d", rc);
        return;
    }
    t.end = ends[1];
    p = kith_process_start_with(answer, KITH_ARG(t), .daemon = 1);
    CHECK(is_well(kith_check(p)), "a Process cannot be started: %d", kith_check(p));
    if (kith_check(p) < 0)
        return;
    rc = kith_pipe_give(ends[1], p);
    CHECK(is_well(rc), "give gives %d", rc);
    for (int i = 0; i < n && rc == 0 && ask(ends[0], i, &t); i++)
        ;
    end_talk(p, ends, dies);
}
