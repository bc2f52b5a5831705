/* action.c: what tasks do, and the marks by which one sees which of them has ended how. */
#include "config.h"
#include "../check.h"
#include "../killer.h"
#include "action.h"
#include "dice.h"
#include "kinds.h"
#include "leaves.h"
#include "memory.h"
#include "queues.h"
#include "world.h"

static const int crash_signals[] = { SIGKILL, SIGABRT, SIGTERM, SANITIZED ? SIGKILL : SIGSEGV };

int crash_signal(uint32_t run)
{
    return crash_signals[run % 4];
}
int fail_code(uint32_t run)
{
    return 100 + (int)(run % 50);
}
int return_code(uint32_t run)
{
    return 200 + (int)(run % 50);
}
int leave_status(uint32_t run)
{
    return (int)(run % 5);
}

int act(enum action action, uint32_t run, const struct place *at)
{
    struct dice d = dice_of(now.seed, run, action);
    int rc = 0;

    if (run < RUNS)
        atomic_fetch_add(&world->runs[run], 1);
    switch (action) {
    case WELL: break;
    case SLOW: nap_us((long)roll(&d, 1500)); break;
    case CHURN: churn(&d); break;
    case POST: put_some(at->queue, at->queue_life, 2, 0); break;
    case FAIL: return kith_fail(fail_code(run), "run %u fails", run);
    case CODE: return return_code(run);
    case CRASH:
        raise(crash_signal(run));
        for (;;) /* SIGTERM takes a moment, it seems, where sanitizers are */
            pause();
    case LEAVE: exit(leave_status(run));
    case HANG:
        for (;;)
            pause();
    case SPAWN: rc = now.alone ? 0 : spawn_and_join(&d); break;
    case BELOW: rc = at->pool + 1 < POOLS ? make_call_below(at->pool + 1, -1, 0, &d) : 0; break;
    case OWN:
    case PERIL: rc = make_call_below(at->pool, at->life, action == OWN, &d); break;
    case FAULTY: break;
    }
    return rc == 0 ? 0 : kith_fail(BROKEN_OFF, "broken off: %s", kith_last_error());
}
