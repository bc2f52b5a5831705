/* load.c: finds and starts an MPI; see mpi.h. */
#include "config.h"
#include "mpi/mpi.h"
#include "error.h"
#include "module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        return kith__fail(KITH_EPEER, "the module kith-%s.so is that of kith %s, but this is %s: set KITH_MODULES to the directory of its "
                          "own modules", module, mpi ? mpi->kith : "another version", KITH_VERSION);
    *out = mpi;
    return 0;
}

int kith__mpi_start(const char *name, int *argc, char ***argv, int one_host, const struct kith__mpi **out)
{
    static const char ucx[] = "UCX_HANDLE_ERRORS";
    int silent = !getenv(ucx), rc;

    /* UCX, which MPIs load, would print a crash in its own words; it looks at this when it is loaded. */
    if (silent)
        setenv(ucx, "none", 1);
    rc = kith__mpi_load(name, out);
    if (rc == 0 && (*out)->init(argc, argv, one_host) != 0)
        rc = kith__fail(KITH_EPEER, "%s cannot be initialised here", (*out)->title);
    if (silent)
        unsetenv(ucx);
    return rc;
}
