/* control.c: the lines between nodes: each leader has one to rank 0; see control.h.
 *
 * They carry a few notes, and by breaking tell that the other side is gone. Rank 0 listens for them during
 * the start only. The address to take is found by trying: those in a subnet of one's own first, and it is the
 * right one when who answers there knows the other half of this leader's secret. A bridge that has the same
 * address on every node leads to the wrong program, or to none.
 */
#include "config.h"
#include "start/control.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const int64_t connect_ns = 3000 * KITH__MS, hello_ns = 10000 * KITH__MS, all_ns = 30000 * KITH__MS;

enum { LOBBY = 64 };

/* Who has come and has not said yet who he is. A stranger may never do so: nobody waits for one of them
 * alone. */
struct lobby {
    struct pollfd fds[1 + LOBBY]; /* the first one is the listener */
    int n;
};

struct offer { /* of rank 0 to all: plain bytes */
    int32_t count;
    struct kith__address addresses[KITH__ADDRESSES];
};

static int count_nodes(const struct kith__rendezvous *m)
{
    int nodes = 0;

    for (int i = 0; i < m->size; i++)
        nodes += m->leader[i] == i;
    return nodes;
}

/* ---- rank 0 */

static int make_offer(struct offer *o)
{
    uint16_t port = 0;
    int listener, n = kith__net_addresses(o->addresses);

    if (n == KITH_EINVAL)
        return n;
    if (n < 0) { /* all nodes are on this machine, or it will not work */
        kith__net_loopback(&o->addresses[0]);
        n = 1;
    }
    listener = kith__conn_listen_tcp(&port);
    if (listener < 0)
        return kith__fail_errno(KITH_EPEER, "rank 0 cannot listen for the other nodes");
    for (int i = 0; i < n; i++)
        o->addresses[i].ports[0] = port;
    o->count = n;
    return listener;
}

/* The rank that has come, when it is a leader and has the secret; -1. */
static int check_hello(const struct kith__rendezvous *m, const struct kith__note *note)
{
    if (note->kind != KITH__NOTE_HELLO || note->rank == 0 || note->rank >= (uint32_t)m->size ||
        m->leader[note->rank] != (int)note->rank)
        return -1;
    return memcmp(note->secret, m->records[note->rank].secret, 16) == 0 ? (int)note->rank : -1;
}

static int answer(struct kith__rendezvous *m, int fd, int rank)
{
    struct kith__note note = { .kind = KITH__NOTE_WELCOME, .rank = 0 };

    memcpy(note.secret, m->records[rank].secret + 16, sizeof note.secret);
    if (!kith__conn_send(fd, &note, NULL, 0))
        return 0;
    kith__conn_keep(fd);
    return kith__rendezvous_add_line(m, &fd, rank) == 0;
}

static int missing(const struct kith__rendezvous *m, const char *here, int count)
{
    for (int i = 1; i < m->size; i++)
        if (m->leader[i] == i && !here[i])
            return kith__fail(KITH_EPEER,
                              "%s, rank %d, cannot reach rank 0 on %s by TCP (%d of the nodes): is there a "
                              "firewall between them? "
                              "KITH_NET=10.0.0.0/8 chooses the network",
                              m->records[i].host, i, m->records[0].host, count);
    return KITH_EPEER;
}

/* poll calls it readable when so many bytes are there, or the other side is gone. */
static void set_low_water(int fd, int bytes)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

static int leave_lobby(struct lobby *l, int i)
{
    int fd = l->fds[i].fd;

    l->n--;
    memmove(&l->fds[i], &l->fds[i + 1], (size_t)(l->n - i) * sizeof l->fds[0]);
    return fd;
}

/* When it is full, who waits longest has to go. */
static void enter_lobby(struct lobby *l)
{
    int fd = kith__conn_accept(l->fds[0].fd, kith__now_ns());

    if (fd < 0)
        return;
    if (l->n == 1 + LOBBY)
        close(leave_lobby(l, 1));
    set_low_water(fd, sizeof(struct kith__note));
    l->fds[l->n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* Number i in the lobby has said something, or has gone. 1: it is a leader that was not here yet. */
static int hear_hello(struct kith__rendezvous *m, struct lobby *l, int i, char *here)
{
    int fd = leave_lobby(l, i), rank = -1;
    struct kith__note note;

    set_low_water(fd, 1);
    if (kith__conn_receive(fd, &note, NULL, NULL, kith__now_ns()) == 1)
        rank = check_hello(m, &note);
    if (rank < 0 || here[rank] || !answer(m, fd, rank)) {
        close(fd);
        return 0;
    }
    here[rank] = 1;
    return 1;
}

/* Until count leaders are here. 0: the time is over. */
static int fill(struct kith__rendezvous *m, struct lobby *l, char *here, int *count)
{
    int64_t until = kith__now_ns() + all_ns;

    while (*count > 0) {
        int64_t left = until - kith__now_ns();
        int rc = left > 0 ? poll(l->fds, (nfds_t)l->n, (int)(left / KITH__MS) + 1) : 0;

        if (rc < 0 && errno == EINTR)
            continue;
        if (rc <= 0)
            return 0;
        for (int i = l->n - 1; i > 0; i--)
            if (l->fds[i].revents)
                *count -= hear_hello(m, l, i, here);
        if (l->fds[0].revents)
            enter_lobby(l);
    }
    return 1;
}

static int wait_for_leaders(struct kith__rendezvous *m, int listener, int count)
{
    struct lobby l = { .fds = { { .fd = listener, .events = POLLIN } }, .n = 1 };
    char *here = calloc((size_t)m->size, 1);
    int rc = 0;

    if (!here)
        return kith__fail(KITH_ENOMEM, "no memory for a table of %d ranks", m->size);
    if (!fill(m, &l, here, &count))
        rc = missing(m, here, count);
    while (l.n > 1)
        close(leave_lobby(&l, l.n - 1));
    free(here);
    return rc;
}

static int go(struct kith__rendezvous *m)
{
    const struct kith__note note = { .kind = KITH__NOTE_GO, .rank = (uint32_t)m->rank };

    for (int i = 0; i < m->downs; i++)
        if (!kith__conn_send(m->down[i].fd, &note, NULL, 0))
            return kith__fail(KITH_EPEER, "a rank was lost while the job started");
    return 0;
}

/* ---- the other ranks */

static int is_same_subnet(const struct kith__address *a, const struct kith__address *b)
{
    int whole = a->prefix / 8, rest = a->prefix % 8;

    return a->is_v6 == b->is_v6 && a->prefix == b->prefix &&
           memcmp(a->address, b->address, (size_t)whole) == 0 &&
           (rest == 0 || (a->address[whole] ^ b->address[whole]) >> (8 - rest) == 0);
}

static int try_address(struct kith__rendezvous *m, const struct kith__address *to)
{
    const unsigned char *secret = m->records[m->rank].secret;
    struct kith__note note = { .kind = KITH__NOTE_HELLO, .rank = (uint32_t)m->rank };
    char text[KITH__ADDRESS_TEXT];
    int fd = kith__conn_connect_tcp(to, kith__now_ns() + connect_ns);

    kith__address_text(to, text);
    kith__log(KITH_LOG_DEBUG, "rank %d: rank 0 at %s port %d: %s", m->rank, text, to->ports[0],
              fd < 0 ? "no" : "answers");
    if (fd < 0)
        return 0;
    memcpy(note.secret, secret, sizeof note.secret);
    if (kith__conn_send(fd, &note, NULL, 0) &&
        kith__conn_receive(fd, &note, NULL, NULL, kith__now_ns() + hello_ns) == 1 &&
        note.kind == KITH__NOTE_WELCOME && memcmp(note.secret, secret + 16, sizeof note.secret) == 0) {
        kith__conn_keep(fd);
        kith__descriptor_own(&m->up, fd);
        return 1;
    }
    close(fd);
    return 0;
}

/* Rank 0 waits longer than this tries, and then says which node is missing. */
static void find_rank_0(struct kith__rendezvous *m, const struct offer *o)
{
    struct kith__address mine[KITH__ADDRESSES];
    int n = kith__net_addresses(mine);
    unsigned tried = 0;

    for (int i = 0; i < o->count; i++)
        for (int k = 0; k < n; k++)
            if (!(tried & 1U << i) && is_same_subnet(&mine[k], &o->addresses[i])) {
                tried |= 1U << i;
                if (try_address(m, &o->addresses[i]))
                    return;
            }
    for (int i = 0; i < o->count; i++)
        if (!(tried & 1U << i) && try_address(m, &o->addresses[i]))
            return;
}

static int wait_for_go(struct kith__rendezvous *m)
{
    struct kith__note note;

    if (m->up.fd < 0 || kith__conn_receive(m->up.fd, &note, NULL, NULL, -1) != 1 ||
        note.kind != KITH__NOTE_GO)
        return kith__fail(KITH_EPEER, "rank 0 did not start the job");
    return go(m);
}

int kith__control_connect(struct kith__rendezvous *m)
{
    int nodes = count_nodes(m), listener = -1, rc = 0;
    struct offer o;

    if (nodes == 1)
        return 0;
    memset(&o, 0, sizeof o);
    if (m->rank == 0)
        rc = listener = make_offer(&o);
    if (m->mpi->bcast(&o, sizeof o) != 0)
        rc = kith__fail(KITH_EPEER, "%s cannot pass %zu bytes to each rank", m->mpi->title, sizeof o);
    if (rc < 0)
        return rc;
    if (m->rank > 0) {
        if (m->leader[m->rank] == m->rank)
            find_rank_0(m, &o);
        return wait_for_go(m);
    }
    rc = wait_for_leaders(m, listener, nodes - 1);
    close(listener);
    return rc < 0 ? rc : go(m);
}
