/* container.c: see container.h. */
#include "config.h"
#include "base/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel gives its first namespaces fixed numbers. */
static int is_first_namespace(const char *kind, unsigned long long number)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    return stat(path, &st) != 0 || st.st_ino == number;
}

/* In a user namespace uid 0 is another user outside. */
static int is_mapped_user(void)
{
    unsigned long long inside, outside;
    FILE *f = fopen("/proc/self/uid_map", "re");
    int found = 0;

    if (!f)
        return 0;
    while (!found && fscanf(f, "%llu %llu %*u", &inside, &outside) == 2)
        found = inside == 0 && outside != 0;
    fclose(f);
    return found;
}

static int is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && *value && strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

const char *kith__container(void)
{
    static const char *const marks[] = { "/.dockerenv", "/run/.containerenv", "/run/systemd/container",
                                         "/.singularity.d" };
    static const char *const variables[] = { "container", "KUBERNETES_SERVICE_HOST", "CI" };

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (access(marks[i], F_OK) == 0)
            return marks[i];
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (is_set(variables[i]))
            return variables[i];
    if (is_mapped_user())
        return "a user namespace";
    if (!is_first_namespace("pid", 0xEFFFFFFC))
        return "a process namespace";
    return NULL;
}
