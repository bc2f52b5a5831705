/* cgroup.c: see cgroup.h. */
#include "config.h"
#include "base/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mount {
    char *point; /* where the hierarchy is seen; NULL: it is not */
    char *top;   /* the group that is seen there; another than "/" in containers */
};

struct walk {
    const char *root, *controller;
    void (*fn)(const char *directory, int version, void *arg);
    void *arg;
    struct mount mounts[2]; /* v1, v2 */
};

/* 1 when word is one of the words of list, which are separated by commas. */
static int has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return 1;
    }
    return 0;
}

/* The kernel writes blanks and backslashes in paths as \ooo. */
static char *unescaped(const char *text)
{
    char *copy = strdup(text), *to = copy;
    unsigned code;

    for (const char *from = text; copy && *from; to++)
        if (from[0] == '\\' && sscanf(from + 1, "%3o", &code) == 1) {
            *to = (char)code;
            from += 4;
        } else {
            *to = *from++;
        }
    if (copy)
        *to = '\0';
    return copy;
}

/* A line of mountinfo: id parent device top point options … - type source options */
static void read_mount(struct walk *w, char *line)
{
    char top[PATH_MAX], point[PATH_MAX], type[32], options[256], *rest = strstr(line, " - ");
    struct mount *m;

    if (!rest || sscanf(rest, " - %31s %*s %255s", type, options) != 2 ||
        sscanf(line, "%*s %*s %*s %4095s %4095s", top, point) != 2)
        return;
    if (strcmp(type, "cgroup2") == 0)
        m = &w->mounts[1];
    else if (strcmp(type, "cgroup") == 0 && has_word(options, w->controller))
        m = &w->mounts[0];
    else
        return;
    if (m->point)
        return; /* mounted twice: one is enough */
    m->point = unescaped(point);
    m->top = unescaped(strcmp(top, "/") == 0 ? "" : top);
}

/* All levels from group up to the mount point. */
static void walk_up(const struct walk *w, int version, const char *group)
{
    const struct mount *m = &w->mounts[version - 1];
    size_t top = m->point && m->top ? strlen(m->top) : 0, least;
    char path[2 * PATH_MAX], *slash;

    if (!m->point || !m->top)
        return;
    if (strncmp(group, m->top, top) != 0 || (group[top] != '/' && group[top] != '\0') || strstr(group, "/.."))
        group = ""; /* it is outside of what this container sees */
    else
        group += top;
    if (strcmp(group, "/") == 0)
        group = "";
    least = (size_t)snprintf(path, sizeof path, "%s%s", w->root, m->point);
    if (snprintf(path + least, sizeof path - least, "%s", group) >= (int)(sizeof path - least))
        return;
    for (;;) {
        w->fn(path, version, w->arg);
        slash = strrchr(path, '/');
        if (!slash || strlen(path) <= least)
            return;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup: "number:controllers:path", of v2 "0::path". */
static void read_group(struct walk *w, char *line)
{
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path)
        return;
    *path = '\0';
    if (controllers[1] == '\0')
        walk_up(w, 2, path + 1);
    else if (has_word(controllers + 1, w->controller))
        walk_up(w, 1, path + 1);
}

static void each_line(struct walk *w, const char *file, void (*fn)(struct walk *w, char *line))
{
    char path[PATH_MAX], *line = NULL;
    size_t room = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s%s", w->root, file);
    f = fopen(path, "re");
    if (!f)
        return;
    while (getline(&line, &room, f) > 0) {
        line[strcspn(line, "\n")] = '\0';
        fn(w, line);
    }
    free(line);
    fclose(f);
}

void kith__cgroups(const char *root, const char *controller,
                   void (*fn)(const char *directory, int version, void *arg), void *arg)
{
    struct walk w = { .root = root, .controller = controller, .fn = fn, .arg = arg };

    each_line(&w, "/proc/self/mountinfo", read_mount);
    each_line(&w, "/proc/self/cgroup", read_group);
    for (int i = 0; i < 2; i++) {
        free(w.mounts[i].point);
        free(w.mounts[i].top);
    }
}
