/* agent_control.c: see agent_control.h. */
#include "config.h"
#include "rpc/agent_control.h"
#include "rpc/mailbox.h"
#include "member/bell.h"
#include "base/env.h"
#include "base/error.h"
#include "shm/heap.h"
#include "base/system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t start_ns = 20000 * KITH__MS, stop_ns = 4000 * KITH__MS;

_Static_assert(sizeof(struct kith__contact) <= sizeof((struct kith__agent_shared *)0)->contact,
               "the contact lies in the shared area");

struct kith__contact *kith__own_contact(void)
{
    return (struct kith__contact *)(void *)kith__agent_shared()->contact;
}

static int always_net(void)
{
    return kith__env_on(KITH__ENV_TRANSPORT);
}

int kith__agent_read_ports(uint16_t *lo, uint16_t *hi)
{
    const char *wish = kith__env(KITH__ENV_PORTS);
    unsigned long from, to;
    char *end;

    *lo = *hi = 0;
    if (!wish)
        return 0;
    from = to = strtoul(wish, &end, 10);
    if (*end == '-')
        to = strtoul(end + 1, &end, 10);
    if (*end != '\0' || from == 0 || to < from || to > UINT16_MAX)
        return kith__fail(KITH_EINVAL, "KITH_PORTS=\"%s\": give two ports as 50000-50099", wish);
    *lo = (uint16_t)from;
    *hi = (uint16_t)to;
    return 0;
}

int kith__agent_check_settings(void)
{
    uint16_t lo, hi;
    int rc = kith__agent_read_ports(&lo, &hi);

    return rc < 0 ? rc : kith__net_check_settings();
}

int kith__agent_wanted(void)
{
    if (always_net())
        atomic_store(&kith__shared->through_net, 1);
    return kith__shared->nodes > 1 || always_net();
}

int kith__agent_make_shared(void)
{
    struct kith__agent_shared *shared;
    pthread_mutexattr_t attr;
    size_t size = sizeof *shared + kith__shared->nodes * sizeof shared->deaths[0];
    uint64_t block = kith__heap_alloc(size, kith__me);
    int rc;

    if (block == 0)
        return KITH_ENOMEM;
    shared = kith__at(block);
    memset(shared, 0, size);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (pthread_mutex_init(&shared->agent_lives, &attr) != 0)
        return kith__fail(KITH_ENOMEM, "no robust mutexes on this system");
    pthread_mutexattr_destroy(&attr);
    if ((rc = kith__guard_init(&shared->guard)) < 0)
        return rc;
    atomic_store(kith__heap_owner(block), 0);
    atomic_store(&kith__shared->agent_shared, block);
    return 0;
}

static int await_agent(struct kith__agent_shared *shared)
{
    int64_t until = kith__now_ns() + start_ns;

    while (atomic_load(&shared->state) == KITH__AGENT_CLOSED) {
        if (kith__server_dead())
            return KITH_EPEER;
        if (kith__now_ns() > until)
            return kith__fail(KITH_EPEER, "the agent of node %u did not start within 20 s",
                              kith__shared->node);
        kith__futex_wait(&shared->state, KITH__AGENT_CLOSED, 50 * KITH__MS);
    }
    if (atomic_load(&shared->state) != KITH__AGENT_READY)
        return kith__fail(KITH_EPEER, "the agent of node %u (%s) cannot start: %s", kith__shared->node,
                          kith__shared->host, shared->why);
    return 0;
}

int kith__agent_start(void)
{
    struct kith__member *m;
    uint32_t who;
    int rc;

    if ((rc = kith__agent_make_shared()) < 0)
        return rc;
    if ((who = kith__member_take(KITH__AGENT)) == 0)
        return KITH_ENOMEM;
    m = kith__member(who);
    snprintf(m->name, sizeof m->name, "agent");
    kith__agent_shared()->agent = who;
    kith__member_move(m, KITH__MEMBER_IS_ASKED);
    kith__server_ring();
    if ((rc = await_agent(kith__agent_shared())) < 0)
        return rc;
    return kith__shared->nodes == 1 ? kith__agent_introduce(kith__own_contact(), 1) : 0;
}

const void *kith__agent_contact(size_t *size)
{
    *size = sizeof(struct kith__contact);
    return kith__own_contact();
}

static int check_contacts(const struct kith__contact *contacts, int nodes)
{
    for (int i = 0; i < nodes; i++) {
        if (contacts[i].version == 0)
            return kith__fail(KITH_EPEER, "node %d has no agent: it could not start", i);
        if (contacts[i].version != KITH__CONTACT_VERSION)
            return kith__fail(KITH_EPEER, "nodes 0 (%s) and %d (%s) run different versions of kith",
                              contacts[0].host, i, contacts[i].host);
        if (contacts[i].security != contacts[0].security)
            return kith__fail(KITH_EINVAL, "KITH_NET_SECURITY differs between nodes 0 (%s) and %d (%s)",
                              contacts[0].host, i, contacts[i].host);
    }
    return 0;
}

int kith__agent_introduce(const void *contacts, int nodes)
{
    uint64_t block;
    int rc = check_contacts(contacts, nodes);

    if (rc < 0)
        return rc;
    if ((block = kith__heap_alloc((size_t)nodes * sizeof(struct kith__contact), kith__me)) == 0)
        return KITH_ENOMEM;
    memcpy(kith__at(block), contacts, (size_t)nodes * sizeof(struct kith__contact));
    atomic_store(kith__heap_owner(block), 0);
    atomic_store(&kith__agent_shared()->contacts, block);
    kith__agent_ring();
    return 0;
}

/* NULL: it is not known. */
static struct kith__contact *contact_of(uint32_t node)
{
    uint64_t contacts =
        atomic_load(&kith__shared->agent_shared) ? atomic_load(&kith__agent_shared()->contacts) : 0;

    return contacts && node < kith__shared->nodes ? (struct kith__contact *)kith__at(contacts) + node : NULL;
}

int kith__agent_has_lost(int node)
{
    struct kith__contact *contact = node >= 0 ? contact_of((uint32_t)node) : NULL;

    return contact && atomic_load(&contact->lost);
}

const char *kith__agent_host(uint32_t node)
{
    const struct kith__contact *contact = contact_of(node);

    return contact ? contact->host : kith__shared->host;
}

int kith__agent_stop(void)
{
    struct kith__agent_shared *shared;
    int64_t until = kith__now_ns() + stop_ns;

    if (atomic_load(&kith__shared->agent_shared) == 0)
        return 0;
    shared = kith__agent_shared();
    atomic_store(&shared->leave, kith__shared->node == 0 ? 2 : 1);
    kith__agent_ring();
    while (atomic_load(&shared->state) == KITH__AGENT_READY) {
        if (kith__agent_dead())
            return KITH_EPEER;
        if (kith__now_ns() > until)
            return kith__fail(KITH_EPEER, "the agent of node %u did not end in time", kith__shared->node);
        kith__futex_wait(&shared->state, KITH__AGENT_READY, 50 * KITH__MS);
    }
    return 0;
}
