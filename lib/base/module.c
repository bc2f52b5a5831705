/* module.c: see module.h. */
#include "config.h"
#include "base/module.h"
#include "base/error.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

void *kith__module(const char *name)
{
    const char *directory = getenv("KITH_MODULES"), *why;
    char path[PATH_MAX];
    void *handle;

    if (!directory || !directory[0])
        directory = KITH_MODULE_DIR;
    snprintf(path, sizeof path, "%s/kith-%s.so", directory, name);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* counts; it is never closed */
    if (!handle) {
        why = dlerror();
        kith__fail(KITH_EINVAL, "the part %s of kith cannot be loaded: %s", name, why ? why : path);
    }
    return handle;
}
