/* budget.c: see budget.h. Called by arena.c before pages are taken. */
#include "config.h"
#include "budget.h"
#include "error.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define NO_LIMIT (UINT64_C(1) << 62)    /* v1 writes "none" as LONG_MAX less a page */

/* The text of a file of the kernel, cut at room. -1: it is not there. stdio would allocate and cost twice. */
static int slurp(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n;

    if (fd < 0)
        return -1;
    while (used < room - 1) {
        n = read(fd, text + used, room - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    close(fd);
    text[used] = '\0';
    return 0;
}

/* The number behind the line that begins with key; missing if there is none. */
static uint64_t number_after(const char *text, const char *key, uint64_t missing)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && strchr(" \t:", line[length]))
            return strtoull(line + length + strspn(line + length, " \t:"), NULL, 10);
    }
    return missing;
}

/* The kernel writes space, tab, newline and backslash in mountinfo as \ooo. */
static void unescape(char *to, size_t room, const char *from)
{
    size_t n = 0;

    for (; *from && n < room - 1; from++) {
        if (from[0] == '\\' && isdigit(from[1]) && isdigit(from[2]) && isdigit(from[3])) {
            to[n++] = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 3;
        } else {
            to[n++] = *from;
        }
    }
    to[n] = '\0';
}

/* 1 when word is one of the comma-separated words of list. */
static int has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && strchr(",", at[length]))
            return 1;
    }
    return 0;
}

/* A line of mountinfo: id parent dev top point options [optional ...] - type source super-options */
static void read_mount(char *line, struct kith__cgroup_mount mounts[2])
{
    char *dash = strstr(line, " - "), *save = NULL, *top = NULL, *point = NULL, *type, *super;
    int version;

    if (!dash)
        return;
    *dash = '\0';
    type = strtok_r(dash + 3, " ", &save);
    strtok_r(NULL, " ", &save);
    super = strtok_r(NULL, " ", &save);
    if (!type || !super)
        return;
    if (strcmp(type, "cgroup2") == 0)
        version = 2;
    else if (strcmp(type, "cgroup") == 0 && has_word(super, "memory"))
        version = 1;
    else
        return;
    save = NULL;
    for (int i = 0; i < 5; i++) {
        char *field = strtok_r(i ? NULL : line, " ", &save);

        if (!field)
            return;
        top = point;
        point = field;
    }
    mounts[version - 1].version = version;
    unescape(mounts[version - 1].top, sizeof mounts[0].top, top);
    unescape(mounts[version - 1].point, sizeof mounts[0].point, point);
}

void kith__budget_mounts(const char *root, struct kith__cgroup_mount mounts[2])
{
    char path[PATH_MAX], *line = NULL;
    size_t room = 0;
    ssize_t length;
    FILE *f;

    memset(mounts, 0, 2 * sizeof mounts[0]);
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    f = fopen(path, "re");
    if (!f)
        return;
    while ((length = getline(&line, &room, f)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        read_mount(line, mounts);
    }
    free(line);
    fclose(f);
}

/* What is kept back of a limit: page tables, the kernel's own counting in batches, the processes' private memory. */
static uint64_t margin(uint64_t limit)
{
    return limit / 64 < 64 * MIB ? limit / 64 : 64 * MIB;
}

static void bound(struct kith__budget *b, uint64_t left, uint64_t limit, const char *where)
{
    left = left > margin(limit) ? left - margin(limit) : 0;
    if (left >= b->left)
        return;
    b->left = left;
    b->limit = limit;
    snprintf(b->where, sizeof b->where, "%.*s", (int)sizeof b->where - 1, where);
}

/* One level of a hierarchy: the directory at path. */
static void read_level(const char *root, const char *path, int version, struct kith__budget *b)
{
    static const char *const files[2][3] = {
        { "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file" },
        { "memory.max", "memory.current", "inactive_file" },
    };
    const char *const *file = files[version - 1];
    char name[2 * PATH_MAX], where[PATH_MAX + 32], text[8192];
    uint64_t limit, used, cache;

    snprintf(where, sizeof where, "%s/%s", path, file[0]);
    snprintf(name, sizeof name, "%s%s", root, where);
    if (slurp(name, text, sizeof text) < 0 || !isdigit(text[0]))
        return;                                 /* the root of v2 has none; "max" */
    limit = strtoull(text, NULL, 10);
    if (limit >= NO_LIMIT)
        return;
    snprintf(name, sizeof name, "%s%s/%s", root, path, file[1]);
    if (slurp(name, text, sizeof text) < 0)
        return;
    used = strtoull(text, NULL, 10);
    snprintf(name, sizeof name, "%s%s/memory.stat", root, path);
    cache = slurp(name, text, sizeof text) < 0 ? 0 : number_after(text, file[2], 0);
    used -= cache < used ? cache : used;        /* the kernel drops that before it kills anybody */
    bound(b, limit > used ? limit - used : 0, limit, where);
}

/* All levels from the process's own cgroup up to what is mounted. */
static void read_levels(const char *root, const struct kith__cgroup_mount *m, const char *group, struct kith__budget *b)
{
    size_t top = strlen(m->top), point = strlen(m->point);
    char path[PATH_MAX];
    char *slash;

    if (strcmp(m->top, "/") == 0)
        top = 0;
    /* In a container the group can lie outside of what is mounted: then the mount is all that one sees. */
    if (strncmp(group, m->top, top) != 0 || strchr("/", group[top]) == NULL || strstr(group, "/.."))
        group += strlen(group);
    else
        group += top;
    snprintf(path, sizeof path, "%s%s", m->point, group);
    for (size_t end = strlen(path); end > point && path[end - 1] == '/'; end--)
        path[end - 1] = '\0';
    for (;;) {
        read_level(root, path, m->version, b);
        slash = strrchr(path, '/');
        if (strlen(path) <= point || !slash)
            return;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup: number:controllers:path; of v2 "0::path". */
static void read_groups(const char *root, const struct kith__cgroup_mount mounts[2], struct kith__budget *b)
{
    char name[PATH_MAX], text[8192], *save = NULL;

    snprintf(name, sizeof name, "%s/proc/self/cgroup", root);
    if (slurp(name, text, sizeof text) < 0)
        return;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;

        if (!group)
            continue;
        *controllers++ = '\0';
        *group++ = '\0';
        if (mounts[0].version && has_word(controllers, "memory"))
            read_levels(root, &mounts[0], group, b);
        if (mounts[1].version && *controllers == '\0')
            read_levels(root, &mounts[1], group, b);
    }
}

void kith__budget_read(const char *root, const struct kith__cgroup_mount mounts[2], struct kith__budget *out)
{
    char name[PATH_MAX], text[4096];

    out->left = out->limit = UINT64_MAX;
    out->where[0] = '\0';
    snprintf(name, sizeof name, "%s/proc/meminfo", root);
    if (slurp(name, text, sizeof text) == 0) {
        uint64_t total = number_after(text, "MemTotal", 0) * 1024;

        /* Before Linux 3.14 there was no MemAvailable. */
        bound(out, number_after(text, "MemAvailable", number_after(text, "MemFree", 0)) * 1024, total, "");
    }
    read_groups(root, mounts, out);
}

int kith__parse_size(const char *variable, const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    double value = strtod(text, &end), factor = 1;
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;

    if (unit) {
        factor = (double)(UINT64_C(1) << 10 * (unit - units + 1));
        end++;
        end += *end == 'i';
    }
    end += *end == 'B' || *end == 'b';
    if (!isdigit((unsigned char)text[0]) || *end || value * factor < 1 || value * factor >= (double)NO_LIMIT)
        return kith__fail(KITH_EINVAL, "%s=%s is no size: write it as 512M or 4G", variable, text);
    *bytes = (uint64_t)(value * factor);
    return 0;
}

const char *kith__size_text(uint64_t bytes, char text[KITH__SIZE_TEXT])
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes;
    int unit = 0;

    while (value >= 1024 && unit < 6) {
        value /= 1024;
        unit++;
    }
    snprintf(text, KITH__SIZE_TEXT, value < 100 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}
