/* orphans.c: see orphans.h. */
#include "config.h"
#include "server/orphans.h"
#include "server/watchdog.h"
#include "member/members.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

/* Their order is that of their deaths. Where there are more, those of the oldest live until the job ends. */
static struct {
    struct {
        uint32_t serial;
        int is_seen;
    } dead[KITH__MEMBERS];
    int count;
    int (*is_ours)(pid_t pid);
} self;

static uint64_t mark_of(uint32_t serial)
{
    return (uint64_t)(kith__shared->job_secret & INT32_MAX) << 32 | serial;
}

void kith__orphans_mark(uint32_t serial)
{
    struct rlimit64 limit;

    if (getrlimit64(RLIMIT_LOCKS, &limit) < 0 || limit.rlim_max < mark_of(serial))
        return; /* what it starts lives until the job ends */
    limit.rlim_cur = mark_of(serial);
    setrlimit64(RLIMIT_LOCKS, &limit);
}

void kith__orphans_condemn(uint32_t serial)
{
    for (int i = 0; i < self.count; i++)
        if (self.dead[i].serial == serial)
            return;
    if (self.count == KITH__MEMBERS)
        memmove(self.dead, self.dead + 1, (size_t)--self.count * sizeof self.dead[0]);
    self.dead[self.count].serial = serial;
    self.dead[self.count++].is_seen = 0;
}

/* A dead one, too: what it leaves is among our children already, or becomes one before we hear of its end. */
static void end_when_condemned(pid_t pid)
{
    struct rlimit64 limit;

    if (self.is_ours(pid) || prlimit64(pid, RLIMIT_LOCKS, NULL, &limit) < 0)
        return;
    for (int i = 0; i < self.count; i++)
        if (limit.rlim_cur == mark_of(self.dead[i].serial)) {
            self.dead[i].is_seen = 1;
            kill(pid, SIGKILL);
        }
}

/* Counted first: there are hardly ever any, and to know them takes a look at all members for each child.
 * Nobody but us takes children out of the list, so none is missed in it. */
void kith__orphans_look(int ours, int (*is_ours)(pid_t pid))
{
    int kept = 0;

    if (self.count == 0)
        return;
    self.is_ours = is_ours;
    if (kith__each_child(NULL) > ours)
        kith__each_child(end_when_condemned);
    for (int i = 0; i < self.count; i++)
        if (self.dead[i].is_seen) {
            self.dead[kept].serial = self.dead[i].serial;
            self.dead[kept++].is_seen = 0;
        }
    self.count = kept;
}

static void end_orphan(pid_t pid)
{
    if (!self.is_ours(pid))
        kill(pid, SIGKILL);
}

void kith__orphans_end(int (*is_ours)(pid_t pid))
{
    self.is_ours = is_ours;
    kith__each_child(end_orphan);
}
