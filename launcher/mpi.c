/* mpi.c: see mpi.h. */
#include "config.h"
#include "mpi.h"
#include "base/env.h"
#include "capture.h"
#include "log.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION_LIMIT_MS = 20000 }; /* the first start from a network file system may take its time */

/* By its full path mpirun finds its parts on the other hosts too, where PATH is another; but those of the
 * system are there anyway, perhaps at another place. */
static const char *name_of(const char *path)
{
    static const char *const system[] = { "/usr/bin/", "/usr/local/bin/", "/bin/" };
    const char *base = strrchr(path, '/') + 1;

    for (size_t i = 0; i < sizeof system / sizeof system[0]; i++)
        if (strlen(system[i]) == (size_t)(base - path) && strncmp(path, system[i], strlen(system[i])) == 0)
            return base;
    return path;
}

/* "mpirun (Open MPI) 4.1.4", or under any other name "mpirun.openmpi (OpenRTE) 4.1.4"; or "HYDRA build
 * details:" and a line "Version:  4.0.2". */
int mpi_read_version(struct mpi *m, const char *text)
{
    const char *at = strstr(text, "(Open MPI) ");

    if (!at)
        at = strstr(text, "(OpenRTE) ");
    m->kind = at ? OPEN_MPI : MPICH;
    if (at) {
        at = strchr(at, ')') + 2;
    } else {
        at = strstr(text, "HYDRA build details");
        at = at ? strstr(at, "Version:") : NULL;
        if (!at)
            return -1;
        at += strlen("Version:");
        at += strspn(at, " \t");
    }
    snprintf(m->version, sizeof m->version, "%.*s", (int)strcspn(at, " \t\r\n"), at);
    m->major = atoi(m->version);
    return 0;
}

static int ask_version(struct mpi *m)
{
    char option[] = "--version", text[4096];
    char *argv[] = { m->path, option, NULL };
    int status = capture(argv, 1, text, sizeof text, VERSION_LIMIT_MS);

    if (status == CAPTURE_LATE)
        log_line("%s: %s --version does not answer", m->path, m->path);
    else if (status != 0)
        log_line("%s: %s --version fails with status %d: repair it, or name another mpirun in KITH_MPIRUN",
                 m->path, m->path, status);
    else if (mpi_read_version(m, text) < 0)
        log_line(
            "%s: it is neither Open MPI's mpirun nor MPICH's mpiexec.hydra: name one of these in KITH_MPIRUN",
            m->path);
    else
        return 0;
    return -1;
}

int mpi_find(struct mpi *m)
{
    static const char *const usual[] = { "mpirun", "mpiexec", "mpirun.openmpi", "mpiexec.hydra" };
    const char *wish = kith__env(KITH__ENV_MPIRUN);
    int found = -1;

    memset(m, 0, sizeof *m);
    if (wish) {
        if (program_find(wish, m->path) < 0) {
            log_line("KITH_MPIRUN=%s: %s", wish,
                     errno == ENOENT ? "there is no such program" : "it cannot be executed");
            return -1;
        }
        m->name = strchr(wish, '/') ? m->path : name_of(m->path);
        return ask_version(m);
    }
    for (size_t i = 0; found < 0 && i < sizeof usual / sizeof usual[0]; i++)
        found = program_find(usual[i], m->path);
    if (found < 0) {
        log_line("mpirun: it is not installed, or not in PATH: apt install openmpi-bin, or name it in "
                 "KITH_MPIRUN");
        return -1;
    }
    m->name = name_of(m->path);
    return ask_version(m);
}
