/* module.c: see module.h. */
#include "config.h"
#include "base/module.h"
#include "base/env.h"
#include "base/error.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The directory of this code: of libkith, or of the program that libkith.a is a part of. 0: not to be found.
 */
static int own_directory(char directory[PATH_MAX])
{
    int (*inside)(const char *, char *, size_t) = kith__module_path;
    const void *address;
    Dl_info info;

    memcpy(&address, &inside, sizeof address);
    if (!dladdr(address, &info) || !info.dli_fname || !realpath(info.dli_fname, directory))
        return 0;
    *strrchr(directory, '/') = '\0';
    return 1;
}

int kith__module_path(const char *name, char *path, size_t room)
{
    const char *wish = kith__env(KITH__ENV_MODULES);
    char directory[PATH_MAX];

    if (wish) {
        snprintf(path, room, "%s/kith-%s.so", wish, name);
        return access(path, R_OK) == 0;
    }
    if (own_directory(directory)) {
        snprintf(path, room, "%s/" PACKAGE "/kith-%s.so", directory, name);
        if (access(path, R_OK) == 0)
            return 1;
    }
    snprintf(path, room, "%s/kith-%s.so", KITH_MODULE_DIR, name);
    return access(path, R_OK) == 0;
}

void *kith__module(const char *name)
{
    char path[PATH_MAX], host[64] = "this host";
    const char *why;
    void *handle;

    kith__module_path(name, path, sizeof path);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* counts; it is never closed */
    if (!handle) {
        why = dlerror();
        gethostname(host, sizeof host - 1);
        kith__fail(KITH_EINVAL, "kith's module %s cannot be loaded on %s: %s", name, host, why ? why : path);
    }
    return handle;
}
