/* agent.c: see agent.h. Errands of this node's threads are in request.c, calls of other nodes in pending.c,
 * what is said to other agents in net/protocol.c, and how it gets there in net/zmq.c, a module that only the
 * agent loads.
 *
 * One loop: requests, frames that came, calls that wait, the clock, frames to send; and one place that
 * computes how long to wait. It waits for a guard of an object as everybody does; who is stopped in one (a
 * debugger) stops it too, until peers that are still connected lose patience after a minute.
 */
#include "config.h"
#include "agent/agent.h"
#include "base/env.h"
#include "rpc/mailbox.h"
#include "agent/request.h"
#include "base/error.h"
#include "agent/pending.h"
#include "shm/heap.h"
#include "base/module.h"
#include "agent/placement.h"
#include "base/system.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CONTACT_VERSION = 1, TURN = 1 << 20, IO_THREADS = 2, CUT_MS = 1500, FDS = 1024, LIBZMQ_FILES = 10 };

static const int64_t start_ns = 20000 * KITH__MS, goodbye_ns = 2000 * KITH__MS, load_ns = 200 * KITH__MS,
                     forget_ns = 300 * KITH__MS;

_Static_assert(sizeof(struct kith__contact) <= sizeof((struct kith__agent_shared *)0)->contact,
               "the contact lies in the shared area");

static struct {
    const struct kith__transport *net;
    struct kith__wire *wire;
    struct kith__proto *proto; /* NULL: not introduced yet */
    struct kith__requests *requests;
    struct kith__pending *pending;
    struct kith__placement *placement;
    const struct kith__contact *contacts;
    struct kith__place *places; /* of all nodes, as address.h wants them */
    int *counts;
    struct peer {
        int reached;
        int64_t forget; /* when to end its connections; 0: not */
    } * peers;
    struct kith__seat *seat;
    uint32_t word;  /* of the seat, when we last looked */
    uint64_t ended; /* deaths on this node, likewise */
    uint32_t node, nodes;
    int64_t now, loaded, leaving;
    struct pollfd fds[FDS];
} self;

/* ------------------------------------------------------------------ for the others */

static struct kith__contact *own_contact(void)
{
    return (struct kith__contact *)(void *)kith__agent_shared()->contact;
}

static int always_net(void)
{
    return kith__env_on(KITH__ENV_TRANSPORT);
}

/* KITH_PORTS=lo-hi, or one port; 0 to 0: any. */
static int read_ports(uint16_t *lo, uint16_t *hi)
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
    int rc = read_ports(&lo, &hi);

    return rc < 0 ? rc : kith__net_check_settings();
}

int kith__agent_wanted(void)
{
    if (always_net())
        atomic_store(&kith__shared->through_net, 1);
    return kith__shared->nodes > 1 || always_net();
}

static int make_agent_shared(void)
{
    struct kith__agent_shared *shared;
    pthread_mutexattr_t attr;
    uint64_t block = kith__heap_alloc(sizeof *shared, kith__me);
    int rc;

    if (block == 0)
        return KITH_ENOMEM;
    shared = kith__at(block);
    memset(shared, 0, sizeof *shared);
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

    if ((rc = make_agent_shared()) < 0)
        return rc;
    if ((who = kith__member_take(KITH__AGENT)) == 0)
        return KITH_ENOMEM;
    m = kith__member(who);
    snprintf(m->name, sizeof m->name, "agent");
    kith__agent_shared()->agent = who;
    atomic_store(&m->state, KITH__ASKED);
    kith__ring(kith__server_bell);
    if ((rc = await_agent(kith__agent_shared())) < 0)
        return rc;
    return kith__shared->nodes == 1 ? kith__agent_introduce(own_contact(), 1) : 0;
}

const void *kith__agent_contact(size_t *size)
{
    *size = sizeof(struct kith__contact);
    return own_contact();
}

static int check_contacts(const struct kith__contact *contacts, int nodes)
{
    for (int i = 0; i < nodes; i++) {
        if (contacts[i].version == 0)
            return kith__fail(KITH_EPEER, "node %d has no agent: it could not start", i);
        if (contacts[i].version != CONTACT_VERSION)
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
    kith__ring(kith__agent_bell);
    return 0;
}

int kith__agent_stop(void)
{
    struct kith__agent_shared *shared;
    int64_t until = kith__now_ns() + 2 * goodbye_ns;

    if (atomic_load(&kith__shared->agent_shared) == 0)
        return 0;
    shared = kith__agent_shared();
    atomic_store(&shared->leave, kith__shared->node == 0 ? 2 : 1);
    kith__ring(kith__agent_bell);
    while (atomic_load(&shared->state) == KITH__AGENT_READY) {
        if (kith__agent_dead())
            return KITH_EPEER;
        if (kith__now_ns() > until)
            return kith__fail(KITH_EPEER, "the agent of node %u did not end in time", kith__shared->node);
        kith__futex_wait(&shared->state, KITH__AGENT_READY, 50 * KITH__MS);
    }
    return 0;
}

static void set_word(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store(word, value);
    kith__futex_wake(word, INT32_MAX);
}

/* ----------------------------------------------------------------------- coming up */

static int load_net(void)
{
    void *module = kith__module("net");

    if (!module)
        return KITH_EPEER;
    self.net = dlsym(module, "kith_net_transport");
    if (!self.net || self.net->version != KITH__TRANSPORT_VERSION)
        return kith__fail(KITH_EPEER, "the part net of kith is of another version");
    return 0;
}

static int net_failed(const char *what)
{
    return kith__fail(KITH_EPEER, "%s: %s", what, self.net->why());
}

static int listen_everywhere(struct kith__contact *contact)
{
    uint16_t lo, hi;
    int rc;

    if ((rc = read_ports(&lo, &hi)) < 0)
        return rc;
    if (self.nodes == 1) {
        kith__net_loopback(&contact->places[0]);
        contact->count = 1;
    } else if ((contact->count = kith__net_addresses(contact->places)) < 0)
        return contact->count;
    for (int i = 0; i < contact->count; i++) {
        char text[KITH__ADDRESS_TEXT];

        kith__place_text(&contact->places[i], text);
        if (self.net->listen(self.wire, text, lo, hi, &contact->places[i].port) < 0)
            return net_failed("cannot listen");
        kith__log(KITH__INFO, "the agent of node %u listens at %s (%s), port %u", self.node, text,
                  contact->places[i].interface, contact->places[i].port);
    }
    return 0;
}

static void make_secret(char secret[KITH__SECRET])
{
    unsigned char random[KITH__SECRET / 2] = { 0 };

    if (getrandom(random, sizeof random, 0) != sizeof random)
        return; /* an empty one admits nobody */
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(secret + 2 * i, 3, "%02x", random[i]);
}

/* libzmq says nothing when a connection finds no descriptor, and nobody would ever be reached; for itself it
 * aborts: so they are counted before. Each lane takes one for the socket, one for the way there, and one for
 * the way back; own: how many others are still to come. */
static int check_files(int own)
{
    uint32_t peers = self.nodes - (atomic_load(&kith__shared->through_net) ? 0 : 1);
    int used = fcntl(kith__agent_bell, F_DUPFD_CLOEXEC, 0);
    struct rlimit files;

    if (used >= 0)
        close(used);
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
        return 0;
    if (used >= 0 && (rlim_t)used + (rlim_t)own + (rlim_t)peers * KITH__LANES * 3 <= files.rlim_cur)
        return 0;
    return kith__fail(
        KITH_ENOMEM,
        "the network takes more than the %llu open files that the system allows: raise ulimit -n",
        (unsigned long long)files.rlim_cur);
}

static int come_up(struct kith__contact *contact)
{
    struct kith__wire_config c = { .node = self.node,
                                   .nodes = self.nodes,
                                   .frame_most = KITH__FRAME_MOST,
                                   .lanes = KITH__LANES,
                                   .threads = IO_THREADS,
                                   .cut_ms = CUT_MS };
    int rc;

    c.security = kith__env_word(KITH__ENV_NET_SECURITY) == 1 ? KITH__PLAIN : KITH__CURVE;
    if ((rc = check_files(LIBZMQ_FILES)) < 0 || (rc = load_net()) < 0)
        return rc;
    if (c.security == KITH__PLAIN)
        kith__log(KITH__WARNING, "KITH_NET_SECURITY=plain: nodes know each other by a password, and nothing "
                                 "between them is encrypted");
    else if (self.net->key_pair(c.public_key, c.secret_key) < 0)
        return net_failed("no network");
    if (!(self.wire = self.net->open(&c)))
        return net_failed("no network");
    contact->version = CONTACT_VERSION;
    contact->security = c.security;
    contact->cpus = kith__shared->usable_cpus;
    memcpy(contact->public_key, c.public_key, sizeof contact->public_key);
    memcpy(contact->host, kith__shared->host, sizeof contact->host);
    make_secret(contact->secret);
    if (getrandom(&contact->job, sizeof contact->job, 0) != sizeof contact->job)
        return kith__fail_errno(KITH_EPEER, "no random numbers");
    if ((rc = listen_everywhere(contact)) < 0)
        return rc;
    return check_files(0); /* there may be many interfaces */
}

/* -------------------------------------------------------------- events of the protocol */

static void *on_at(void *context, uint64_t block)
{
    (void)context;
    return kith__at(block);
}

static void on_release(void *context, uint64_t block)
{
    (void)context;
    kith__heap_free(block);
}

static uint64_t on_request(void *context, uint32_t peer, const struct kith__request *r, const void *bytes)
{
    (void)context;
    return kith__pending_request(self.pending, peer, r, bytes, self.now);
}

static uint64_t on_reply(void *context, uint32_t peer, const struct kith__reply *r, const void *bytes)
{
    (void)context;
    return kith__requests_reply(self.requests, peer, r, bytes);
}

static void on_arrived(void *context, uint32_t peer, uint64_t id, int reply, uint64_t block)
{
    (void)context;
    if (reply)
        kith__requests_arrived(self.requests, peer, id, block);
    else
        kith__pending_arrived(self.pending, peer, id, block, self.now);
}

static void on_granted(void *context, uint32_t peer, uint64_t id)
{
    (void)context;
    kith__requests_granted(self.requests, peer, id);
}

static void on_settled(void *context, uint32_t peer, uint64_t id, int yes)
{
    (void)context;
    kith__pending_settled(self.pending, peer, id, yes);
}

static void on_cancelled(void *context, uint32_t peer, uint64_t id)
{
    (void)context;
    kith__pending_cancelled(self.pending, peer, id);
}

static void on_job_over(void *context, uint32_t peer)
{
    (void)context;
    if (peer == 0 && self.node != 0)
        set_word(&kith__shared->job_over, 1);
}

static void on_ended(void *context, uint32_t peer, enum kith__link_state state, const char *why)
{
    (void)context;
    kith__log(state == KITH__LINK_LOST ? KITH__WARNING : KITH__DEBUG, "node %u (%s) %s", peer,
              self.contacts[peer].host, why);
    self.peers[peer].forget = self.now + (state == KITH__LINK_LOST ? 0 : forget_ns);
    if (state == KITH__LINK_LOST && peer == 0 && self.node != 0)
        set_word(&kith__shared->job_over, 2);
    kith__requests_ended(self.requests, peer, why);
    kith__pending_ended(self.pending, peer);
}

static int on_is_connected(void *context, uint32_t peer)
{
    (void)context;
    return self.peers[peer].reached && self.net->is_connected(self.wire, peer);
}

static const struct kith__proto_events events = { on_at,      on_release,  on_request,     on_reply,
                                                  on_arrived, on_granted,  on_settled,     on_cancelled,
                                                  on_ended,   on_job_over, on_is_connected };

/* -------------------------------------------------------------------- introduction */

/* Addresses at which nobody will look for us are closed. */
static void close_unused(void)
{
    int popularity[KITH__PLACES], used[KITH__PLACES] = { 0 };

    kith__net_popularity(self.places, self.counts, (int)self.nodes, (int)self.node, popularity);
    for (uint32_t k = 0; k < self.nodes; k++) {
        int i = kith__net_choose(self.places, self.counts, (int)k, (int)self.node, popularity);

        if (i >= 0 && (k != self.node || self.nodes == 1 || atomic_load(&kith__shared->through_net)))
            used[i] = 1;
    }
    for (int i = 0; i < self.counts[self.node]; i++) {
        const struct kith__place *p = &self.places[self.node * KITH__PLACES + (uint32_t)i];
        char text[KITH__ADDRESS_TEXT];

        kith__place_text(p, text);
        if (!used[i] && self.net->unlisten(self.wire, text, p->port) < 0)
            kith__log(KITH__WARNING, "cannot stop to listen at %s: %s", text, self.net->why());
    }
}

static int make_tables(void)
{
    self.places = calloc(self.nodes, KITH__PLACES * sizeof *self.places);
    self.counts = calloc(self.nodes, sizeof *self.counts);
    self.peers = calloc(self.nodes, sizeof *self.peers);
    if (!self.places || !self.counts || !self.peers)
        return kith__fail(KITH_ENOMEM, "no memory for %u nodes", self.nodes);
    for (uint32_t k = 0; k < self.nodes; k++) {
        self.counts[k] = self.contacts[k].count;
        memcpy(&self.places[k * KITH__PLACES], self.contacts[k].places, sizeof self.contacts[k].places);
    }
    return 0;
}

static int start_placement(void)
{
    uint32_t *cpus = calloc(self.nodes, sizeof *cpus);

    if (!cpus)
        return kith__fail(KITH_ENOMEM, "no memory for %u nodes", self.nodes);
    for (uint32_t k = 0; k < self.nodes; k++)
        cpus[k] = self.contacts[k].cpus;
    self.placement = kith__placement_new(self.proto, self.node, self.nodes, cpus);
    free(cpus);
    return 0;
}

static int meet(void)
{
    int64_t never = kith__env_on(KITH__ENV_DEBUG) ? INT64_MAX : 0;
    struct kith__proto_config c = { .node = self.node,
                                    .nodes = self.nodes,
                                    .beat_ns = 500 * KITH__MS,
                                    .first_ns = never ? never : 30000 * KITH__MS,
                                    .lost_ns = never ? never : 3000 * KITH__MS,
                                    .silent_ns = never ? never : 60000 * KITH__MS,
                                    .window = 2 << 20 };

    self.contacts = kith__at(atomic_load(&kith__agent_shared()->contacts));
    c.job = self.contacts[0].job;
    if (make_tables() < 0 || !(self.proto = kith__proto_new(&c, &events, NULL)))
        return KITH_ENOMEM;
    for (uint32_t k = 0; k < self.nodes; k++)
        self.net->admit(self.wire, k, self.contacts[k].public_key);
    self.net->set_secret(self.wire, self.contacts[0].secret);
    self.net->open_door(self.wire);
    close_unused();
    self.requests = kith__requests_new(self.proto, self.nodes);
    if (start_placement() < 0)
        return KITH_ENOMEM;
    self.pending = kith__pending_new(self.proto, self.node, self.seat);
    if (self.node != 0) /* so it learns of the end, and node 0 of its */
        kith__proto_open(self.proto, 0, kith__now_ns());
    return 0;
}

/* ------------------------------------------------------------------------ the loop */

static int reach(uint32_t peer)
{
    int popularity[KITH__PLACES], i;
    const struct kith__place *p;
    char text[KITH__ADDRESS_TEXT];

    self.peers[peer].reached = 1;
    kith__net_popularity(self.places, self.counts, (int)self.nodes, (int)peer, popularity);
    if ((i = kith__net_choose(self.places, self.counts, (int)self.node, (int)peer, popularity)) < 0) {
        kith__log(
            KITH__ERROR,
            "node %u (%s) has no network in common with this node (%s): name one that both have in KITH_NET",
            peer, self.contacts[peer].host, kith__shared->host);
        return -1;
    }
    p = &self.places[peer * KITH__PLACES + (uint32_t)i];
    kith__place_text(p, text);
    kith__log(KITH__DEBUG, "node %u (%s) is reached at %s, port %u", peer, self.contacts[peer].host, text,
              p->port);
    if (self.net->reach(self.wire, peer, text, p->port, self.contacts[peer].public_key) == 0)
        return 0;
    kith__log(KITH__ERROR, "node %u (%s) cannot be reached: %s", peer, self.contacts[peer].host,
              self.net->why());
    return -1;
}

/* Each of these handles some 1 MiB at most, so that none delays signs of life. 1: there is more. */
static int receive(void)
{
    size_t bytes = 0, size;
    const void *frame;
    uint32_t peer;

    while (bytes < TURN && (size = self.net->receive(self.wire, &peer, &frame)) > 0) {
        kith__proto_receive(self.proto, peer, frame, size, self.now);
        bytes += size;
    }
    return bytes >= TURN;
}

static int send(void)
{
    size_t bytes = 0;
    struct kith__out out;

    kith__proto_unblock(self.proto);
    while (bytes < TURN && kith__proto_next(self.proto, &out, self.now)) {
        int taken = 0;

        if (self.peers[out.peer].reached || reach(out.peer) == 0)
            taken = self.net->send(self.wire, out.peer, out.lane, out.head, out.head_size, out.body,
                                   out.body_size) == 1;
        kith__proto_sent(self.proto, &out, taken, self.now);
        bytes += out.head_size + out.body_size;
    }
    return bytes >= TURN;
}

static void forget_peers(void)
{
    for (uint32_t k = 0; k < self.nodes; k++)
        if (self.peers[k].forget && self.now >= self.peers[k].forget) {
            self.net->forget(self.wire, k, 0);
            self.peers[k].forget = 0;
        }
}

/* What is due by time; when it is due next. */
static int64_t clock_step(void)
{
    int64_t due;

    if (self.nodes > 1 && self.now - self.loaded >= load_ns) {
        self.loaded = self.now;
        kith__placement_tell(self.placement, self.now);
        forget_peers();
    }
    due = kith__proto_tick(self.proto, self.now);
    return due;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Waits for the bell, a frame, or until due. */
static void wait_until(int64_t due)
{
    struct kith__agent_shared *shared = kith__agent_shared();
    int64_t ns = due == INT64_MAX ? INT64_MAX : due - kith__now_ns();
    struct timespec limit = { ns / 1000000000, ns % 1000000000 };
    uint64_t rung;
    int n = 1;

    self.fds[0] = (struct pollfd){ kith__agent_bell, POLLIN, 0 };
    if (self.proto)
        n += self.net->fds(self.wire, self.fds + 1, FDS - 1);
    atomic_store(&shared->asleep, 1);
    atomic_store(&self.seat->asleep, atomic_load(&self.seat->word) << 1 | 1);
    kith__fence();
    if (ns > 0 && (!self.proto || (atomic_load(&shared->pending.summary) == 0 &&
                                   atomic_load(&self.seat->word) == self.word)))
        ppoll(self.fds, (nfds_t)n, ns == INT64_MAX ? NULL : &limit, NULL);
    atomic_store(&self.seat->asleep, 0);
    atomic_store(&shared->asleep, 0);
    if (self.fds[0].revents && read(kith__agent_bell, &rung, sizeof rung) < 0)
        return;
}

static void say_goodbye(int how)
{
    self.leaving = self.now + goodbye_ns;
    kith__proto_leave(self.proto, how == 2 ? KITH__BYE_JOB : KITH__BYE_NODE);
}

/* One round; when the next one is due. */
static int64_t turn(void)
{
    uint64_t ended = atomic_load(&kith__shared->ended);
    uint32_t word = atomic_load(&self.seat->word);
    int woken = word != self.word || ended != self.ended, more;
    int64_t due;

    self.now = kith__now_ns();
    if (ended != self.ended)
        kith__requests_sweep(self.requests, self.now);
    self.word = word;
    self.ended = ended;
    more = kith__requests_collect(self.requests, self.now);
    more |= receive();
    due = kith__pending_retry(self.pending, woken, self.now);
    due = earlier(due, kith__requests_tick(self.requests, self.now));
    due = earlier(due, clock_step());
    more |= send();
    more |= kith__requests_go_on(self.requests);
    return more ? 0 : due;
}

static void serve(void)
{
    struct kith__agent_shared *shared = kith__agent_shared();

    while (atomic_load(&shared->contacts) == 0 && !atomic_load(&shared->leave))
        wait_until(INT64_MAX);
    if (atomic_load(&shared->contacts) == 0 || meet() < 0)
        return;
    for (;;) {
        int64_t due = turn();

        if (self.leaving && (kith__proto_left(self.proto) || self.now >= self.leaving))
            return;
        if (!self.leaving && atomic_load(&shared->leave)) {
            say_goodbye((int)atomic_load(&shared->leave));
            continue;
        }
        wait_until(self.leaving ? earlier(due, self.leaving) : due);
    }
}

static void settle_in(void)
{
    static const int quiet[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU };
    struct rlimit files;

    prctl(PR_SET_NAME, "kith-agent");
    for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++)
        signal(quiet[i], SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int kith__agent_main(uint32_t who)
{
    struct kith__agent_shared *shared = kith__agent_shared();

    (void)who;
    settle_in();
    self.node = kith__shared->node;
    self.nodes = kith__shared->nodes;
    pthread_mutex_lock(&shared->agent_lives);
    atomic_store(&kith__shared->agent_pid, getpid());
    if (!(self.seat = kith__seat_needed()) || come_up(own_contact()) < 0) {
        snprintf(shared->why, sizeof shared->why, "%s", kith_last_error());
        set_word(&shared->state, KITH__AGENT_FAILED);
        return 1;
    }
    atomic_store(&self.seat->waiting, KITH__ANYTHING);
    atomic_store(&kith__shared->agent_seat, kith__seat_number(self.seat) + 1);
    self.word = atomic_load(&self.seat->word);
    set_word(&shared->state, KITH__AGENT_READY);
    serve();
    self.net->close(self.wire, 100);
    set_word(&shared->state, KITH__AGENT_GONE);
    return 0;
}

void kith__agent_exited(void)
{
    struct kith__agent_shared *shared = kith__agent_shared();

    if (atomic_load(&shared->state) == KITH__AGENT_CLOSED) { /* somebody waits for it */
        snprintf(shared->why, sizeof shared->why, "its process has ended");
        set_word(&shared->state, KITH__AGENT_FAILED);
    }
    atomic_store(&kith__shared->agent_seat, 0);
    if (kith__shared->node != 0 && atomic_load(&kith__shared->job_over) == 0)
        set_word(&kith__shared->job_over, 3); /* this node is lost to the others */
}
