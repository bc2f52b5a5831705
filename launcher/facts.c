/* facts.c: see facts.h. Called by survey.c. */
#include "config.h"
#include "facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was said */

static void add_word(char *list, size_t room, const char *word)
{
    size_t used = strlen(list);

    snprintf(list + used, room - used, "%s%s", used ? " " : "", word);
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

/* The lines of mpirun --version come one by one. */
static void read_mpi(struct facts *f, const char *text, char all[256])
{
    size_t used = strlen(all);

    snprintf(all + used, 256 - used, "%s\n", text);
    if (f->mpi.version[0] == '\0' && mpi_read_version(&f->mpi, all) < 0)
        f->mpi.version[0] = '\0';
}

/* "BYTES DIRECTORY" */
static void read_tmp(struct facts *f, const char *text)
{
    const char *name = strchr(text, ' ');

    f->tmp_room = number(text);
    snprintf(f->tmp, sizeof f->tmp, "%s", name ? name + 1 : "?");
}

static void read_line(struct facts *f, const char *key, const char *value, char mpi[256])
{
    if (strcmp(key, "clock") == 0)
        f->clock = strtod(value, NULL);
    else if (strcmp(key, "directory") == 0)
        f->has_directory = 1;
    else if (strcmp(key, "eaten") == 0)
        f->is_eaten = 1;
    else if (strcmp(key, "kith") == 0)
        snprintf(f->kith, sizeof f->kith, "%s", value);
    else if (strcmp(key, "mpi") == 0)
        read_mpi(f, value, mpi);
    else if (strcmp(key, "daemon") == 0)
        f->has_daemon = 1;
    else if (strcmp(key, "program") == 0)
        snprintf(f->program, sizeof f->program, "%s", value);
    else if (strcmp(key, "locked") == 0)
        f->is_locked = 1;
    else if (strcmp(key, "missing") == 0 && !*f->missing)
        snprintf(f->missing, sizeof f->missing, "%s", value);
    else if (strcmp(key, "cpus") == 0)
        f->cpus = atoi(value);
    else if (strcmp(key, "memory") == 0)
        f->memory = number(value);
    else if (strcmp(key, "processes") == 0)
        f->processes = number(value);
    else if (strcmp(key, "files") == 0)
        f->files = number(value);
    else if (strcmp(key, "space") == 0)
        f->space = number(value);
    else if (strcmp(key, "tmp") == 0)
        read_tmp(f, value);
    else if (strcmp(key, "shm") == 0)
        f->shm_room = number(value);
    else if (strcmp(key, "address") == 0)
        add_word(f->addresses, sizeof f->addresses, value);
    else if (strcmp(key, "port") == 0)
        f->port = (unsigned)number(value);
    else if (strcmp(key, "token") == 0)
        snprintf(f->token, sizeof f->token, "%s", value);
    else if (strcmp(key, "ready") == 0)
        f->has_peer = 1;
}

void facts_read(struct facts *f, const char *said)
{
    char line[512], mpi[256] = "";

    for (const char *at = said; *at;) {
        size_t n = strcspn(at, "\n"), key;

        snprintf(line, sizeof line, "%.*s", (int)n, at);
        at += n + (at[n] == '\n');
        key = strcspn(line, " ");
        if (line[key] == ' ')
            line[key++] = '\0';
        read_line(f, line, line + key, mpi);
    }
}

/* ---- what of it is wrong: 1, and the cure */

static int says(char *text, const char *word, int red)
{
    snprintf(text, FACTS_CELL, "%s", word);
    return red;
}

static int login(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    snprintf(cure, FACTS_CURE, "%s", f->trouble);
    return says(text, *f->trouble ? "no" : v->is_here ? "here" : "ok", *f->trouble != '\0');
}

static int kith(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    if (*f->kith == '\0') {
        snprintf(cure, FACTS_CURE,
                 "kith is neither in PATH there nor at %s: install kith %s under the same path", v->kith,
                 v->version);
        return says(text, "none", 1);
    }
    snprintf(cure, FACTS_CURE, "it is kith %s, and this one is %s: install the same under the same path",
             f->kith, v->version);
    return says(text, f->kith, strcmp(f->kith, v->version) != 0);
}

static int mpi(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    static const char *const names[] = { "Open MPI", "MPICH" };
    const struct mpi *own = &v->here->mpi;

    if (*f->mpi.version == '\0') {
        snprintf(cure, FACTS_CURE, "there is no %s%s: install %s %s under the same path", v->mpirun,
                 strchr(v->mpirun, '/') ? "" : " in the PATH that ssh gives", names[own->kind],
                 *own->version ? own->version : "or MPICH");
        return says(text, "none", 1);
    }
    snprintf(text, FACTS_CELL, "%s %s", names[f->mpi.kind], f->mpi.version);
    if (f->mpi.kind != own->kind || strcmp(f->mpi.version, own->version) != 0) {
        snprintf(cure, FACTS_CURE, "here it is %s %s: install the same MPI on all hosts", names[own->kind],
                 own->version);
        return *own->version != '\0';
    }
    if (strchr(v->daemon, '/'))
        snprintf(cure, FACTS_CURE, "%s is not there, which mpirun starts: install the same MPI", v->daemon);
    else
        snprintf(
            cure, FACTS_CURE,
            "%s, which mpirun starts there, is not in the PATH that ssh gives: install it, or set PATH in "
            "~/.bashrc before what is for terminals only",
            v->daemon);
    return !f->has_daemon;
}

static int program(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    if (*v->program == '\0')
        return says(text, "", 0);
    if (f->is_locked) {
        snprintf(cure, FACTS_CURE, "%s is not executable there: chmod +x", v->program);
        return says(text, "locked", 1);
    }
    if (*f->program == '\0') {
        snprintf(cure, FACTS_CURE,
                 "%s is not there: copy it (scp), or keep it in a directory that all hosts share",
                 v->program);
        return says(text, "none", 1);
    }
    if (strcmp(f->program, v->here->program) != 0) {
        snprintf(cure, FACTS_CURE, "%s is another file than here: copy it again", v->program);
        return says(text, "differs", 1);
    }
    snprintf(cure, FACTS_CURE,
             "%s is not found there: install it under the same path, or set LD_LIBRARY_PATH in ~/.bashrc",
             f->missing);
    return says(text, *f->missing ? "no library" : "same", *f->missing != '\0');
}

static int directory(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    snprintf(cure, FACTS_CURE,
             "%s is not there, and ranks start in the home directory instead: create it, or share it by NFS",
             v->directory);
    return says(text, f->has_directory ? "same" : "none", !f->has_directory);
}

/* How much it is ahead, as far as that is sure: the answer came after the question. */
static double ahead(const struct facts *f)
{
    if (f->clock > f->clock_to)
        return f->clock - f->clock_to;
    return f->clock < f->clock_from ? f->clock - f->clock_from : 0;
}

static int clocks(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    double s = ahead(f);
    int red = s > 1 || s < -1;

    (void)v;
    snprintf(text, FACTS_CELL, red ? "%+.0f s" : "same", s);
    snprintf(cure, FACTS_CURE, "its clock is %s by %.0f s: start a time service (chrony, systemd-timesyncd)",
             s > 0 ? "fast" : "slow", s > 0 ? s : -s);
    return red;
}

static int network(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    if (!f->has_peer)
        return says(text, "?", 0);
    if (*f->addresses == '\0' && v->hosts > 1) {
        snprintf(cure, FACTS_CURE,
                 "it has no address but those of bridges and containers: name the right network in KITH_NET");
        return says(text, "none", 1);
    }
    snprintf(
        cure, FACTS_CURE,
        "%.300s: open the firewall between them (KITH_PORTS narrows the ports), or name another network in "
        "KITH_NET",
        f->unreached);
    if (*f->unreached)
        return says(text, "cut", 1);
    snprintf(text, FACTS_CELL, "%s", *f->reached ? f->reached : "-");
    return 0;
}

static int cpus(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    (void)v;
    *cure = '\0';
    snprintf(text, FACTS_CELL, f->has_peer ? "%d" : "?", f->cpus);
    return 0;
}

static const double mib = 1 << 20;

static void says_size(char *text, uint64_t size)
{
    static const double gib = 1 << 30;
    double s = (double)size;

    snprintf(text, FACTS_CELL, s < gib ? "%.0f MiB" : "%.1f GiB", s < gib ? s / mib : s / gib);
}

static int memory(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    static const uint64_t least = UINT64_C(256) << 20, least_space = UINT64_C(512) << 20; /* with libraries */

    (void)v;
    if (!f->has_peer)
        return says(text, "?", 0);
    if (f->space < least_space) {
        snprintf(cure, FACTS_CURE, "ulimit -v leaves %.0f MiB of addresses: raise it (ulimit -v unlimited)",
                 (double)f->space / mib);
        return says(text, "limited", 1);
    }
    says_size(text, f->memory);
    snprintf(cure, FACTS_CURE,
             "little memory is free: end what uses it, or raise the limit of the container");
    return f->memory < least;
}

/* MPI keeps files of some MiB in the directory for temporary files; where several ranks are on one host, each
 * has 4 MiB in /dev/shm. */
static int tmp(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    static const uint64_t least = UINT64_C(16) << 20, of_rank = UINT64_C(4) << 20;

    if (!f->has_peer)
        return says(text, "?", 0);
    says_size(text, f->tmp_room);
    if (f->tmp_room < least) {
        snprintf(
            cure, FACTS_CURE,
            "MPI must write to %s there and may not, or it is full: remove what nobody needs, or let TMPDIR "
            "name another directory",
            f->tmp);
        return 1;
    }
    snprintf(
        cure, FACTS_CURE,
        "/dev/shm has %.0f MiB left, and MPI takes 4 for each of %ld ranks: remove what is left in it, or "
        "give the container more (--shm-size)",
        (double)f->shm_room / mib, v->slots);
    return v->slots > 1 && f->shm_room < (uint64_t)v->slots * of_rank ? says(text, "shm full", 1) : 0;
}

/* A number that has to be so large. */
static int count(uint64_t has, uint64_t needs, char *text)
{
    if (has == UINT64_MAX)
        return says(text, "no limit", 0);
    snprintf(text, FACTS_CELL, "%llu", (unsigned long long)has);
    return has < needs;
}

/* A worker or rank for each slot; the fork server, its watchdog, the agent, the threads of MPI, a shell. */
static int processes(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    uint64_t needs = (uint64_t)(v->slots > f->cpus ? v->slots : f->cpus) + 30;

    if (!f->has_peer)
        return says(text, "?", 0);
    snprintf(cure, FACTS_CURE,
             "a job needs some %llu processes and threads there: raise ulimit -u, in "
             "/etc/security/limits.conf, or the pids.max of the container",
             (unsigned long long)needs);
    return count(f->processes, needs, text);
}

/* As in docs/troubleshooting.md: 24 on one machine, and nine for each other node. */
static int files(const struct facts *f, const struct facts_view *v, char *text, char *cure)
{
    uint64_t needs = 24 + 9 * (uint64_t)(v->hosts > 1 ? v->hosts - 1 : 0) + (v->hosts > 1 ? 64 : 0);

    if (!f->has_peer)
        return says(text, "?", 0);
    snprintf(cure, FACTS_CURE,
             "a job needs some %llu open files there: raise ulimit -n, in /etc/security/limits.conf",
             (unsigned long long)needs);
    return count(f->files, needs, text);
}

const struct facts_column facts_columns[] = {
    { "LOGIN", login },     { "KITH", kith },           { "MPI", mpi },
    { "PROGRAM", program }, { "DIRECTORY", directory }, { "CLOCK", clocks },
    { "NETWORK", network }, { "CPUS", cpus },           { "MEMORY", memory },
    { "TMP", tmp },         { "PROCESSES", processes }, { "FILES", files },
    { NULL, NULL }
};
