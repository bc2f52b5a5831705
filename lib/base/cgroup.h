/* cgroup.h: the control groups that this process is in, v1 and v2.
 *
 * root stands before each path, "" for the real ones, so that tests can offer a tree of their own. */
#ifndef KITH_CGROUP_H
#define KITH_CGROUP_H

/* Calls fn for the directory (root included) of each group that may limit this process by controller ("cpu"),
 * from its own up to the topmost that is mounted here; version is 1 or 2. */
void kith__cgroups(const char *root, const char *controller,
                   void (*fn)(const char *directory, int version, void *arg), void *arg);

#endif
