/* bare.c: loaded before the C library by tests of the launcher, makes a bare machine of any: no container,
 * and root. What it has besides is said by variables: BARE_FABRIC=1 a fast network, BARE_NO_COPY=1 no reading
 * of others' memory, BARE_MARK=path one mark of a container, BARE_USER=uid. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

uid_t geteuid(void)
{
    const char *user = getenv("BARE_USER");

    return user ? (uid_t)atoi(user) : 0;
}

static int is_mark(const char *path)
{
    return strcmp(path, "/.dockerenv") == 0 || strcmp(path, "/run/.containerenv") == 0 ||
           strcmp(path, "/run/systemd/container") == 0 || strcmp(path, "/.singularity.d") == 0;
}

int access(const char *path, int mode)
{
    int (*real)(const char *, int);
    const char *mark = getenv("BARE_MARK");

    *(void **)&real = dlsym(RTLD_NEXT, "access");
    if (!is_mark(path))
        return real(path, mode);
    errno = ENOENT;
    return mark && strcmp(mark, path) == 0 ? 0 : -1;
}

int stat(const char *path, struct stat *st)
{
    int (*real)(const char *, struct stat *);

    *(void **)&real = dlsym(RTLD_NEXT, "stat");
    if (strncmp(path, "/proc/self/ns/", 14) != 0)
        return real(path, st);
    errno = ENOENT;
    return -1;
}

FILE *fopen(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *);

    *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    return real(strcmp(path, "/proc/self/uid_map") == 0 ? "/dev/null" : path, mode);
}

int glob(const char *pattern, int flags, int (*error)(const char *, int), glob_t *found)
{
    int (*real)(const char *, int, int (*)(const char *, int), glob_t *);

    *(void **)&real = dlsym(RTLD_NEXT, "glob");
    if (strncmp(pattern, "/sys/class/", 11) != 0 && strncmp(pattern, "/dev/", 5) != 0)
        return real(pattern, flags, error, found);
    return real(getenv("BARE_FABRIC") ? "/" : "/nothing here", flags, error, found);
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *to, unsigned long to_count, const struct iovec *from,
                         unsigned long from_count, unsigned long flags)
{
    ssize_t (*real)(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long,
                    unsigned long);

    *(void **)&real = dlsym(RTLD_NEXT, "process_vm_readv");
    if (!getenv("BARE_NO_COPY"))
        return real(pid, to, to_count, from, from_count, flags);
    errno = EPERM;
    return -1;
}
