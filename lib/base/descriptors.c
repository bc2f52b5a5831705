/* descriptors.c: see descriptors.h. */
#include "config.h"
#include "base/descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Above what programs use by hand, and low enough for select and for a small table in the kernel. */
static int move_up(int fd)
{
    enum { SELECT = 1024, ROOM = 64, LEAST = 128 };
    struct rlimit limit;
    int most = SELECT, high;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < SELECT)
        most = (int)limit.rlim_cur;
    if (most < LEAST || fd >= most - ROOM || (high = fcntl(fd, F_DUPFD_CLOEXEC, most - ROOM)) < 0)
        return fd;
    close(fd);
    return high;
}

/* All eventfds have one inode in common: so each open file that is ours has a mark, in a place where Linux
 * keeps the signal that it is to send, which it never does. It is one that libc keeps to itself. */
enum { MARK = 33 };

void kith__descriptor_know(struct kith__descriptor *d, int fd)
{
    struct stat st = { 0 };

    d->fd = fd;
    fstat(fd, &st);
    d->dev = st.st_dev;
    d->ino = st.st_ino;
    d->mark = fcntl(fd, F_GETSIG);
}

void kith__descriptor_own(struct kith__descriptor *d, int fd)
{
    int high = fd < 0 ? -1 : move_up(fd);

    fcntl(high, F_SETSIG, MARK);
    kith__descriptor_know(d, high);
}

int kith__descriptor_stat(const struct kith__descriptor *d, struct stat *st)
{
    return d->fd >= 0 && fstat(d->fd, st) == 0 && st->st_dev == d->dev && st->st_ino == d->ino &&
           fcntl(d->fd, F_GETSIG) == d->mark;
}

int kith__descriptor_is_ours(const struct kith__descriptor *d)
{
    struct stat st;

    return kith__descriptor_stat(d, &st);
}

int kith__descriptor_number(const struct kith__descriptor *d)
{
    return kith__descriptor_is_ours(d) ? d->fd : -1;
}

void kith__descriptor_close(struct kith__descriptor *d)
{
    if (kith__descriptor_is_ours(d))
        close(d->fd);
    d->fd = -1;
}

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

static struct kith__open_descriptors *listed;

static void list(int fd, int with)
{
    (void)with;
    if (listed->count < KITH__DESCRIPTORS)
        listed->fds[listed->count++] = fd;
}

void kith__descriptors_begin(struct kith__open_descriptors *before)
{
    before->count = 0;
    listed = before;
    each(NULL, 0, list, -1);
}

int kith__descriptors_since(const struct kith__open_descriptors *before, struct kith__descriptor *found,
                            int room)
{
    struct kith__open_descriptors now;
    int n = 0;

    kith__descriptors_begin(&now);
    for (int i = 0; i < now.count && n < room; i++)
        if (!is_kept(now.fds[i], before->fds, before->count))
            kith__descriptor_know(&found[n++], now.fds[i]);
    return n;
}
