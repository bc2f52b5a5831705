/* A program that loads its tasks, and after kith_init another build of them: reload OLD NEW [elsewhere]. See
 * tests/reload.sh. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <kith.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef int task(int);

static kith_pool pool;

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        puts(dlerror());
        exit(9);
    }
    return library;
}

static void *place(void *library)
{
    struct link_map *map;

    return dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 ? (void *)map->l_addr : NULL;
}

static void map_one(const char *what, task *fn)
{
    int x = 10, y = 0, rc = kith_map(pool, fn, &x, &y, 1);

    if (rc == 0)
        printf("%s: %d\n", what, y);
    else
        printf("%s: %s\n", what,
               rc == KITH_EFUNC &&
                       strstr(kith_last_error(), "tasks.so is not the one that was loaded at kith_init")
                   ? "refused"
                   : kith_last_error());
}

static void map_both(void *library)
{
    task *exported, *(*inner)(void);

    *(void **)&exported = dlsym(library, "task");
    *(void **)&inner = dlsym(library, "inner_task");
    map_one("exported", exported);
    map_one("inner", inner());
}

int main(int argc, char **argv)
{
    void *library = load(argv[1]), *first = place(library);

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    pool = kith_pool_open(1);
    map_both(library);
    dlclose(library);
    if (argc > 3) /* nothing is loaded there again */
        mmap(first, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    library = load(argv[2]);
    fprintf(stderr, "%s\n", place(library) == first ? "the same place" : "elsewhere");
    map_both(library);
    dlclose(library);
    map_both(load(argv[1])); /* which the workers have */
    return kith_finalize();
}
