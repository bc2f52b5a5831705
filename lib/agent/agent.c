/* agent.c: see agent.h. What the agent does is in engine.c; here is what it stands on: the network
 * (net/zmq.c, a module that only the agent loads), its introduction to the others, the bell and the clock.
 *
 * One loop: a turn of the engine, and one place that waits for whatever comes first. It waits for a guard of
 * an object as everybody does; who is stopped in one (a debugger) stops it too, until peers that are still
 * connected lose patience after a minute.
 */
#include "config.h"
#include "agent/agent.h"
#include "agent/engine.h"
#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "base/module.h"
#include "base/system.h"
#include "member/bell.h"
#include "rpc/agent_control.h"
#include "rpc/mailbox.h"
#include "shm/heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CUT_MS = 1500, FDS = 1024, LIBZMQ_FILES = 13, HIGH_FILES = 2, FREE_MOST = 16 << 20 };

static const int64_t goodbye_ns = 2000 * KITH__MS, look_ns = 200 * KITH__MS, forget_ns = 300 * KITH__MS,
                     longest_ns = 1000 * KITH__MS;

static struct {
    const struct kith__transport *net;
    struct kith__wire *wire;
    struct kith__engine *engine; /* NULL: not introduced yet */
    struct kith__contact *contacts;
    struct kith__address *addresses; /* of all nodes, as address.h wants them */
    int *counts;
    struct peer {
        int reached;
        int64_t forget; /* when to end its connections; 0: not */
    } * peers;
    struct kith__seat *seat;
    uint32_t node, nodes;
    int64_t now, looked, leaving;
    struct pollfd fds[FDS];
} self;

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
        return kith__fail(KITH_EPEER, "kith's module net is of another version");
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

    if ((rc = kith__agent_read_ports(&lo, &hi)) < 0)
        return rc;
    if (self.nodes == 1) {
        kith__net_loopback(&contact->addresses[0]);
        contact->count = 1;
    } else if ((contact->count = kith__net_addresses(contact->addresses)) < 0)
        return contact->count;
    for (int i = 0; i < contact->count; i++) {
        char text[KITH__ADDRESS_TEXT];

        kith__address_text(&contact->addresses[i], text);
        if (self.net->listen(self.wire, text, lo, hi, contact->addresses[i].ports) < 0)
            return net_failed("cannot listen");
        kith__log(KITH_LOG_INFO, "the agent of node %u listens at %s (%s), port %u", self.node, text,
                  contact->addresses[i].interface, contact->addresses[i].ports[0]);
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
    int used = fcntl(kith__agent_bell(), F_DUPFD_CLOEXEC, 0);
    struct rlimit files;

    if (used >= 0)
        close(used);
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
        return 0;
    if (used >= 0 &&
        (rlim_t)used + HIGH_FILES + (rlim_t)own + (rlim_t)peers * KITH__LANES * 3 <= files.rlim_cur)
        return 0;
    return kith__fail(
        KITH_ENOMEM,
        "the network needs more than the %llu open files that the system allows: raise ulimit -n",
        (unsigned long long)files.rlim_cur);
}

static int come_up(struct kith__contact *contact)
{
    struct kith__wire_config c = { .node = self.node,
                                   .nodes = self.nodes,
                                   .frame_most = KITH__FRAME_MOST,
                                   .lanes = KITH__LANES,
                                   .cut_ms = CUT_MS };
    int rc;

    c.security = kith__env_word(KITH__ENV_NET_SECURITY) == 1 ? KITH__PLAIN : KITH__CURVE;
    if ((rc = check_files(LIBZMQ_FILES)) < 0 || (rc = load_net()) < 0)
        return rc;
    if (c.security == KITH__PLAIN)
        kith__log(KITH_LOG_WARNING,
                  "KITH_NET_SECURITY=plain: nodes authenticate with a password, and nothing "
                  "between them is encrypted");
    else if (self.net->key_pair(c.public_key, c.secret_key) < 0)
        return net_failed("no network");
    if (!(self.wire = self.net->open(&c)))
        return net_failed("no network");
    contact->version = KITH__CONTACT_VERSION;
    contact->security = c.security;
    contact->cpus = kith__shared->usable_cpus;
    contact->workers = kith__shared->workers;
    memcpy(contact->public_key, c.public_key, sizeof contact->public_key);
    memcpy(contact->host, kith__shared->host, sizeof contact->host);
    make_secret(contact->secret);
    if (getrandom(&contact->job, sizeof contact->job, 0) != sizeof contact->job)
        return kith__fail_errno(KITH_EPEER, "no random numbers");
    if ((rc = listen_everywhere(contact)) < 0)
        return rc;
    return check_files(0); /* there may be many interfaces */
}

/* ---------------------------------------------------------------------- the wire */

static int reach(uint32_t peer)
{
    int popularity[KITH__ADDRESSES], i;
    const struct kith__address *p;
    char text[KITH__ADDRESS_TEXT];

    self.peers[peer].reached = 1;
    kith__net_popularity(self.addresses, self.counts, (int)self.nodes, (int)peer, popularity);
    if ((i = kith__net_choose(self.addresses, self.counts, (int)self.node, (int)peer, popularity)) < 0) {
        kith__log(
            KITH_LOG_ERROR,
            "node %u (%s) has no network in common with this node (%s): name one that both have in KITH_NET",
            peer, self.contacts[peer].host, kith__shared->host);
        return -1;
    }
    p = &self.addresses[peer * KITH__ADDRESSES + (uint32_t)i];
    kith__address_text(p, text);
    kith__log(KITH_LOG_DEBUG, "node %u (%s) is reached at %s, port %u", peer, self.contacts[peer].host, text,
              p->ports[0]);
    if (self.net->reach(self.wire, peer, text, p->ports, self.contacts[peer].public_key) == 0)
        return 0;
    kith__log(KITH_LOG_ERROR, "node %u (%s) cannot be reached: %s", peer, self.contacts[peer].host,
              self.net->why());
    return -1;
}

static size_t wire_receive(void *context, uint32_t *peer, const void **frame)
{
    (void)context;
    return self.net->receive(self.wire, peer, frame);
}

static int wire_send(void *context, const struct kith__out *out)
{
    (void)context;
    if (!self.peers[out->peer].reached && reach(out->peer) < 0)
        return 0;
    return self.net->send(self.wire, out->peer, out->lane, out->head, out->head_size, out->body,
                          out->body_size) == 1;
}

static int wire_is_connected(void *context, uint32_t peer)
{
    (void)context;
    return self.peers[peer].reached && self.net->is_connected(self.wire, peer);
}

static void wire_ended(void *context, uint32_t peer, enum kith__link_state state, const char *why)
{
    (void)context;
    if (state == KITH__LINK_LOST && self.node == 0) /* it speaks for all */
        kith__notice("node %u (%s) %s: it counts as lost", peer, self.contacts[peer].host, why);
    else
        kith__log(state == KITH__LINK_LOST ? KITH_LOG_WARNING : KITH_LOG_DEBUG, "node %u (%s) %s", peer,
                  self.contacts[peer].host, why);
    if (state == KITH__LINK_LOST)
        atomic_store(&self.contacts[peer].lost, 1);
    self.peers[peer].forget = self.now + (state == KITH__LINK_LOST ? 0 : forget_ns);
}

static const struct kith__engine_wire wire = { wire_receive, wire_send, wire_is_connected, wire_ended };

/* -------------------------------------------------------------------- introduction */

/* Addresses at which nobody will look for us are closed. */
static void close_unused(void)
{
    int popularity[KITH__ADDRESSES], used[KITH__ADDRESSES] = { 0 };

    kith__net_popularity(self.addresses, self.counts, (int)self.nodes, (int)self.node, popularity);
    for (uint32_t k = 0; k < self.nodes; k++) {
        int i = kith__net_choose(self.addresses, self.counts, (int)k, (int)self.node, popularity);

        if (i >= 0 && (k != self.node || self.nodes == 1 || atomic_load(&kith__shared->through_net)))
            used[i] = 1;
    }
    for (int i = 0; i < self.counts[self.node]; i++) {
        const struct kith__address *p = &self.addresses[self.node * KITH__ADDRESSES + (uint32_t)i];
        char text[KITH__ADDRESS_TEXT];

        kith__address_text(p, text);
        if (!used[i] && self.net->unlisten(self.wire, text, p->ports) < 0)
            kith__log(KITH_LOG_WARNING, "cannot stop to listen at %s: %s", text, self.net->why());
    }
}

static int make_tables(void)
{
    self.addresses = calloc(self.nodes, KITH__ADDRESSES * sizeof *self.addresses);
    self.counts = calloc(self.nodes, sizeof *self.counts);
    self.peers = calloc(self.nodes, sizeof *self.peers);
    if (!self.addresses || !self.counts || !self.peers)
        return kith__fail(KITH_ENOMEM, "no memory for %u nodes", self.nodes);
    for (uint32_t k = 0; k < self.nodes; k++) {
        self.counts[k] = self.contacts[k].count;
        memcpy(&self.addresses[(size_t)k * KITH__ADDRESSES], self.contacts[k].addresses,
               sizeof self.contacts[k].addresses);
    }
    return 0;
}

static int start_engine(const struct kith__proto_config *proto)
{
    struct kith__engine_config c = { .proto = *proto, .seat = self.seat, .wire = &wire };
    uint32_t *cpus = calloc(self.nodes, sizeof *cpus);

    if (!cpus)
        return kith__fail(KITH_ENOMEM, "no memory for %u nodes", self.nodes);
    for (uint32_t k = 0; k < self.nodes; k++)
        cpus[k] = self.contacts[k].cpus;
    c.cpus = cpus;
    kith__heap_back_in_steps();
    self.engine = kith__engine_new(&c, kith__now_ns());
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
                                    .host = kith__agent_host,
                                    .window = 2 << 20,
                                    .doubt_ns = never ? 0 : 1000 * KITH__MS };

    self.contacts = kith__at(atomic_load(&kith__agent_shared()->contacts));
    c.job = self.contacts[0].job;
    if (make_tables() < 0)
        return KITH_ENOMEM;
    for (uint32_t k = 0; k < self.nodes; k++)
        self.net->admit(self.wire, k, self.contacts[k].public_key);
    self.net->set_secret(self.wire, self.contacts[0].secret);
    self.net->open_door(self.wire);
    close_unused();
    return start_engine(&c);
}

/* ------------------------------------------------------------------------ the loop */

static void forget_peers(void)
{
    for (uint32_t k = 0; k < self.nodes; k++)
        if (self.peers[k].forget && self.now >= self.peers[k].forget) {
            self.net->forget(self.wire, k, 0);
            self.peers[k].forget = 0;
        }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Waits for the bell, a frame, or until due, but no longer than all who wait in a job: a ring may be lost. */
static void wait_until(int64_t due)
{
    struct kith__agent_shared *shared = kith__agent_shared();
    int64_t now = kith__now_ns(), ns = earlier(due, now + longest_ns) - now;
    struct timespec limit = { ns / 1000000000, ns % 1000000000 };
    uint32_t sleep = atomic_load(&shared->sleeps) + 1; /* it is even while we run */
    int n = 1;

    self.fds[0] = (struct pollfd){ kith__agent_bell(), POLLIN, 0 };
    if (self.engine)
        n += self.net->fds(self.wire, self.fds + 1, FDS - 1);
    atomic_store(&shared->sleeps, sleep);
    atomic_store(&self.seat->asleep, atomic_load(&self.seat->word) << 1 | 1);
    kith__fence();
    if (ns > 0 && (!self.engine || !kith__engine_has_news(self.engine)) &&
        ppoll(self.fds, (nfds_t)n, &limit, NULL) >= 0 && self.engine)
        self.net->polled(self.wire, self.fds + 1);
    atomic_store(&self.seat->asleep, 0);
    atomic_store(&shared->sleeps, sleep + 1);
    if (self.fds[0].revents)
        kith__agent_bell_heard();
}

static void say_goodbye(int how)
{
    self.leaving = self.now + goodbye_ns;
    kith__engine_leave(self.engine, how == 2 ? KITH__BYE_JOB : KITH__BYE_NODE);
}

/* One round; when the next one is due. */
static int64_t turn(void)
{
    int64_t due;

    self.now = kith__now_ns();
    due = kith__engine_turn(self.engine, self.now);
    if (self.now - self.looked >= look_ns) {
        self.looked = self.now;
        forget_peers();
    }
    return due;
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

        if (self.leaving && (kith__engine_left(self.engine) || self.now >= self.leaving))
            return;
        if (!self.leaving && atomic_load(&shared->leave)) {
            say_goodbye((int)atomic_load(&shared->leave));
            continue;
        }
        wait_until(self.leaving ? earlier(due, self.leaving) : due);
    }
}

/* Frames come and go, with a buffer each. By default malloc would map and unmap those, or give the end of its
 * heap back to the system after every second one: the page faults cost more than the encryption. What lies
 * idle stays below FREE_MOST for each of the few threads. */
static void keep_buffers(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, FREE_MOST);
    mallopt(M_TRIM_THRESHOLD, FREE_MOST);
#endif
}

static void settle_in(void)
{
    static const int quiet[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU };
    struct rlimit files;

    prctl(PR_SET_NAME, "kith-agent");
    keep_buffers();
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
    if (!(self.seat = kith__seat_needed()) || come_up(kith__own_contact()) < 0) {
        snprintf(shared->why, sizeof shared->why, "%s", kith_last_error());
        set_word(&shared->state, KITH__AGENT_FAILED);
        return 1;
    }
    atomic_store(&self.seat->waiting, KITH__ANYTHING);
    atomic_store(&kith__shared->agent_seat, kith__seat_number(self.seat) + 1);
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
