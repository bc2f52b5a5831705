/* rendezvous.c: what each rank tells all, and whether they fit together. See rendezvous.h. */
#include "config.h"
#include "start/rendezvous.h"
#include "base/error.h"
#include "base/log.h"
#include "start/builds.h"
#include "start/detect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 10 }; /* of a table in a sentence */

/* The number of a namespace of this process. It is one of this kernel only. */
static uint64_t namespace_of(const char *kind)
{
    char path[48];
    struct stat s;

    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    return stat(path, &s) == 0 ? (uint64_t)s.st_ino : 0;
}

static void read_boot(unsigned char boot[36])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (read(fd, boot, 36) != 36)
        memset(boot, 0, 36);
    close(fd);
}

static void read_directory(struct kith__record *r)
{
    const char *home = getenv("HOME");
    char path[PATH_MAX], real[PATH_MAX];
    size_t n, most = sizeof r->directory - 1;

    if (!getcwd(path, sizeof path))
        return;
    n = strlen(path);
    memcpy(r->directory, path + (n > most ? n - most : 0), n > most ? most : n);
    r->at_home = home && realpath(home, real) && strcmp(real, path) == 0;
}

static int fill(struct kith__record *r, const struct kith__rendezvous *m, const struct kith__launch *launch)
{
    memset(r, 0, sizeof *r);
    if (getrandom(r->secret, sizeof r->secret, 0) != sizeof r->secret ||
        getrandom(&r->door, sizeof r->door, 0) != sizeof r->door)
        return kith__fail_errno(KITH_ENOMEM, "the kernel returned no random numbers");
    gethostname(r->host, sizeof r->host - 1);
    snprintf(r->kith, sizeof r->kith, "%s", KITH_VERSION);
    m->mpi->version(r->mpi, sizeof r->mpi);
    kith__builds_tell(r);
    read_boot(r->boot);
    read_directory(r);
    r->network = namespace_of("net");
    r->pids = namespace_of("pid");
    r->uid = (uint32_t)geteuid();
    r->pid = (int32_t)getpid();
    r->workers = launch->workers;
    r->workers_given = launch->workers_given;
    r->seed = launch->seed;
    r->bound = launch->bound;
    r->given = launch->given_node;
    r->threads = launch->threads;
    for (int i = 0; i < launch->cpu_count; i++)
        if (launch->cpus[i] < KITH__CPUS)
            r->cpus[launch->cpus[i] / 8] |= (unsigned char)(1 << launch->cpus[i] % 8);
    return 0;
}

int kith__rendezvous_tell(struct kith__rendezvous *m, const struct kith__launch *launch)
{
    struct kith__record mine;
    int rc;

    m->up.fd = -1;
    m->records = calloc((size_t)m->size, sizeof *m->records);
    m->leader = calloc((size_t)m->size, sizeof *m->leader);
    if (!m->records || !m->leader)
        return kith__fail(KITH_ENOMEM, "no memory for a table of %d ranks", m->size);
    if ((rc = fill(&mine, m, launch)) < 0)
        return rc;
    if (m->mpi->allgather(&mine, m->records, sizeof mine) != 0)
        return kith__fail(KITH_EPEER, "%s cannot pass %zu bytes from each rank to each", m->mpi->title,
                          sizeof mine);
    return 0;
}

/* ---- do they fit together? */

static const struct trait {
    const char *complaint, *cure;
    size_t at, size; /* a text */
} traits[] = { { "the ranks have different versions of kith", "install the same on each host",
                 offsetof(struct kith__record, kith), sizeof((struct kith__record *)0)->kith },
               { "the ranks have different MPI libraries", "install the same on each host",
                 offsetof(struct kith__record, mpi), sizeof((struct kith__record *)0)->mpi } };

static const unsigned char *value_of(const struct trait *t, const struct kith__record *r)
{
    return (const unsigned char *)r + t->at;
}

static int is_same(const struct trait *t, const struct kith__record *a, const struct kith__record *b)
{
    return memcmp(value_of(t, a), value_of(t, b), t->size) == 0;
}

static size_t put_row(char *text, size_t room, const struct trait *t, const struct kith__rendezvous *m,
                      int from, int to)
{
    const unsigned char *value = value_of(t, &m->records[from]);
    int used;

    used = from == to ? snprintf(text, room, "\n    %s, rank %d: ", m->records[from].host, from)
                      : snprintf(text, room, "\n    %s, ranks %d to %d: ", m->records[from].host, from, to);
    if ((size_t)used < room)
        used += snprintf(text + used, room - (size_t)used, "%.*s", (int)t->size, (const char *)value);
    return (size_t)used < room ? (size_t)used : room - 1;
}

/* Which host has which: neighbouring ranks of one host that have the same are one row. */
static int complain(const struct trait *t, const struct kith__rendezvous *m)
{
    char table[800];
    size_t used = 0;
    int rows = 0;

    table[0] = '\0';
    for (int from = 0, to; from < m->size; from = to + 1, rows++) {
        for (to = from; to + 1 < m->size && is_same(t, &m->records[from], &m->records[to + 1]) &&
                        strcmp(m->records[from].host, m->records[to + 1].host) == 0;
             to++)
            ;
        if (rows < ROWS)
            used += put_row(table + used, sizeof table - used, t, m, from, to);
    }
    if (rows > ROWS)
        snprintf(table + used, sizeof table - used, "\n    and %d more", rows - ROWS);
    return kith__fail(KITH_EPEER, "%s: %s%s", t->complaint, t->cure, table);
}

/* Where the directory is missing Open MPI starts a rank in the user's home, and says nothing. A program, or a
 * script around it, may also have chosen another one. */
static void tell_of_directories(const struct kith__rendezvous *m)
{
    const struct kith__record *head = &m->records[0], *other = NULL;
    int more = 0;

    for (int i = 1; i < m->size && *head->directory && !head->at_home; i++) {
        const struct kith__record *r = &m->records[i];

        if (!r->at_home || strcmp(r->directory, head->directory) == 0)
            continue;
        if (!other)
            other = r;
        else
            more |= strcmp(r->host, other->host) != 0;
    }
    if (other)
        kith__notice(
            "the directory %s is not on %s%s: ranks started in %s there, where tasks look for files and "
            "leave theirs; create it, or share it by NFS",
            head->directory, other->host, more ? " and other hosts" : "", other->directory);
}

int kith__rendezvous_compare(const struct kith__rendezvous *m)
{
    for (size_t k = 0; k < sizeof traits / sizeof traits[0]; k++)
        for (int i = 1; i < m->size; i++)
            if (!is_same(&traits[k], &m->records[0], &m->records[i]))
                return complain(&traits[k], m);
    if (m->rank == 0)
        tell_of_directories(m);
    return kith__builds_compare(m);
}

/* ---- lines */

int kith__rendezvous_add_line(struct kith__rendezvous *m, int *fd, int rank)
{
    struct kith__descriptor *more = realloc(m->down, (size_t)(m->downs + 1) * sizeof *more);
    int *ranks = realloc(m->down_ranks, (size_t)(m->downs + 1) * sizeof *ranks);

    if (more)
        m->down = more;
    if (ranks)
        m->down_ranks = ranks;
    if (!more || !ranks)
        return kith__fail(KITH_ENOMEM, "no memory for %d lines to other ranks", m->downs + 1);
    m->down_ranks[m->downs] = rank;
    kith__descriptor_own(&m->down[m->downs], *fd);
    *fd = m->down[m->downs++].fd;
    return 0;
}

void kith__rendezvous_free(struct kith__rendezvous *m)
{
    free(m->records);
    free(m->leader);
    m->records = NULL;
    m->leader = NULL;
}
