/* rerun.c: a program of which every rank runs main, started by hand, starts itself again under mpirun. See
 * rerun.h.
 *
 * A mark in the environment tells the second time from the first: without it, an mpirun that the program
 * does not understand would start N programs, each of which starts N more.
 */
#include "config.h"
#include "start/rerun.h"
#include "base/env.h"
#include "base/container.h"
#include "base/error.h"
#include "base/log.h"
#include "start/mpi/load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char mark[] = KITH__RERUN;

/* The first of the names that is in PATH, or is a path of a program. */
static int find(const char *const *names, char path[PATH_MAX])
{
    const char *directories = getenv("PATH");

    for (; *names; names++) {
        if (strchr(*names, '/') && snprintf(path, PATH_MAX, "%s", *names) < PATH_MAX &&
            access(path, X_OK) == 0)
            return 1;
        for (const char *d = directories; d && !strchr(*names, '/') && **names; d = *d ? d + 1 : NULL) {
            size_t length = strcspn(d, ":");

            if (snprintf(path, PATH_MAX, "%.*s/%s", (int)length, length ? d : ".", *names) < PATH_MAX &&
                access(path, X_OK) == 0)
                return 1;
            d += length;
        }
    }
    return 0;
}

static int find_mpirun(const char *mpi, const char *built_with, char path[PATH_MAX])
{
    const char *const openmpi[] = { built_with, "mpirun.openmpi", "orterun", "mpirun", "mpiexec", NULL };
    const char *const mpich[] = { built_with, "mpiexec.mpich", "mpiexec.hydra", "mpiexec", "mpirun", NULL };

    return find(strcmp(mpi, "openmpi") == 0 ? openmpi : mpich, path);
}

/* mpirun of Open MPI does nothing for root unless it is told twice. In a container root is the usual user. */
static int allow_root(void)
{
    static const char *const names[] = { "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM" };

    if (geteuid() != 0 || (getenv(names[0]) && getenv(names[1])))
        return 0;
    if (!kith__container())
        return kith__fail(KITH_EPEER,
                          "mpirun of Open MPI does not start programs for root: run this as another user, or "
                          "set %s=1 and %s=1",
                          names[0], names[1]);
    setenv(names[0], "1", 1);
    setenv(names[1], "1", 1);
    return 0;
}

/* The program as it was called, so that debuggers show the same name; else the file itself. */
static const char *program(const char *called, char path[PATH_MAX])
{
    ssize_t n;

    if (strchr(called, '/') && access(called, X_OK) == 0)
        return called;
    n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    return n > 0 ? path : called;
}

/* The arguments of this program, when main did not pass them on. */
static char **read_arguments(void)
{
    size_t room = 1 << 22, count = 0, n = 0;
    char *text = malloc(room), **out = NULL;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    while (text && fd >= 0 && n < room - 1 && (got = read(fd, text + n, room - 1 - n)) > 0)
        n += (size_t)got;
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; i < n; i++)
        count += text[i] == '\0';
    if (count > 0)
        out = calloc(count + 1, sizeof *out);
    for (size_t i = 0, at = 0; out && i < count; i++, at += strlen(text + at) + 1)
        out[i] = text + at;
    if (!out)
        free(text);
    return out;
}

/* It counts cores, where we count CPUs, and its binding knows nothing of our mask. By variables and not by
 * options, because what is called mpirun may be another MPI's: that one is to start the program, which then
 * says what is wrong. */
static void set_openmpi(void)
{
    static const char *const names[][2] = { { "OMPI_MCA_rmaps_base_oversubscribe", "1" },
                                            { "OMPI_MCA_hwloc_base_binding_policy", "none" },
                                            { "PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe" },
                                            { "PRTE_MCA_hwloc_default_binding_policy", "none" } };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        setenv(names[i][0], names[i][1], 0);
}

static int run(const char *mpirun, int is_openmpi, int ranks, char **argv)
{
    static char n[] = "-n";
    char count[16], path[PATH_MAX], **args;
    size_t argc = 0, k = 0;
    int rc;

    if (is_openmpi && (rc = allow_root()) < 0)
        return rc;
    while (argv[argc])
        argc++;
    args = calloc(argc + 4, sizeof *args);
    if (!args)
        return kith__fail(KITH_ENOMEM, "no memory for %zu arguments", argc);
    snprintf(count, sizeof count, "%d", ranks);
    args[k++] = (char *)(uintptr_t)mpirun;
    args[k++] = n;
    args[k++] = count;
    args[k++] = (char *)(uintptr_t)program(argv[0], path);
    memcpy(args + k, argv + 1, (argc - 1) * sizeof *args);
    if (is_openmpi)
        set_openmpi();
    setenv(mark, mpirun, 1);
    kith__log(KITH_LOG_INFO, "starting again: %s -n %d %s", mpirun, ranks, args[3]);
    execv(mpirun, args);
    unsetenv(mark);
    free(args);
    return kith__fail_errno(KITH_EPEER, "cannot execute %s", mpirun);
}

int kith__rerun(char **argv, const struct kith__launch *launch)
{
    const char *first = getenv(mark);
    const struct kith__mpi *mpi;
    char mpirun[PATH_MAX];
    int rc;

    if (launch->kind == KITH__MPI)
        unsetenv(mark); /* what this rank starts may do the same */
    if (launch->kind == KITH__MPI || launch->within || kith__env_word(KITH__ENV_LAUNCH) == 0)
        return 0;
    if (!launch->mpi)
        return kith__fail(KITH_EPEER, "there is no MPI for this program: rebuild kith after apt install "
                                      "libopenmpi-dev openmpi-bin");
    if ((rc = kith__mpi_load(launch->mpi, &mpi)) < 0)
        return rc;
    if (first)
        return kith__fail(KITH_EPEER,
                          "the program started itself under %s and is still alone: it works with %s, whose "
                          "mpirun must come first in "
                          "PATH",
                          first, mpi->title);
    if (!find_mpirun(launch->mpi, mpi->mpirun, mpirun))
        return kith__fail(KITH_EPEER,
                          "there is no mpirun of %s to run this program on all CPUs: apt install %s, or "
                          "KITH_LAUNCH=none for one process",
                          mpi->title, strcmp(launch->mpi, "openmpi") == 0 ? "openmpi-bin" : "mpich");
    if (!argv && !(argv = read_arguments()))
        return kith__fail(KITH_ENOMEM, "the arguments of this program cannot be read");
    return run(mpirun, strcmp(launch->mpi, "openmpi") == 0, launch->workers, argv);
}
