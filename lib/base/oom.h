/* oom.h: whether it was the kernel that killed a process, for want of memory. It says so only by a counter:
 * of the memory cgroup that this process is in (v1 and v2), else of the whole machine. */
#ifndef KITH_OOM_H
#define KITH_OOM_H

#include <stddef.h>
#include <stdint.h>

enum { KITH__OOM_TEXT = 288 };

/* Once, before the first death that is asked about. root stands before each path, "" for the real ones, so
 * that tests can offer a tree of their own. */
void kith__oom_watch(const char *root);

/* 1 when the kernel has killed for want of memory within the last second, as far as this process looked. It
 * counts before it kills, so a look after a death comes in time. */
int kith__oom_has_killed(void);

/* "out of memory: ..." with the most that the dead one had resident, in bytes, and what bounds the memory
 * here. */
void kith__oom_text(uint64_t peak, char *text, size_t room);

#endif
