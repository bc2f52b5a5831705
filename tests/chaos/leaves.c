/* leaves.c: Processes that do little, and of which one knows how they must end. */
#include "config.h"
#include "leaves.h"
#include "queues.h"
#include "world.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one is told. */
enum leaf_action {
    LEAF_WELL,
    LEAF_SEVEN,
    LEAF_FAILS,
    LEAF_CRASHES,
    LEAF_PUTS,
    LEAF_TAKES,
    LEAF_WAITS,
    LEAF_STARTS,
    LEAF_ACTIONS
};
struct leaf {
    int action, queue, life;
    uint64_t seed;
    char filler[40];
};

/* The exit code that it must have. */
static int leaf_code(enum leaf_action action)
{
    return action == LEAF_SEVEN     ? 7
           : action == LEAF_FAILS   ? 9
           : action == LEAF_CRASHES ? -SIGKILL
           : action == LEAF_WAITS   ? -SIGTERM
                                    : 0;
}

static int leaf(const void *arg)
{
    const struct leaf *l = arg;
    struct dice d = dice_of(l->seed, 1, 2);

    CHECK(kith_arg_size() == sizeof *l, "a Process has an argument of %zu bytes", kith_arg_size());
    for (size_t i = 0; i < sizeof l->filler; i++)
        CHECK(l->filler[i] == 5, "byte %zu of the argument of a Process is wrong", i);
    CHECK(kith_worker() == -1, "a Process is worker %d", kith_worker());
    switch ((enum leaf_action)l->action) {
    case LEAF_SEVEN: exit(7);
    case LEAF_FAILS: return 9;
    case LEAF_CRASHES: raise(SIGKILL); break;
    case LEAF_PUTS: put_some(l->queue, l->life, 8, (int)roll(&d, 20)); break;
    case LEAF_TAKES: take_some(l->queue, l->life, 8, (int)roll(&d, 20)); break;
    case LEAF_WAITS:
        for (;;)
            pause();
    case LEAF_STARTS: spawn_and_join(&d); break;
    default: break;
    }
    return 0;
}

int spawn_and_join(struct dice *d)
{
    struct leaf l = { .action = roll(d, 2) ? LEAF_SEVEN : LEAF_WELL, .seed = roll(d, UINT64_MAX) };
    kith_process p;
    int rc, code = -1;

    memset(l.filler, 5, sizeof l.filler);
    atomic_fetch_add(&world->open, 1);
    p = kith_process_start(leaf, KITH_ARG(l));
    if ((rc = kith_check(p)) < 0)
        return rc;
    if ((rc = kith_process_join(p, KITH_FOREVER)) < 0)
        return rc;
    rc = kith_process_exitcode(p, &code);
    CHECK(server_lost(rc) || (rc == 0 && code_is_right(code, leaf_code((enum leaf_action)l.action))),
          "a task's Process: %d, exit code %d", rc, code);
    CHECK(kith_process_close(p) == 0 || now.trouble == NO_SERVER, "a task's Process cannot be closed");
    atomic_fetch_sub(&world->open, 1);
    return rc;
}

/* ---- those of an actor */

static kith_process start_leaf(struct leaf *l, struct dice *d)
{
    kith_process p;

    memset(l, 5, sizeof *l);
    l->action = (int)roll(d, LEAF_ACTIONS);
    l->queue = (int)roll(d, QUEUES);
    l->life = atomic_load(&world->queues[l->queue].current);
    l->seed = roll(d, UINT64_MAX);
    atomic_fetch_add(&world->open, 1);
    p = kith_process_start_with(leaf, KITH_ARG(*l), .daemon = l->action == LEAF_WAITS || roll(d, 2),
                                .name = roll(d, 2) ? "leaf" : NULL);
    CHECK(kith_check(p) == 0 || excused(kith_check(p)), "a Process cannot be started: %d", kith_check(p));
    return p;
}

/* One that was joined ended as it must; if early, perhaps by a signal. */
static void look_at_end(kith_process p, enum leaf_action action, int must, int early)
{
    int code, rc = kith_process_alive(p);

    CHECK(rc == 0 || server_lost(rc), "a Process that was joined is alive");
    rc = kith_process_exitcode(p, &code);
    CHECK(rc == 0 || server_lost(rc), "exitcode gives %d", rc);
    CHECK(rc < 0 || code_is_right(code, must) || (early && (code == -SIGKILL || code == -SIGTERM)),
          "a leaf (action %d) ended with %d, not %d", action, code, must);
}

static void end_leaf(kith_process p, enum leaf_action action, struct dice *d)
{
    int early = roll(d, 4) == 0, must = leaf_code(action), kill_it = roll(d, 2) == 0, rc;

    if (kith_check(p) < 0)
        return;
    if (roll(d, 3) == 0) {
        rc = kith_process_join(p, (int)roll(d, 3));
        CHECK(rc == 0 || rc == KITH_ETIMEDOUT || server_lost(rc), "join gives %d", rc);
    }
    if (action == LEAF_WAITS || early) {
        atomic_store(&world->deaths, 1);
        rc = kill_it ? kith_process_kill(p) : kith_process_terminate(p);
        CHECK(rc == 0 || server_lost(rc), "%s gives %d", kill_it ? "kill" : "terminate", rc);
        if (action == LEAF_WAITS && kill_it)
            must = -SIGKILL;
    }
    rc = kith_process_join(p, KITH_FOREVER);
    CHECK(rc == 0 || server_lost(rc), "join gives %d", rc);
    if (rc == 0)
        look_at_end(p, action, must, early);
    rc = kith_process_close(p);
    CHECK(rc == 0 || server_lost(rc), "close of a Process gives %d", rc);
    atomic_fetch_sub(&world->open, 1);
    rc = kith_process_join(p, 0);
    CHECK(rc == KITH_ESTALE || server_lost(rc), "join of one that was closed gives %d", rc);
}

void start_leaves(struct dice *d)
{
    enum { MOST = 4 };
    kith_process p[MOST];
    struct leaf l[MOST];
    int n = now.alone ? 0 : 1 + (int)roll(d, MOST);

    for (int i = 0; i < n; i++)
        p[i] = start_leaf(&l[i], d);
    for (int i = 0; i < n; i++)
        end_leaf(p[i], (enum leaf_action)l[i].action, d);
}

/* ---- plain functions */

static int add_three(int x, int y, int z)
{
    kith_log(KITH_LOG_DEBUG, "%d + %d + %d", x, y, z);
    kith_log(KITH_LOG_WARNING, "%d\n", x + y + z);
    return x + y + z;
}

static int measure(const char *text)
{
    return (int)strlen(text);
}

/* The Process that has started it. */
static int add_length(int x, const char *text, kith_process starter)
{
    return starter.id == kith_parent().id ? x + (int)strlen(text) : -1;
}

/* Of numbers, of a string, or of a handle and both. */
void start_plain(struct dice *d)
{
    static const char text[] = "a text of some length that its Process gets as a copy";
    int x = (int)roll(d, 50), length = (int)roll(d, sizeof text), rest = (int)sizeof text - 1 - length;
    int kind = (int)roll(d, 3), expected = kind == 0 ? x + 7 : kind == 1 ? rest : x + rest, code = 0, rc;
    kith_process p;

    if (now.alone)
        return;
    atomic_fetch_add(&world->open, 1);
    p = kind == 0   ? kith_start(add_three, x, 3, 4)
        : kind == 1 ? kith_start(measure, text + length)
                    : kith_start(add_length, x, text + length, kith_self());
    if ((rc = kith_check(p)) == 0 && (rc = kith_process_join(p, KITH_FOREVER)) == 0)
        rc = kith_process_exitcode(p, &code);
    CHECK(excused(rc) || (rc == 0 && code_is_right(code, expected)),
          "a plain function in a Process: %d, exit code %d", rc, code);
    rc = kith_process_close(p);
    CHECK(rc == 0 || excused(rc), "close of a Process gives %d", rc);
    atomic_fetch_sub(&world->open, 1);
}
