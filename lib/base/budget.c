/* budget.c: see budget.h. Called by arena.c before pages are taken. */
#include "config.h"
#include "base/budget.h"
#include "base/cgroup.h"
#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define NO_LIMIT (UINT64_C(1) << 62) /* v1 writes "none" as LONG_MAX less a page */

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

/* What is kept back of a limit: for the kernel, which counts in batches, and for the processes' private
 * memory. */
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

/* A group: the number in one of its files. 0: there is none, or it is no number ("max"; the root of v2 has no
 * limit). */
static int read_number(struct kith__budget_groups *g, const char *directory, const char *file,
                       uint64_t *number)
{
    snprintf(g->path, sizeof g->path, "%s/%s", directory, file);
    if (slurp(g->path, g->text, sizeof g->text) < 0 || !isdigit((unsigned char)g->text[0]))
        return 0;
    *number = strtoull(g->text, NULL, 10);
    return 1;
}

static void read_group(struct kith__budget_groups *g, const char *directory, int version,
                       struct kith__budget *b)
{
    static const char *const files[2][3] = {
        { "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file" },
        { "memory.max", "memory.current", "inactive_file" },
    };
    const char *const *file = files[version - 1];
    uint64_t limit, used, cache;

    if (!read_number(g, directory, file[0], &limit) || limit >= NO_LIMIT ||
        !read_number(g, directory, file[1], &used))
        return;
    snprintf(g->path, sizeof g->path, "%s/memory.stat", directory);
    cache = slurp(g->path, g->text, sizeof g->text) < 0 ? 0 : number_after(g->text, file[2], 0);
    used -= cache < used ? cache : used; /* the kernel drops that before it kills anybody */
    snprintf(g->path, sizeof g->path, "%s/%s", directory, file[0]);
    bound(b, limit > used ? limit - used : 0, limit, g->path);
}

static void collect(const char *directory, int version, void *arg)
{
    struct kith__budget_groups *groups = arg;

    if (groups->count == KITH__BUDGET_GROUPS || strlen(directory) >= sizeof groups->group[0].directory)
        return;
    groups->group[groups->count].version = version;
    strcpy(groups->group[groups->count++].directory, directory);
}

/* Mounts do not change, and there can be very many: they are read again only when the process was moved. */
static void find_groups(const char *root, struct kith__budget_groups *groups)
{
    snprintf(groups->path, sizeof groups->path, "%s/proc/self/cgroup", root);
    if (slurp(groups->path, groups->text, sizeof groups->seen) < 0 || strcmp(groups->text, groups->seen) == 0)
        return;
    groups->count = 0;
    strcpy(groups->seen, groups->text);
    kith__cgroups(root, "memory", collect, groups);
}

void kith__budget_read(const char *root, struct kith__budget_groups *groups, struct kith__budget *out)
{
    char *text = groups->text;

    out->left = out->limit = UINT64_MAX;
    out->where[0] = '\0';
    snprintf(groups->path, sizeof groups->path, "%s/proc/meminfo", root);
    if (slurp(groups->path, text, sizeof groups->text) == 0) {
        uint64_t total = number_after(text, "MemTotal", 0) * 1024;

        /* Before Linux 3.14 there was no MemAvailable. */
        bound(out, number_after(text, "MemAvailable", number_after(text, "MemFree", 0)) * 1024, total, "");
    }
    find_groups(root, groups);
    for (int i = 0; i < groups->count; i++)
        read_group(groups, groups->group[i].directory, groups->group[i].version, out);
}

/* Not by strtod: its decimal point depends on the locale. */
static const char *parse_number(const char *text, double *value)
{
    double digit = 1;

    for (*value = 0; isdigit((unsigned char)*text); text++)
        *value = *value * 10 + (*text - '0');
    if (*text == '.')
        for (text++; isdigit((unsigned char)*text); text++)
            *value += (*text - '0') * (digit /= 10);
    return text;
}

int kith__parse_size(const char *variable, const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    double value;
    const char *end = parse_number(text, &value);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;

    if (unit) {
        value *= (double)(UINT64_C(1) << 10 * (unit - units + 1));
        end++;
        end += *end == 'i';
    }
    end += *end == 'B' || *end == 'b';
    if (!isdigit((unsigned char)text[0]) || *end || value < 1 || value >= (double)NO_LIMIT)
        return kith__fail(KITH_EINVAL, "%s=%s is not a size: write it as 512M or 4G", variable, text);
    *bytes = (uint64_t)value;
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
