/* ranks.c: see ranks.h. How they find each other is in rendezvous.c, discovery.c and control.c, how they end
 * in ending.c. */
#include "config.h"
#include "start/ranks.h"
#include "code/coverage.h"
#include "start/control.h"
#include "start/ending.h"
#include "start/discovery.h"
#include "base/error.h"
#include "base/log.h"
#include "start/mpi/load.h"
#include "start/overdue.h"
#include "start/rendezvous.h"
#include "base/system.h"
#include "base/threads.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LOOK_MS = 1000 };

static const int64_t goodbye_ns = 5000 * KITH__MS, lost_ns = 1000 * KITH__MS;

static struct {
    struct kith__rendezvous rendezvous;
    const struct kith__ranks *ranks;
    uint32_t last; /* the last word, when it came before this rank asked for it */
    int lost;      /* kith__ranks_sleep has seen a line or the launcher go */
} self;

/* ---- the table */

static int same_cpus(const struct kith__record *a, const struct kith__record *b)
{
    return memcmp(a->cpus, b->cpus, sizeof a->cpus) == 0;
}

/* Ranks that were bound to the same CPUs share them. */
static int share_of(const struct kith__rendezvous *m, int rank)
{
    const struct kith__record *mine = &m->records[rank];
    int sharers = 0, before = 0;

    if (!mine->bound)
        return mine->workers;
    for (int i = 0; i < m->size; i++)
        if (m->leader[i] == m->leader[rank] && m->records[i].bound && same_cpus(&m->records[i], mine)) {
            sharers++;
            before += i < rank;
        }
    if (sharers > mine->workers)
        return 1;
    return mine->workers / sharers + (before < mine->workers % sharers);
}

static void fill_rank(struct kith__ranks *out, const struct kith__rendezvous *m, int i)
{
    const struct kith__record *r = &m->records[i];
    struct kith__rank *rank = &out->all[i];
    int leader = m->leader[i];

    if (leader == i) {
        rank->node = out->nodes++;
    } else {
        rank->node = out->all[leader].node;
        rank->local = ++out->all[leader].local; /* counts there for now */
    }
    rank->workers = share_of(m, i);
    if (r->workers_given)
        rank->workers = leader == i ? r->workers : 0;
    rank->given = r->given;
    rank->threads = r->threads;
    rank->pid = r->pid;
    memcpy(rank->host, r->host, sizeof rank->host);
}

/* One after the other in order of rank, each CPU once. */
static void add_cpus(struct kith__ranks *out, const struct kith__record *r,
                     unsigned char seen[KITH__CPUS / 8])
{
    int cpus[KITH__CPUS], n = 0;

    for (int cpu = 0; cpu < KITH__CPUS; cpu++)
        if (r->cpus[cpu / 8] & ~seen[cpu / 8] & 1 << cpu % 8)
            cpus[n++] = cpu;
    kith__cpus_by_core(cpus, n, kith__environment_core, out->cpus + out->cpu_count);
    out->cpu_count += n;
    for (int i = 0; i < KITH__CPUS / 8; i++)
        seen[i] |= r->cpus[i];
}

static int fill_table(struct kith__ranks *out, const struct kith__rendezvous *m)
{
    unsigned char seen[KITH__CPUS / 8] = { 0 };

    memset(out, 0, sizeof *out);
    out->all = calloc((size_t)m->size, sizeof *out->all);
    if (!out->all)
        return kith__fail(KITH_ENOMEM, "no memory for a table of %d ranks", m->size);
    out->rank = m->rank;
    out->size = m->size;
    out->seed = m->records[0].seed;
    for (int i = 0; i < m->size; i++)
        fill_rank(out, m, i);
    out->leader = m->leader[m->rank];
    out->is_leader = out->leader == m->rank;
    out->node = out->all[m->rank].node;
    for (int i = 0; i < m->size; i++) {
        if (m->leader[i] == i)
            out->all[i].local = 0;
        if (m->leader[i] != out->leader)
            continue;
        out->locals++;
        out->workers += out->all[i].workers;
        add_cpus(out, &m->records[i], seen);
    }
    out->local = out->all[m->rank].local;
    memcpy(out->fds, m->fds, sizeof out->fds);
    out->n_fds = m->n_fds;
    return 0;
}

/* ---- the start */

/* What a launcher left is not for a program that is alone: MPI would look for the others. */
static void forget_launcher(void)
{
    static const char *const prefixes[] = {
        "PMIX_",        "PMI_",           "OMPI_COMM_WORLD_", "OMPI_UNIVERSE_SIZE=",
        "OMPI_MCA_ess", "OMPI_MCA_orte_", "OMPI_MCA_pmix="
    };
    extern char **environ;
    char name[128];

    for (char **e = environ; e && *e;) {
        int found = 0;

        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            found |= strncmp(*e, prefixes[i], strlen(prefixes[i])) == 0;
        if (!found || strcspn(*e, "=") >= sizeof name) {
            e++;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
        unsetenv(name); /* moves the others up */
    }
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0); /* needs no daemon */
}

static int check_size(const struct kith__launch *launch, const struct kith__rendezvous *m)
{
    if (launch->kind == KITH__ALONE || launch->size == 0 || launch->size == m->size)
        return 0;
    return kith__fail(KITH_EPEER, "%s started %d ranks, but %s sees %d: do the two belong together?",
                      launch->launcher, launch->size, m->mpi->title, m->size);
}

/* MPI would end the rank with much text, and without that. kith run says it itself. */
static void tell_of_full_disk(const struct kith__launch *launch)
{
    const char *place = getenv("PMIX_SERVER_TMPDIR");
    struct statvfs s;

    if (launch->kind != KITH__MPI || getenv("KITH_RUN") || !kith__launch_speaks(launch) || !place ||
        statvfs(place, &s) != 0 || s.f_blocks == 0 || (geteuid() == 0 ? s.f_bfree : s.f_bavail) > 0)
        return;
    kith__notice("a disk of %s is full, where MPI has files of its own (%s): if it does not start now, make "
                 "room there, or let "
                 "OMPI_MCA_orte_tmpdir_base name a directory that all hosts have",
                 kith_host(), place);
}

static int start(int *argc, char ***argv, const struct kith__launch *launch, int every_rank)
{
    struct kith__rendezvous *m = &self.rendezvous;
    struct kith__open_descriptors before;
    int rc;

    if (!launch->mpi)
        return kith__fail(KITH_EPEER, "there is no MPI for this program: rebuild kith after apt install "
                                      "libopenmpi-dev openmpi-bin");
    if (launch->kind == KITH__ALONE)
        forget_launcher();
    tell_of_full_disk(launch);
    kith__overdue_step("MPI_Init");
    kith__descriptors_begin(&before);
    rc = kith__mpi_start(launch->mpi, argc, argv,
                         launch->local_size > 0 && launch->local_size == launch->size, &m->mpi);
    if (rc < 0)
        return rc;
    m->mpi->where(&m->rank, &m->size);
    kith__ending_begin(m->mpi, launch, m->rank, every_rank, &before);
    return 0;
}

/* Each rank decides the same, as it knows the same; only the last step can fail for one and not for another.
 */
static int find_others(const struct kith__launch *launch)
{
    struct kith__rendezvous *m = &self.rendezvous;
    int rc;

    kith__overdue_step("the first messages of MPI between the ranks");
    if ((rc = check_size(launch, m)) < 0 || (rc = kith__rendezvous_tell(m, launch)) < 0 ||
        (rc = kith__rendezvous_compare(m)) < 0 || (rc = kith__discover_nodes(m)) < 0)
        return rc;
    kith__overdue_step("the control connections between the nodes");
    rc = kith__control_connect(m);
    kith__ending_lines(&m->up, m->down, m->downs);
    return rc;
}

int kith__ranks_join(int *argc, char ***argv, const struct kith__launch *launch, int every_rank,
                     const int *fds, int n_fds, struct kith__ranks *out)
{
    struct kith__rendezvous *m = &self.rendezvous;
    int rc;

    m->up.fd = -1;
    m->n_fds = n_fds < KITH__CONN_FDS ? n_fds : KITH__CONN_FDS;
    memcpy(m->fds, fds, (size_t)m->n_fds * sizeof *fds);
    if ((rc = start(argc, argv, launch, every_rank)) < 0) {
        if (launch->kind == KITH__MPI && !kith__launch_speaks(launch))
            exit(0); /* another rank of this host says why */
        return rc;
    }
    if ((rc = find_others(launch)) == 0 && (rc = fill_table(out, m)) == 0 && (every_rank || m->rank == 0))
        rc = kith__ending_watch();
    if (rc < 0) {
        kith__ending_fail();
        kith__log(KITH_LOG_INFO, "rank %d: %s", m->rank, kith_last_error());
        if (m->rank > 0 && launch->rank > 0)
            kith__ending_linger(0);
        return rc;
    }
    kith__log(KITH_LOG_INFO, "rank %d of %d, node %d of %d (%s), %d worker%s", out->rank, out->size,
              out->node, out->nodes, out->all[out->rank].host, out->workers, out->workers == 1 ? "" : "s");
    kith__rendezvous_free(m);
    self.ranks = out;
    return 0;
}

int kith__ranks_allgather(const void *mine, void *all, size_t each)
{
    if (self.rendezvous.mpi->allgather(mine, all, each) != 0)
        return kith__fail(KITH_EPEER, "%s cannot pass %zu bytes from each rank to each",
                          self.rendezvous.mpi->title, each);
    return 0;
}

/* ---- waiting without MPI */

static struct kith__note note_of(uint32_t kind)
{
    return (struct kith__note){ .kind = kind, .rank = (uint32_t)self.rendezvous.rank };
}

static void tell_downs(uint32_t kind)
{
    const struct kith__note note = note_of(kind);

    for (int i = 0; i < self.rendezvous.downs; i++)
        kith__conn_send(kith__descriptor_number(&self.rendezvous.down[i]), &note, NULL, 0);
}

static int64_t until_of(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : kith__now_ns() + timeout_ms * KITH__MS;
}

/* A note from line i. -1: not in time; of a node that is lost there is none, but for one that has lost no
 * more than its agent. */
static int hear_down(int i, struct kith__note *note, int64_t until, int (*is_lost)(int node))
{
    const struct kith__rendezvous *m = &self.rendezvous;
    int fd = kith__descriptor_number(&m->down[i]);
    int64_t soon = kith__now_ns() + lost_ns;

    if (!is_lost || !is_lost(self.ranks->all[m->down_ranks[i]].node))
        return kith__conn_receive(fd, note, NULL, NULL, until);
    return kith__conn_receive(fd, note, NULL, NULL, until >= 0 && until < soon ? until : soon) > 0;
}

/* One note of that kind from each line down. */
static int hear_downs(uint32_t kind, int64_t until, int (*is_lost)(int node))
{
    const struct kith__rendezvous *m = &self.rendezvous;
    int rc = 0;

    for (int i = 0; i < m->downs; i++) {
        struct kith__note note;
        int got = hear_down(i, &note, until, is_lost);

        if (got < 0 && rc == 0)
            rc = kith__fail(KITH_ETIMEDOUT, "not all ranks have answered in time");
        else if (got == 0 || (got > 0 && note.kind != kind))
            rc = kith__fail(KITH_EPEER, "a rank of this job is gone");
    }
    return rc;
}

int kith__ranks_dismiss(int timeout_ms, int (*is_lost)(int node))
{
    int rc;

    if (!self.rendezvous.mpi)
        return 0;
    tell_downs(KITH__NOTE_DISMISS);
    if ((rc = hear_downs(KITH__NOTE_DONE, until_of(timeout_ms), is_lost)) == KITH_EPEER)
        kith__ending_lost(); /* the thread that watches may learn of it too late */
    return rc;
}

int kith__ranks_barrier(int timeout_ms)
{
    const struct kith__note here = note_of(KITH__NOTE_HERE);
    const struct kith__rendezvous *m = &self.rendezvous;
    int64_t until = until_of(timeout_ms);
    struct kith__note on;
    int rc, got;

    if ((rc = hear_downs(KITH__NOTE_HERE, until, NULL)) < 0)
        return rc;
    if (m->up.fd >= 0) {
        if (!kith__conn_send(kith__descriptor_number(&m->up), &here, NULL, 0))
            return kith__fail(KITH_EPEER, "a rank of this job is gone");
        got = kith__conn_receive(kith__descriptor_number(&m->up), &on, NULL, NULL, until);
        if (got < 0)
            return kith__fail(KITH_ETIMEDOUT, "not all ranks have come in time");
        if (got == 0 || on.kind != KITH__NOTE_ON)
            return kith__fail(KITH_EPEER, "a rank of this job is gone");
    }
    tell_downs(KITH__NOTE_ON);
    return 0;
}

int kith__ranks_broken(void)
{
    return kith__ending_broken();
}

/* The next note from above; 0: the line, or the launcher, is gone; -1: *lost has become 2 or more. */
static int hear_up(struct kith__note *note, const _Atomic uint32_t *lost)
{
    const int launcher = kith__ending_launcher();
    struct pollfd fds[] = { { .fd = self.rendezvous.up.fd, .events = POLLIN },
                            { .fd = launcher, .events = POLLIN } };

    for (;;) {
        if (lost && atomic_load(lost) >= 2)
            return -1;
        if (poll(fds, 2, lost ? LOOK_MS : -1) < 0)
            continue;
        if (fds[0].revents)
            return kith__conn_receive(self.rendezvous.up.fd, note, NULL, NULL, kith__now_ns() + goodbye_ns) ==
                   1;
        if (fds[1].revents)
            return 0;
    }
}

int kith__ranks_sleep(const _Atomic uint32_t *lost)
{
    struct kith__note note;
    int heard = hear_up(&note, lost);

    if (heard < 0)
        return 1;
    if (!heard) {
        self.lost = 1;
        return kith__fail(KITH_EPEER, "rank 0 of this job, or its launcher, is gone");
    }
    if (note.kind != KITH__NOTE_DISMISS)
        self.last = note.kind;
    tell_downs(note.kind);
    return 0;
}

static void leave(int status) __attribute__((noreturn));

static void leave(int status)
{
    fflush(stdout);
    fflush(stderr);
    kith__coverage_flush();
    kith__leave(status);
}

static int is_launcher_gone(void)
{
    struct pollfd launcher = { .fd = kith__ending_launcher(), .events = POLLIN };

    return poll(&launcher, 1, 0) > 0;
}

void kith__ranks_leave(void)
{
    const struct kith__note done = note_of(KITH__NOTE_DONE);
    struct kith__note note = { .kind = self.last };

    if (!self.lost && !self.last) {
        hear_downs(KITH__NOTE_DONE, kith__now_ns() + goodbye_ns, NULL);
        kith__conn_send(self.rendezvous.up.fd, &done, NULL, 0);
        self.lost = !hear_up(&note, NULL);
        if (!self.lost)
            tell_downs(note.kind);
    }
    if (self.lost && is_launcher_gone()) {
        self.rendezvous.mpi->tidy();
        leave(1);
    }
    if (self.lost || note.kind != KITH__NOTE_FINALIZE) {
        fflush(stdout);
        fflush(stderr);
        kith__coverage_flush();
        if (self.lost)
            kith__ending_cut_off();
        kith__ending_linger(1);
    }
    if (self.ranks->is_leader)
        kith__ending_over();
    self.rendezvous.mpi->finalize();
    leave(0);
}
