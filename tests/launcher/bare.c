/* bare.c: loaded before the C library by tests of the launcher, makes a bare machine of any: no container,
 * and root. What it has besides is said by variables: BARE_FABRIC=1 a fast network, BARE_NO_COPY=1 no reading
 * of others' memory, BARE_MARK=path one mark of a container, BARE_USER=uid, BARE_NETWORK=1 the
 * addresses 10.77.0.1/24 on eth0 and 172.17.0.1/16 on docker0, and names: node1 to node9 are 10.77.0.1 and so
 * on, far1 to far9 10.99.0.1 and so on. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
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

static struct sockaddr *address(const char *text)
{
    struct sockaddr_in *a = calloc(1, sizeof *a);

    a->sin_family = AF_INET;
    inet_pton(AF_INET, text, &a->sin_addr);
    return (struct sockaddr *)a;
}

int getifaddrs(struct ifaddrs **out)
{
    static const char *const all[][3] = { { "lo", "127.0.0.1", "255.0.0.0" },
                                          { "docker0", "172.17.0.1", "255.255.0.0" },
                                          { "eth0", "10.77.0.1", "255.255.255.0" } };
    int count = getenv("BARE_NETWORK") ? 3 : 1;

    *out = NULL;
    for (int i = count - 1; i >= 0; i--) {
        struct ifaddrs *a = calloc(1, sizeof *a);

        a->ifa_name = strdup(all[i][0]);
        a->ifa_flags = IFF_UP | (i == 0 ? IFF_LOOPBACK : 0);
        a->ifa_addr = address(all[i][1]);
        a->ifa_netmask = address(all[i][2]);
        a->ifa_next = *out;
        *out = a;
    }
    return 0;
}

void freeifaddrs(struct ifaddrs *list)
{
    (void)list;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    char text[32];

    (void)service;
    (void)hints;
    if (!getenv("BARE_NETWORK") || (strncmp(name, "node", 4) != 0 && strncmp(name, "far", 3) != 0))
        return EAI_NONAME;
    snprintf(text, sizeof text, "10.%d.0.%c", *name == 'n' ? 77 : 99, name[strlen(name) - 1]);
    *out = calloc(1, sizeof **out);
    (*out)->ai_family = AF_INET;
    (*out)->ai_addr = address(text);
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    (void)list;
}
