/* threads.c: see threads.h. */
#include "config.h"
#include "base/threads.h"
#include "base/error.h"
#include "base/log.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAUSE_HARD = 2 }; /* omp_pause_hard of OpenMP 5.0 */

/* ThreadSanitizer has a thread of its own, which it starts anew behind a fork. */
extern void tsan_init(void) __asm__("__tsan_init") __attribute__((weak));

int kith__thread_count(void)
{
    struct stat st;
    int count = stat("/proc/self/task", &st) == 0 ? (int)st.st_nlink - 2 - (tsan_init != NULL) : 1;

    return count > 1 ? count : 1;
}

struct runtime {
    int skip; /* so many before it */
    char path[PATH_MAX];
};

/* GCC's, LLVM's, Intel's. The name may carry a hash, as in Python's wheels. */
static int find_openmp(struct dl_phdr_info *info, size_t size, void *runtime)
{
    static const char *const names[] = { "libgomp", "libomp", "libiomp" };
    const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
    struct runtime *r = runtime;

    (void)size;
    for (size_t i = 0; slash && i < sizeof names / sizeof names[0]; i++)
        if (strncmp(slash + 1, names[i], strlen(names[i])) == 0 && r->skip-- == 0) {
            snprintf(r->path, sizeof r->path, "%s", info->dlpi_name);
            return 1;
        }
    return 0;
}

/* Calls its function of that name: what it returns, or missing. */
static int call(void *library, const char *name, int arg, int missing)
{
    int (*fn)(int) = NULL;
    void *p = dlsym(library, name);

    memcpy(&fn, &p, sizeof p);
    return fn ? fn(arg) : missing;
}

/* Ends the threads of libgomp only: LLVM's and Intel's runtimes have a handler of fork that forgets them,
 * which fails by an assertion if they were ended before. */
static int pause_runtime(const char *path)
{
    void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    int failed;

    if (!library)
        return 0;
    failed = call(library, "omp_in_parallel", 0, 0);
    if (!failed && strstr(path, "libgomp"))
        failed = call(library, "omp_pause_resource_all", PAUSE_HARD, -1);
    if (failed < 0)
        kith__log(KITH_LOG_WARNING,
                  "OpenMP may have started threads before kith_init, and this old %s cannot end them: "
                  "tasks that use OpenMP would hang; use it after kith_init only",
                  path);
    dlclose(library);
    return failed > 0;
}

int kith__openmp_pause(void)
{
    struct runtime r;

    if (kith__thread_count() == 1)
        return 0;
    for (int i = 0; r.skip = i, dl_iterate_phdr(find_openmp, &r); i++)
        if (pause_runtime(r.path))
            return kith__fail(
                KITH_EINVAL,
                "kith_init was called in a parallel region of OpenMP: call it before the first one");
    return 0;
}

void kith__openmp_forget(pid_t pid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/dev/shm/__KMP_REGISTERED_LIB_%d_%d", (int)pid, (int)getuid());
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == getuid())
        unlink(path);
}

void kith__leave(int status)
{
    kith__openmp_forget(getpid());
    _exit(status);
}
