/* grow.c: see grow.h. Called by arena.c. */
#include "config.h"
#include "shm/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* RLIMIT_FSIZE ends in SIGXFSZ, so it is looked at before. The soft one is lifted for the moment, as it means
 * real files; in one thread at a time, as another would take what it is lifted to for the limit. */
static int truncate_lifted(int fd, uint64_t size)
{
    struct rlimit limit, lifted;
    int rc, error;

    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || size <= limit.rlim_cur)
        return ftruncate(fd, (off_t)size);
    errno = EFBIG;
    if (size > limit.rlim_max)
        return -1;
    lifted = limit;
    lifted.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &lifted) < 0)
        return -1;
    rc = ftruncate(fd, (off_t)size);
    error = errno;
    setrlimit(RLIMIT_FSIZE, &limit);
    errno = error;
    return rc;
}

int kith__file_resize(int fd, uint64_t size)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int rc;

    pthread_mutex_lock(&mutex);
    rc = truncate_lifted(fd, size);
    pthread_mutex_unlock(&mutex);
    /* The seal: another process has made it larger meanwhile. */
    return rc < 0 && errno == EPERM ? 0 : rc;
}

static int open_by(pid_t keeper, int number, const struct kith__descriptor *file)
{
    char path[64];
    struct stat st;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)keeper, number);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino)
        return fd;
    if (fd >= 0) {
        close(fd);
        errno = EBADF;
    }
    return -1;
}

/* Only for the moment: who closes all descriptors wants to have none. */
int kith__file_grow(const struct kith__descriptor *file, uint64_t size, pid_t keeper, int number)
{
    int fd, rc, error;

    if (kith__descriptor_is_ours(file))
        return kith__file_resize(file->fd, size);
    if ((fd = open_by(keeper, number, file)) < 0)
        return -1;
    rc = kith__file_resize(fd, size);
    error = errno;
    close(fd);
    errno = error;
    return rc;
}
