/* joblog.c: see joblog.h. Called by worker.c, task.c and settle.c. */
#include "config.h"
#include "pool/joblog.h"
#include "pool/chunk.h"
#include "pool/row.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "member/members.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int kith__joblog_on;

static char file[PATH_MAX]; /* absolute: a task may change its directory */
static _Thread_local struct kith__joblog_claim *current;

static const char titles[] = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ---- the file */

/* Each node has its own: lines that several hosts append to a file of NFS overwrite each other. */
static void name_file(char path[PATH_MAX])
{
    if (kith__shared->node == 0)
        snprintf(path, PATH_MAX, "%s", file);
    else
        snprintf(path, PATH_MAX, "%.*s.%s", PATH_MAX - (int)sizeof kith__shared->host - 2, file,
                 kith__shared->host);
}

/* -1 and errno. */
static int append(const char *path, const char *text, size_t size)
{
    int fd, rc = 0, error;
    ssize_t n;

    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    while ((n = write(fd, text, size)) < 0 && errno == EINTR)
        ;
    if (n < 0)
        rc = -1;
    error = errno;
    close(fd);
    errno = error;
    return rc;
}

/* What is there stays: the program may be one of several of a script. */
static int begin_file(void)
{
    struct stat st;

    if (append(file, "", 0) == 0 && stat(file, &st) == 0 &&
        (st.st_size > 0 || append(file, titles, strlen(titles)) == 0))
        return 0;
    return kith__fail_errno(KITH_EINVAL, "KITH_JOBLOG: %s cannot be written", file);
}

int kith__joblog_read(int begins)
{
    const char *wish = kith__env(KITH__ENV_JOBLOG);
    char directory[PATH_MAX] = "";
    int n;

    kith__joblog_on = wish != NULL;
    if (!wish)
        return 0;
    if (*wish != '/' && !getcwd(directory, sizeof directory))
        return kith__fail_errno(KITH_EINVAL, "KITH_JOBLOG=%s: the current directory is not known", wish);
    n = snprintf(file, sizeof file, "%s%s%s", directory, *wish == '/' ? "" : "/", wish);
    if (n >= (int)sizeof file - (int)sizeof kith__shared->host - 1)
        return kith__fail(KITH_EINVAL, "KITH_JOBLOG=%s: the path is too long", wish);
    return begins ? begin_file() : 0;
}

/* ---- lines */

struct entry {
    const struct kith__job *job;
    uint64_t lo, length;
    int64_t began;
    uint32_t worker;
    int pid, code, signal;
};

/* The first and the last task of it: the units of a loop are blocks of them. */
static void elements(const struct entry *e, uint64_t *first, uint64_t *last)
{
    const struct kith__job *j = e->job;
    uint64_t lo = e->lo + j->named, unused;

    *first = lo;
    *last = lo + e->length - 1;
    if (j->order) { /* the dearest and the cheapest one of the claim, which may lie anywhere */
        *first = kith__job_element(j, e->lo);
        *last = kith__job_element(j, e->lo + e->length - 1);
        return;
    }
    if (kith__is_map(j->kind) || j->kind == KITH__JOB_ROW)
        return;
    kith__part(j->n, j->blocks, lo, first, &unused);
    kith__part(j->n, j->blocks, *last, &unused, last);
    --*last;
}

/* To find the name of a function takes 0.1 ms: the last one is kept, where no other thread looks for one. */
static void find_name(const struct kith__token *fn, char name[64])
{
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    static struct kith__token last;
    static char its_name[64];
    int alone = !atomic_flag_test_and_set(&busy);

    if (alone && its_name[0] != '\0' && memcmp(&last, fn, sizeof last) == 0) {
        memcpy(name, its_name, sizeof its_name);
    } else {
        kith__token_name(fn, name, sizeof its_name);
        if (alone) {
            last = *fn;
            memcpy(its_name, name, sizeof its_name);
        }
    }
    if (alone)
        atomic_flag_clear(&busy);
}

/* Its name, and the bytes of a task. Each item of a row may be another function. */
static void look_up(const struct entry *e, char name[64], uint64_t *in, uint64_t *out)
{
    const struct kith__job *j = e->job;

    if (j->kind == KITH__JOB_ROW) {
        const struct kith__callee *c = kith__at(kith__row_item(kith__job_row(j), e->lo)->callee);

        *in = c->in_size;
        *out = c->out_size;
        find_name(&c->fn, name);
    } else {
        *in = j->in_size;
        *out = j->out_size;
        find_name(&j->fn, name);
    }
}

static void put(const struct entry *e)
{
    static _Atomic int told;
    uint64_t first, last, in, out;
    char line[512], name[64], path[PATH_MAX];
    int n;

    elements(e, &first, &last);
    look_up(e, name, &in, &out);
    in *= e->length;
    out *= e->length;
    n = snprintf(line, sizeof line,
                 "%llu\t%s\t%.3f\t%.6f\t%llu\t%llu\t%d\t%d\t%s %llu-%llu worker %u pid %d\n",
                 (unsigned long long)(e->job->whole ? e->job->whole : e->job->seq), kith__shared->host,
                 (double)e->began / 1e9, (double)(now() - e->began) / 1e9, (unsigned long long)in,
                 (unsigned long long)out, e->code, e->signal, name, (unsigned long long)first,
                 (unsigned long long)last, e->worker + e->job->first_worker, e->pid);
    name_file(path);
    if (append(path, line, (size_t)n) < 0 && !atomic_exchange(&told, 1))
        kith__notice("KITH_JOBLOG: %s cannot be written any more: %s", path, strerror(errno));
}

/* ---- claims */

static uint32_t innermost(const struct kith__lane *lane)
{
    uint32_t depth = atomic_load_explicit(&lane->depth, memory_order_relaxed);

    return depth > 0 && depth <= KITH__DEPTH ? depth - 1 : 0; /* who runs tasks itself is in no job */
}

void kith__joblog_begin(struct kith__joblog_claim *c, struct kith__lane *lane)
{
    *c = (struct kith__joblog_claim){ .outer = current, .began = now() };
    atomic_store_explicit(&lane->began[innermost(lane)], c->began, memory_order_relaxed);
    current = c;
}

void kith__joblog_failed(int code)
{
    if (current)
        current->code = code;
}

int64_t kith__joblog_end(const struct kith__joblog_claim *c, const struct kith__job *j, uint32_t worker,
                         uint64_t lo, uint64_t length, int partly)
{
    uint64_t at = atomic_load_explicit(&j->cells[worker].at, memory_order_relaxed);
    int64_t begin = kith__now_ns();

    current = c->outer;
    if (partly && at >= lo && at < lo + length)
        length = at + 1 - lo;
    put(&(struct entry){ .job = j,
                         .lo = lo,
                         .length = length,
                         .began = c->began,
                         .worker = worker,
                         .pid = (int)getpid(),
                         .code = c->code });
    return kith__now_ns() - begin;
}

void kith__joblog_died(const struct kith__job *j, const struct kith__lane *lane, uint32_t worker,
                       uint32_t depth, uint64_t lo, uint64_t length)
{
    const struct kith__death *d = &lane->death;
    int code = WIFEXITED(d->status) ? WEXITSTATUS(d->status) : 0;

    put(&(struct entry){ .job = j,
                         .lo = lo,
                         .length = length,
                         .began = atomic_load_explicit(&lane->began[depth], memory_order_relaxed),
                         .worker = worker,
                         .pid = d->pid,
                         .code = d->over_limit ? -1 : code,
                         .signal = WIFSIGNALED(d->status) ? WTERMSIG(d->status) : 0 });
}
