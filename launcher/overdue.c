/* overdue.c: see overdue.h. Called by job.c.
 *
 * A rank is seen by what it writes, by the first frame of its "kith rank", or, on this machine, among the
 * processes below mpirun. Nothing is told where a rank could have begun without that. */
#include "config.h"
#include "overdue.h"
#include "local_host.h"
#include "log.h"
#include "processes.h"
#include "reach.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LOOK_MS = 1000, WORDS = 4096, DEPTH = 64, NAMED = 3 };

struct below { /* what runs below mpirun */
    int rank, ssh;
    const char *host; /* to which ssh goes; NULL: none of ours */
};

/* ---- processes */

static int is_below(pid_t pid, pid_t mpirun)
{
    for (int i = 0; i < DEPTH && pid > 1; i++)
        if ((pid = process_parent(pid)) == mpirun)
            return 1;
    return 0;
}

static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The first of its words, or of the first most of them, that ends with that file's name; NULL. */
static const char *find_word(const char *words, size_t size, const char *name, int most)
{
    for (const char *w = words; w < words + size && most > 0; w += strlen(w) + 1, most--)
        if (strcmp(base(w), base(name)) == 0)
            return w;
    return NULL;
}

/* ssh, or a script of that name. */
static int is_ssh(const char *words, size_t size)
{
    return find_word(words, size, "ssh", 2) != NULL || find_word(words, size, "rsh", 2) != NULL;
}

static const char *host_in(const struct hosts *h, const char *words, size_t size)
{
    for (const char *w = words; w < words + size; w += strlen(w) + 1) {
        const char *at = strrchr(w, '@');

        for (int i = 0; i < h->count; i++)
            if (strcmp(at ? at + 1 : w, h->all[i].name) == 0)
                return h->all[i].name;
    }
    return NULL;
}

static void look_at(const struct overdue *o, pid_t pid, pid_t mpirun, struct below *b)
{
    char words[WORDS];
    size_t size = process_read(pid, "cmdline", words, sizeof words);
    int ssh = is_ssh(words, size);

    if ((!ssh && !find_word(words, size, o->request->program[0], WORDS)) || !is_below(pid, mpirun))
        return;
    b->rank |= !ssh;
    b->ssh |= ssh;
    if (ssh && !b->host)
        b->host = host_in(&o->request->hosts, words, size);
}

static struct below look_below(const struct overdue *o, pid_t mpirun)
{
    struct below b = { .rank = 0 };
    DIR *d = opendir("/proc");
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (isdigit((unsigned char)*e->d_name) && atoi(e->d_name) != mpirun)
            look_at(o, atoi(e->d_name), mpirun, &b);
    if (d)
        closedir(d);
    return b;
}

/* ---- the notice */

/* "node2, node3 and 5 more" */
static void name_others(const struct hosts *h, char *text, size_t room)
{
    int others = 0;

    snprintf(text, room, "%s", "other hosts");
    for (int i = 0; i < h->count; i++)
        if (!local_host_is(h->all[i].name)) {
            size_t used = others ? strlen(text) : 0;

            if (others++ < NAMED && used < room)
                snprintf(text + used, room - used, "%s%s", used ? ", " : "", h->all[i].name);
        }
    if (others > NAMED && strlen(text) < room)
        snprintf(text + strlen(text), room - strlen(text), " and %d more", others - NAMED);
}

/* Where mpirun waits at one host, its ssh to others waits, too. A child asks each host, as that takes a
 * while. */
static void tell_of_ssh(const struct overdue *o, const char *hosts, const char *host)
{
    pid_t pid = o->request->by_ssh ? fork() : -1;

    if (pid > 0)
        return;
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pid < 0 || reach_hosts(&o->request->hosts, REACH_RUN, "orted") == 0)
        log_line("run: no rank has begun for %d s, as ssh to %s has not come to its end: it must log in "
                 "without a question; try ssh %s true",
                 OVERDUE_S, host ? host : hosts, host ? host : "HOST");
    if (pid == 0)
        _exit(0);
}

static void tell(const struct overdue *o, const struct below *b)
{
    char hosts[NAMED * (HOST_NAME + 2) + 32];

    name_others(&o->request->hosts, hosts, sizeof hosts);
    if (b->ssh && o->mpi->kind == OPEN_MPI)
        tell_of_ssh(o, hosts, b->host);
    else if (request_is_remote(o->request))
        log_line(
            "run: no rank has begun for %d s, as %s waits for its part on %s: a firewall between the "
            "hosts, or a bridge of containers with one address on each (docker0), may be the reason; kith "
            "hosts shows which of them do not reach each other, and KITH_NET=10.0.0.0/8 chooses the "
            "network",
            OVERDUE_S, o->mpi->name, hosts);
    else
        log_line("run: no rank has begun for %d s, as %s does not start it: this machine is very busy, or a "
                 "name server or file system does not answer; try %s -n 1 true",
                 OVERDUE_S, o->mpi->name, o->mpi->path);
}

/* ---- when */

/* Rank 0 is on the first host. */
static int has_rank_here(const struct request *r)
{
    if (r->extra.count > 0)
        return 0;
    return r->hosts.count > 0 ? local_host_is(r->hosts.all[0].name) : !r->batch;
}

void overdue_begin(struct overdue *o, const struct request *r, const struct mpi *m, long long now)
{
    o->request = r;
    o->mpi = m;
    o->sees_all = r->tag || r->survives || has_rank_here(r);
    overdue_again(o, now);
    o->look = now + LOOK_MS;
}

void overdue_again(struct overdue *o, long long now)
{
    o->tell_at = now + OVERDUE_S * 1000LL;
}

void overdue_end(struct overdue *o)
{
    o->look = 0;
}

int overdue_is_over(const struct overdue *o)
{
    return o->look == 0;
}

int overdue_wait(const struct overdue *o, long long now)
{
    if (o->look == 0)
        return -1;
    return o->look > now ? (int)(o->look - now) : 0;
}

void overdue_look(struct overdue *o, pid_t mpirun, long long now)
{
    struct below b;

    if (o->look == 0 || now < o->look)
        return;
    b = look_below(o, mpirun);
    o->look = now + LOOK_MS;
    if (!b.rank && now < o->tell_at)
        return;
    if (!b.rank && (o->sees_all || (b.ssh && o->mpi->kind == OPEN_MPI)))
        tell(o, &b);
    overdue_end(o);
}
