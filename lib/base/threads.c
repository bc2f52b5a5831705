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

enum { PAUSE_HARD = 2 }; /* omp_pause_hard of OpenMP 5.0 */

/* ThreadSanitizer has a thread of its own, which it starts anew behind a fork. */
extern void tsan_init(void) __asm__("__tsan_init") __attribute__((weak));

int kith__thread_count(void)
{
    struct stat st;
    int count = stat("/proc/self/task", &st) == 0 ? (int)st.st_nlink - 2 - (tsan_init != NULL) : 1;

    return count > 1 ? count : 1;
}

/* Its name may carry a hash, as in Python's wheels. */
static int find_libgomp(struct dl_phdr_info *info, size_t size, void *path)
{
    const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;

    (void)size;
    if (!slash || strncmp(slash + 1, "libgomp", 7) != 0)
        return 0;
    snprintf(path, PATH_MAX, "%s", info->dlpi_name);
    return 1;
}

/* libgomp only: LLVM's and Intel's runtimes have a handler of fork that forgets their threads. */
int kith__openmp_pause(void)
{
    char path[PATH_MAX] = "";
    int (*pause_all)(int) = NULL;
    int failed = 0;
    void *library, *p;

    if (kith__thread_count() == 1 || !dl_iterate_phdr(find_libgomp, path) ||
        !(library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD)))
        return 0;
    p = dlsym(library, "omp_pause_resource_all");
    memcpy(&pause_all, &p, sizeof p);
    if (pause_all)
        failed = pause_all(PAUSE_HARD);
    else
        kith__log(KITH_LOG_WARNING,
                  "OpenMP may have started threads before kith_init, and this old %s cannot end them: "
                  "tasks that use OpenMP would hang; use it after kith_init only",
                  path);
    dlclose(library);
    if (failed)
        return kith__fail(
            KITH_EINVAL, "kith_init was called in a parallel region of OpenMP: call it before the first one");
    return 0;
}
