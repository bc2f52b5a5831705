/* local_host.c: see local_host.h. */
#include "config.h"
#include "local_host.h"
#include "net/subnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- names and addresses */

static int is_loopback(const struct sockaddr *a)
{
    int count;
    const unsigned char *bytes = kith__address_bytes(a, &count);

    return bytes && (count == 4 ? bytes[0] == 127 : memcmp(bytes, &in6addr_loopback, 16) == 0);
}

int local_host_has_address(const struct sockaddr *address)
{
    int count, found = is_loopback(address);
    const unsigned char *bytes = kith__address_bytes(address, &count);
    struct ifaddrs *all;

    if (found || !bytes || getifaddrs(&all) != 0)
        return found;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == address->sa_family)
            found = memcmp(kith__address_bytes(i->ifa_addr, &count), bytes, (size_t)count) == 0;
    freeifaddrs(all);
    return found;
}

int local_host_is(const char *name)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    char own[256] = "";

    if (strcasecmp(name, "localhost") == 0)
        return 1;
    if (inet_pton(AF_INET, name, &v4.sin_addr) == 1)
        return local_host_has_address((const struct sockaddr *)(const void *)&v4);
    if (inet_pton(AF_INET6, name, &v6.sin6_addr) == 1)
        return local_host_has_address((const struct sockaddr *)(const void *)&v6);
    if (gethostname(own, sizeof own - 1) != 0)
        return 0;
    if (strcasecmp(own, name) == 0)
        return 1;
    /* node1 and node1.example.org are one machine; node1.example.org and node1.example.com are not. */
    if (strchr(own, '.') && strchr(name, '.'))
        return 0;
    return strcspn(own, ".") == strcspn(name, ".") && strncasecmp(own, name, strcspn(own, ".")) == 0;
}

/* ---- devices */

static int exists(const char *pattern)
{
    glob_t found;
    int n = glob(pattern, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc > 0;

    globfree(&found);
    return n;
}

int local_host_has_fabric(void)
{
    return exists("/sys/class/infiniband/*") || exists("/dev/hfi1*") || exists("/sys/class/cxi/*") ||
           exists("/dev/cxi*");
}

/* A child's memory is read: between brothers Open MPI opens the way itself, but a container's filter stops
 * all. */
int local_host_has_single_copy(void)
{
    volatile char there = 42;
    char here = 0;
    struct iovec to = { &here, 1 }, from = { (void *)(uintptr_t)&there, 1 };
    int pipe_of[2], works = 1;
    pid_t pid;

    if (pipe(pipe_of) != 0)
        return 1;
    pid = fork();
    if (pid == 0) {
        close(pipe_of[1]);
        _exit(read(pipe_of[0], &here, 1) < 0); /* until the parent closes it */
    }
    close(pipe_of[0]);
    if (pid > 0)
        works = process_vm_readv(pid, &to, 1, &from, 1, 0) == 1 && here == 42;
    close(pipe_of[1]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return works;
}

/* ---- nets */

static int interface_in(const struct kith__subnet *net, char name[LOCAL_HOST_INTERFACE])
{
    struct ifaddrs *all;
    int count, found = 0;

    if (getifaddrs(&all) != 0)
        return 0;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        const unsigned char *bytes = i->ifa_addr ? kith__address_bytes(i->ifa_addr, &count) : NULL;

        found = bytes && (i->ifa_flags & IFF_UP) && kith__subnet_has(net, count == 16, bytes);
        if (found)
            snprintf(name, LOCAL_HOST_INTERFACE, "%s", i->ifa_name);
    }
    freeifaddrs(all);
    return found;
}

int local_host_interface(const char *nets, char v4[LOCAL_HOST_NETS], char name[LOCAL_HOST_INTERFACE])
{
    char list[LOCAL_HOST_NETS], *save = NULL;
    int found = 0;

    v4[0] = '\0';
    if (strlen(nets) >= sizeof list)
        return -1;
    strcpy(list, nets);
    for (char *at = strtok_r(list, ",", &save); at; at = strtok_r(NULL, ",", &save)) {
        struct kith__subnet net;

        if (!kith__subnet_parse(at, &net))
            return -1;
        if (!net.is_v6) {
            strcat(v4, *v4 ? "," : "");
            strcat(v4, at);
        }
        found = found || interface_in(&net, name);
    }
    return found;
}
