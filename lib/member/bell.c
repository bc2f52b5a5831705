/* bell.c: see bell.h. */
#include "config.h"
#include "member/bell.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "base/system.h"
#include "member/members.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { AGENT, POLLERS, BELLS };

static struct kith__descriptor bells[BELLS] = { { .fd = -1 }, { .fd = -1 } };

int kith__bell_make(void)
{
    for (int i = 0; i < BELLS; i++) {
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

        if (fd < 0) {
            int rc = kith__fail_errno(KITH_ENOMEM, "kith_init cannot make an eventfd");

            kith__bell_close();
            return rc;
        }
        kith__descriptor_own(&bells[i], fd);
    }
    return 0;
}

void kith__bell_numbers(int fds[2])
{
    fds[0] = bells[AGENT].fd;
    fds[1] = bells[POLLERS].fd;
}

void kith__bell_take(const int fds[2])
{
    kith__bell_close();
    kith__descriptor_own(&bells[AGENT], fds[0]);
    kith__descriptor_own(&bells[POLLERS], fds[1]);
}

void kith__bell_close(void)
{
    for (int i = 0; i < BELLS; i++)
        kith__descriptor_close(&bells[i]);
}

/* 0: it is not there any more. EAGAIN: it was rung 2^64 - 2 times, and will be heard. */
static int ring(int which)
{
    const uint64_t one = 1;

    return kith__descriptor_is_ours(&bells[which]) &&
           (write(bells[which].fd, &one, sizeof one) > 0 || errno == EAGAIN);
}

/* By ourselves, or by the fork server. */
static void ring_somehow(int which, _Atomic uint32_t *called)
{
    int error = errno;

    if (!ring(which)) {
        atomic_store(called, 1);
        kith__server_ring();
    }
    errno = error;
}

static void ring_for_others(int which, _Atomic uint32_t *called)
{
    if (atomic_load(called) && atomic_exchange(called, 0))
        ring(which);
}

void kith__bells_ring_for_others(void)
{
    ring_for_others(AGENT, &kith__shared->agent_called);
    ring_for_others(POLLERS, &kith__shared->pollers_called);
}

/* ---- the fork server's */

void kith__server_ring(void)
{
    atomic_fetch_add(&kith__shared->server_bell, 1);
    kith__futex_wake(&kith__shared->server_bell, 1);
}

uint32_t kith__server_rung(void)
{
    return atomic_load(&kith__shared->server_bell);
}

void kith__server_sleep(uint32_t seen, int ms)
{
    kith__futex_wait(&kith__shared->server_bell, seen, ms * KITH__MS);
}

/* ---- the agent's */

void kith__agent_ring(void)
{
    ring_somehow(AGENT, &kith__shared->agent_called);
}

int kith__agent_bell(void)
{
    return bells[AGENT].fd;
}

void kith__agent_bell_heard(void)
{
    uint64_t times;

    if (read(bells[AGENT].fd, &times, sizeof times) < 0)
        return; /* EAGAIN */
}

/* ---- those who poll
 *
 * Many may poll at the same time, in several processes, so nobody may read what is to be seen by the others:
 * the bell is only ever rung, and its count grows. Each who polls has an epoll descriptor that tells edges:
 * each ring after the last that was heard, by a wake-up of its own. */

void kith__pollers_ring(void)
{
    ring_somehow(POLLERS, &kith__shared->pollers_called);
}

int kith__pollers_bell(void)
{
    struct epoll_event rung = { .events = EPOLLIN | EPOLLET };
    int fd;

    if (!kith__descriptor_is_ours(&bells[POLLERS]) || (fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        return -1;
    if (epoll_ctl(fd, EPOLL_CTL_ADD, bells[POLLERS].fd, &rung) < 0) {
        close(fd);
        return -1;
    }
    kith__pollers_bell_heard(fd); /* what was rung before */
    return fd;
}

void kith__pollers_bell_heard(int fd)
{
    struct epoll_event rung;

    if (epoll_wait(fd, &rung, 1, 0) < 0)
        return; /* EINTR: it is heard again */
}
