/* bell.c: see bell.h. */
#include "config.h"
#include "member/bell.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "base/system.h"
#include "member/members.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct kith__descriptor bell = { .fd = -1 }; /* the agent's */

int kith__bell_make(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        return kith__fail_errno(KITH_ENOMEM, "kith_init cannot make an eventfd");
    kith__descriptor_own(&bell, fd);
    return 0;
}

void kith__bell_take(int fd)
{
    kith__descriptor_close(&bell);
    kith__descriptor_own(&bell, fd);
}

void kith__bell_close(void)
{
    kith__descriptor_close(&bell);
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

/* 0: it is not there any more. EAGAIN: it was rung 2^64 - 2 times, and will be heard. */
static int ring_agent(void)
{
    const uint64_t one = 1;

    return kith__descriptor_is_ours(&bell) && (write(bell.fd, &one, sizeof one) > 0 || errno == EAGAIN);
}

void kith__agent_ring(void)
{
    int error = errno;

    if (!ring_agent()) {
        atomic_store(&kith__shared->agent_called, 1);
        kith__server_ring();
    }
    errno = error;
}

void kith__agent_ring_for_others(void)
{
    if (atomic_load(&kith__shared->agent_called) && atomic_exchange(&kith__shared->agent_called, 0))
        ring_agent();
}

int kith__agent_bell(void)
{
    return bell.fd;
}

void kith__agent_bell_heard(void)
{
    uint64_t times;

    if (read(bell.fd, &times, sizeof times) < 0)
        return; /* EAGAIN */
}
