/* oom.c: see oom.h. */
#include "config.h"
#include "base/oom.h"
#include "base/budget.h"
#include "base/cgroup.h"
#include "base/system.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t recently_ns = 1000 * KITH__MS;

static struct {
    char path[PATH_MAX]; /* of the counter; "": there is none */
    long long kills;     /* when we last looked */
    int64_t killed;      /* when we last saw more of them; 0: never */
} self;

/* The line "oom_kill n" of a file: n, or -1. */
static long long read_counter(const char *path)
{
    char line[256];
    long long n = -1;
    FILE *f = fopen(path, "re");

    if (!f)
        return -1;
    while (n < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "oom_kill %lld", &n) != 1)
            n = -1;
    fclose(f);
    return n;
}

static void try_path(const char *directory, const char *file)
{
    if (snprintf(self.path, sizeof self.path, "%s/%s", directory, file) >= (int)sizeof self.path ||
        (self.kills = read_counter(self.path)) < 0)
        self.path[0] = '\0';
}

/* Its own group comes first: each kill counts in the group of the process that was killed. */
static void find_counter(const char *directory, int version, void *arg)
{
    (void)arg;
    if (self.path[0] == '\0')
        try_path(directory, version == 1 ? "memory.oom_control" : "memory.events");
}

void kith__oom_watch(const char *root)
{
    char directory[PATH_MAX];

    self.path[0] = '\0';
    self.killed = 0;
    kith__cgroups(root, "memory", find_counter, NULL);
    snprintf(directory, sizeof directory, "%.4000s/proc", root);
    if (self.path[0] == '\0')
        try_path(directory, "vmstat");
}

int kith__oom_has_killed(void)
{
    long long kills = self.path[0] ? read_counter(self.path) : -1;
    int64_t now = kith__now_ns();

    if (kills > self.kills)
        self.killed = now;
    if (kills >= 0)
        self.kills = kills;
    return self.killed && now - self.killed < recently_ns;
}

void kith__oom_text(uint64_t peak, char *text, size_t room)
{
    static struct kith__budget_groups groups;
    char had[KITH__SIZE_TEXT], bound[KITH__SIZE_TEXT];
    struct kith__budget b;

    kith__budget_read("", &groups, &b);
    snprintf(text, room, "out of memory: it had up to %s; the limit is %s (%.200s)",
             kith__size_text(peak, had), kith__size_text(b.limit, bound),
             b.where[0] ? b.where : "the machine");
}
