/* descriptors.c: see descriptors.h. */
#include "config.h"
#include "base/descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_kept(int fd, const int *keep, int count)
{
    for (int i = 0; i < count; i++)
        if (keep[i] == fd)
            return 1;
    return 0;
}

static void each(const int *keep, int count, void (*fn)(int fd, int with), int with)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        int fd = atoi(entry->d_name); /* "." and ".." are 0 */

        if (fd > STDERR_FILENO && fd != dirfd(dir) && fd != with && !is_kept(fd, keep, count))
            fn(fd, with);
    }
    closedir(dir);
}

static void shut(int fd, int with)
{
    (void)with;
    close(fd);
}

void kith__descriptors_close(const int *keep, int count)
{
    each(keep, count, shut, -1);
}

/* 1: whoever has the other end learns of the end when the last descriptor is closed. */
static int has_other_end(int fd)
{
    unsigned number;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return 0;
    return S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) ||
           (S_ISCHR(st.st_mode) && ioctl(fd, TIOCGPTN, &number) == 0);
}

static void replace(int fd, int with)
{
    if (has_other_end(fd))
        dup3(with, fd, O_CLOEXEC);
}

void kith__descriptors_let_go(const int *keep, int count)
{
    int nothing = open("/dev/null", O_PATH | O_CLOEXEC);

    if (nothing < 0)
        return;
    each(keep, count, replace, nothing);
    close(nothing);
}
