/* processes.h: what /proc says of the processes of this machine. */
#ifndef KITH_LAUNCHER_PROCESSES_H
#define KITH_LAUNCHER_PROCESSES_H

#include <stddef.h>
#include <sys/types.h>

/* The file of that name, as "stat", as a string; its size; 0: it cannot be read. */
size_t process_read(pid_t pid, const char *name, char *buf, size_t room);

pid_t process_parent(pid_t pid);  /* 0: it has gone */
int process_has_child(pid_t pid); /* one that has not ended */

#endif
