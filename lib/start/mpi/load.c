/* load.c: finds and starts an MPI; see load.h. */
#include "config.h"
#include "start/mpi/load.h"
#include "start/environment.h"
#include "base/error.h"
#include "base/module.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int kith__mpi_load(const char *name, const struct kith__mpi **out)
{
    char module[32];
    const struct kith__mpi *mpi;
    void *handle;

    snprintf(module, sizeof module, "mpi-%s", name);
    handle = kith__module(module);
    if (!handle)
        return KITH_EPEER;
    mpi = dlsym(handle, KITH__MPI_TABLE);
    if (!mpi || strcmp(mpi->kith, KITH_VERSION) != 0)
        return kith__fail(KITH_EPEER,
                          "the module kith-%s.so belongs to kith %s, but this is %s: set KITH_MODULES to the "
                          "directory of its "
                          "own modules",
                          module, mpi ? mpi->kith : "another version", KITH_VERSION);
    *out = mpi;
    return 0;
}

/* UCX, which MPIs use, would print a crash in its own words. Where the program is linked with it it has its
 * handlers already, and takes them back when asked; else it looks at a variable when it is loaded. */
static int silence_ucx(const char *variable)
{
    void *symbol = dlsym(RTLD_DEFAULT, "ucs_debug_disable_signals");
    void (*disable)(void);

    if (getenv(variable))
        return 0;
    if (symbol) {
        memcpy(&disable, &symbol, sizeof disable);
        disable();
        return 0;
    }
    return setenv(variable, "none", 1) == 0;
}

/* For a second program in this rank, which cannot start MPI again: without the file it would hear so in Open
 * MPI's words. */
static void mark_used(void)
{
    char path[PATH_MAX];
    int fd;

    if (kith__used_mark(path, sizeof path) < 0)
        return;
    if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) >= 0)
        close(fd);
}

int kith__mpi_start(const char *name, int *argc, char ***argv, int one_host, const struct kith__mpi **out)
{
    static const char ucx[] = "UCX_HANDLE_ERRORS";
    int set = silence_ucx(ucx), rc;

    rc = kith__mpi_load(name, out);
    if (rc == 0 && strcmp(name, "openmpi") == 0 && !(*out)->is_up())
        mark_used();
    if (rc == 0 && (*out)->init(argc, argv, one_host) != 0)
        rc = kith__fail(KITH_EPEER, "%s cannot be initialised here", (*out)->title);
    if (set)
        unsetenv(ucx);
    return rc;
}
