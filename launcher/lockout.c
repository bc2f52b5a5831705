/* lockout.c: see lockout.h. Called by job.c. */
#include "config.h"
#include "lockout.h"
#include "processes.h"

#include <limits.h>
#include <string.h>

/* A lock for which it waits in good order it gets in no time. */
enum { LOOK_MS = 1000, LOCKED_MS = 10000 };

void lockout_watch(struct lockout *l, long long now)
{
    if (l->look == 0)
        l->look = now + LOOK_MS;
}

int lockout_wait(const struct lockout *l, long long now)
{
    if (l->look == 0 || l->look == LLONG_MAX)
        return -1;
    return l->look > now ? (int)(l->look - now) : 0;
}

/* Where its first thread waits, in which it hears signals. */
static int waits_for_lock(pid_t mpirun)
{
    char text[128];

    return process_read(mpirun, "wchan", text, sizeof text) > 0 && strstr(text, "futex");
}

int lockout_is_one(struct lockout *l, pid_t mpirun, long long now)
{
    if (l->look == 0 || now < l->look)
        return 0;
    l->look = now + LOOK_MS;
    if (!waits_for_lock(mpirun) || process_has_child(mpirun))
        l->since = 0;
    else if (l->since == 0)
        l->since = now;
    if (l->since == 0 || now - l->since < LOCKED_MS)
        return 0;
    l->look = LLONG_MAX;
    return 1;
}
