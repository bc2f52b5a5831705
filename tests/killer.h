/* killer.h: for those who kill the processes of a job from outside, at any moment. */
#ifndef KILLER_H
#define KILLER_H

#include <errno.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

static inline void nap_us(long us)
{
    nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
}

/* The children of pid's first thread, at most room: how many. */
static inline int children_of(pid_t pid, pid_t *list, int room)
{
    char path[64];
    int n = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    if (!(f = fopen(path, "r")))
        return 0;
    while (n < room && fscanf(f, "%d", &list[n]) == 1)
        n++;
    fclose(f);
    return n;
}

/* All descendants have gone within limit_ms; their statuses do not matter. */
static inline int all_gone(int limit_ms)
{
    for (int i = 0; i < limit_ms; i++) {
        pid_t pid;

        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0 && errno == ECHILD)
            return 1;
        nap_us(1000);
    }
    return 0;
}

#endif
