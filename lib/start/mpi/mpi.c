/* mpi.c: the one file that calls MPI. See mpi.h. */
#include "config.h"
#include "start/mpi/mpi.h"
#include "kith.h"

#include <mpi.h>

#include <dlfcn.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_up(void)
{
    int begun = 0, over = 0;

    MPI_Initialized(&begun);
    MPI_Finalized(&over);
    return begun && !over;
}

/* The first words: up to the end of the line or a comma, one blank between two. */
static int version(char *text, size_t room)
{
    char all[MPI_MAX_LIBRARY_VERSION_STRING];
    size_t used = 0;
    int length = 0;

    if (MPI_Get_library_version(all, &length) != MPI_SUCCESS || room == 0)
        return -1;
    for (const char *p = all; *p && *p != ',' && *p != '\n' && used + 1 < room; p++) {
        int blank = *p == ' ' || *p == '\t';

        if (!blank || (used > 0 && text[used - 1] != ' '))
            text[used++] = (char)(blank ? ' ' : *p);
    }
    text[used] = '\0';
    return 0;
}

static void where(int *rank, int *size)
{
    MPI_Comm_rank(MPI_COMM_WORLD, rank);
    MPI_Comm_size(MPI_COMM_WORLD, size);
}

/* Collectives of MPI that wait poll all the time, and take the CPU of those they wait for where ranks share
 * CPUs: so these do not wait, and who asks them naps. */
static int await(MPI_Request *request)
{
    enum { LOOKS = 1000, NAP_US = 200 };
    int is_done = 0;

    for (int i = 0; !is_done; i++) {
        if (MPI_Test(request, &is_done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return -1;
        if (!is_done && i >= LOOKS)
            usleep(NAP_US);
    }
    return 0;
}

static int bcast(void *data, size_t size)
{
    MPI_Request request;

    if (size > INT_MAX || MPI_Ibcast(data, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD, &request) != MPI_SUCCESS)
        return -1;
    return await(&request);
}

/* In two steps, so that each connection is opened by one of its ends: to rank 0, and then away from it. In an
 * allgather two ranks may connect to each other at the same moment, of which Open MPI 4 closes one again. */
static int allgather(const void *mine, void *all, size_t each)
{
    MPI_Request request;
    int rank, size;

    where(&rank, &size);
    if (each > INT_MAX || each * (size_t)size > INT_MAX ||
        MPI_Igather(mine, (int)each, MPI_BYTE, all, (int)each, MPI_BYTE, 0, MPI_COMM_WORLD, &request) !=
            MPI_SUCCESS ||
        await(&request) != 0)
        return -1;
    return bcast(all, each * (size_t)size);
}

static int finalize(void)
{
    return is_up() ? MPI_Finalize() != MPI_SUCCESS : 0;
}

#ifdef OPEN_MPI

static const char title[] = "Open MPI";

/* 1: a parameter of that name is set in a file of parameters to something else than a list of what not to
 * take. */
static int is_set_in(const char *path, const char *name)
{
    FILE *f = fopen(path, "re");
    size_t length = strlen(name);
    char line[1024];
    int set = 0;

    while (f && fgets(line, sizeof line, f)) {
        char *p = line + strspn(line, " \t");

        if (strncmp(p, name, length) != 0)
            continue;
        p += length + strspn(p + length, " \t");
        if (*p == '=') {
            p += 1 + strspn(p + 1, " \t");
            set = *p != '^' && *p != '\n' && *p != '\0';
        }
    }
    if (f)
        fclose(f);
    return set;
}

static const char *library_path(void)
{
    int (*inside)(int *, char ***) = MPI_Init;
    const void *address;
    Dl_info info;

    memcpy(&address, &inside, sizeof address);
    return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "";
}

/* The files that Open MPI reads: the user's, and the administrator's. Where the latter is depends on how it
 * was built: next to the library, or in /etc. */
static int is_set_in_files(const char *name)
{
    const char *home = getenv("HOME"), *named = getenv("OMPI_MCA_mca_base_param_files");
    const char *library = library_path();
    char path[PATH_MAX];

    if (named)
        return 1; /* who has files of his own is to have his way */
    snprintf(path, sizeof path, "%s/.openmpi/mca-params.conf", home ? home : "");
    if (is_set_in(path, name) || is_set_in("/etc/openmpi/openmpi-mca-params.conf", name))
        return 1;
    for (size_t length = strlen(library); length > 0; length--) {
        if (library[length] != '/')
            continue;
        snprintf(path, sizeof path, "%.*s/etc/openmpi-mca-params.conf", (int)length, library);
        if (is_set_in(path, name))
            return 1;
    }
    return 0;
}

/* How messages travel was chosen by somebody. */
static int is_transport_chosen(void)
{
    static const char *const names[] = { "pml", "btl", "mtl" };
    char variable[32];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(variable, sizeof variable, "OMPI_MCA_%s", names[i]);
        if (getenv(variable) || is_set_in_files(names[i]))
            return 1;
    }
    return 0;
}

/* Its components are linked with nothing: they find the library because all may see it. */
static void show_library(void)
{
    const char *path = library_path();

    if (path[0])
        dlopen(path, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
}

/* A function of the PMIx that Open MPI has loaded. NULL: it has one of its own inside. */
static void *find_in_pmix(const char *name)
{
    void *pmix = dlopen("libpmix.so.2", RTLD_NOW | RTLD_NOLOAD);

    return dlsym(pmix ? pmix : RTLD_DEFAULT, name);
}

/* Of PMIx, whose headers need not be here: a value, and an option of a call. */
struct pmix_value {
    uint16_t type;
    union {
        _Bool flag;
        uint64_t room[8];
    } data;
};
struct pmix_option {
    char key[512];
    uint32_t flags;
    struct pmix_value value;
};

/* The barrier at the end of MPI_Init is none between the nodes of a Slurm whose PMIx ends a fence without
 * data on each node by itself, as 22.05 does; and Open MPI crashes by a message that comes before it is
 * ready. A fence with data is one. Where there is none, all is as before. */
static void await_others(void)
{
    enum { IS_BOOL = 1, GLOBAL = 3 };
    struct pmix_option collect = { .key = "pmix.collect", .value = { IS_BOOL, { .flag = 1 } } };
    int (*put)(uint8_t scope, const char *key, struct pmix_value *value);
    int (*commit)(void);
    int (*fence)(const void *procs, size_t count, const struct pmix_option *options, size_t n);
    void *put_symbol = find_in_pmix("PMIx_Put"), *commit_symbol = find_in_pmix("PMIx_Commit"),
         *fence_symbol = find_in_pmix("PMIx_Fence");

    if (!put_symbol || !commit_symbol || !fence_symbol || !getenv("SLURM_STEP_ID") ||
        getenv("OMPI_COMM_WORLD_SIZE"))
        return;
    memcpy(&put, &put_symbol, sizeof put);
    memcpy(&commit, &commit_symbol, sizeof commit);
    memcpy(&fence, &fence_symbol, sizeof fence);
    if (put(GLOBAL, "kith.here", &collect.value) == 0 && commit() == 0)
        fence(NULL, 0, &collect, 1);
}

static int init(int *argc, char ***argv, int one_host)
{
    int quick = one_host && !is_transport_chosen(), provided, rc;
    int silent = !getenv("OMPI_MCA_opal_signal");

    if (is_up())
        return 0;
    show_library();
    /* Looking for fabrics takes 200 ms. ob1 is what a single host ends with. */
    if (quick)
        setenv("OMPI_MCA_pml", "ob1", 1);
    /* Crashes are reported by kith, in the words of the program. */
    if (silent)
        setenv("OMPI_MCA_opal_signal", "", 1);
    rc = MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided);
    if (quick)
        unsetenv("OMPI_MCA_pml");
    if (silent)
        unsetenv("OMPI_MCA_opal_signal");
    if (rc == MPI_SUCCESS)
        await_others();
    return rc != MPI_SUCCESS;
}

/* MPI_Abort says five lines. What it calls to tell the launcher says nothing, and mpirun does not either. */
static void end_all(int status)
{
    void *symbol = find_in_pmix("PMIx_Abort");
    int (*pmix_abort)(int, const char *, void *, size_t);
    int (*mpi_abort)(MPI_Comm, int);

    if (symbol) {
        memcpy(&pmix_abort, &symbol, sizeof pmix_abort);
        if (pmix_abort(status, NULL, NULL, 0) == 0)
            return;
    }
    symbol = dlsym(RTLD_DEFAULT, "ompi_mpi_abort");
    if (symbol) {
        memcpy(&mpi_abort, &symbol, sizeof mpi_abort);
        mpi_abort(MPI_COMM_WORLD, status);
    }
    MPI_Abort(MPI_COMM_WORLD, status);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type == FTW_DP || type == FTW_DNR)
        rmdir(path);
    else
        unlink(path);
    return 0;
}

/* The directory of this one mpirun: only what is called as Open MPI calls it. */
static void remove_session(void)
{
    const char *session = getenv("OMPI_MCA_orte_jobfam_session_dir"),
               *name = session ? strrchr(session, '/') : NULL;
    char top[PATH_MAX];

    if (!name || session[0] != '/' || strncmp(name, "/pid.", 5) != 0 || !strstr(session, "/ompi."))
        return;
    nftw(session, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if ((size_t)(name - session) < sizeof top) {
        snprintf(top, sizeof top, "%.*s", (int)(name - session), session);
        rmdir(top); /* when it was the last of this user's */
    }
}

/* The memory that ranks of a node share: each of them has mapped all of it. */
static void remove_segments(void)
{
    static const char *const prefixes[] = { "/dev/shm/vader_segment.", "/dev/shm/sm_segment." };
    FILE *f = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 128];

    while (f && fgets(line, sizeof line, f)) {
        char *path = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; path && i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
                unlink(path);
    }
    if (f)
        fclose(f);
}

static void tidy(void)
{
    remove_segments();
    remove_session();
}

#else

static const char title[] = "MPICH";

static void tidy(void)
{
    /* It has no files. */
}

static int init(int *argc, char ***argv, int one_host)
{
    int provided;

    (void)one_host;
    return !is_up() && MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS;
}

/* MPI_Abort says a line, and then sends this to the launcher. */
static void end_all(int status)
{
    const char *fd = getenv("PMI_FD");
    char text[48];
    int length = snprintf(text, sizeof text, "cmd=abort exitcode=%d\n", status);

    if (fd && !getenv("SLURM_STEP_ID") && write(atoi(fd), text, (size_t)length) == length)
        return;
    MPI_Abort(MPI_COMM_WORLD, status);
}

#endif

extern KITH_API const struct kith__mpi kith__mpi_table;

const struct kith__mpi kith__mpi_table = { .kith = KITH_VERSION,
                                           .title = title,
                                           .mpirun = KITH_MPIRUN,
                                           .version = version,
                                           .init = init,
                                           .is_up = is_up,
                                           .where = where,
                                           .allgather = allgather,
                                           .bcast = bcast,
                                           .finalize = finalize,
                                           .end_all = end_all,
                                           .tidy = tidy };
