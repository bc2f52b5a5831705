/* processes.c: see processes.h. */
#include "config.h"
#include "processes.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

size_t process_read(pid_t pid, const char *name, char *buf, size_t room)
{
    char path[64];
    ssize_t n;
    int fd;

    buf[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    n = read(fd, buf, room - 1);
    close(fd);
    buf[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* The name, in parentheses, may hold anything. */
static pid_t parent_and_state(pid_t pid, char *state)
{
    char text[512], *end;
    int parent = 0;

    if (process_read(pid, "stat", text, sizeof text) > 0 && (end = strrchr(text, ')')))
        (void)!sscanf(end + 1, " %c %d", state, &parent);
    return parent;
}

pid_t process_parent(pid_t pid)
{
    char state;

    return parent_and_state(pid, &state);
}

int process_has_child(pid_t pid)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    int found = 0;

    while (d && !found && (e = readdir(d))) {
        char state = 'Z';

        found = isdigit((unsigned char)*e->d_name) && parent_and_state(atoi(e->d_name), &state) == pid &&
                state != 'Z' && state != 'X';
    }
    if (d)
        closedir(d);
    return found;
}
