/* lateglobals.c: see lateglobals.h. Called when a task has used a NULL pointer, to say which one that may
 * have been. */
#include "config.h"
#include "code/lateglobals.h"
#include "code/checkglobals.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Pointers stand by themselves or in a struct of some settings; large arrays are numbers. */
enum { WORDS = 64, NAMED = 2, ASKED = 256 };

#define LOWEST_ADDRESS 65536 /* nothing is mapped below it */

struct search {
    const struct kith__kin *kin;
    char *buf;
    size_t room, used;
    int found, asked;
};

typedef uint64_t __attribute__((may_alias, aligned(1))) any_word;

/* Sanitizers must not see it: red zones belong to what is near a symbol, and other threads may write. */
__attribute__((no_sanitize("address", "thread"))) static void copy(uint64_t *to, const any_word *from,
                                                                   size_t words)
{
    for (size_t i = 0; i < words; i++)
        to[i] = from[i];
}

/* So many words of that process. 1, or 0: the system does not allow it. */
static int read_words(pid_t pid, const unsigned char *address, uint64_t *to, size_t words)
{
    struct iovec here = { to, words * 8 }, there = { (void *)(uintptr_t)address, words * 8 };

    if (pid != getpid())
        return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)(words * 8);
    copy(to, (const any_word *)(const void *)address, words);
    return 1;
}

static int is_mapped(pid_t pid, uint64_t address)
{
    unsigned long long from, to;
    char line[512];
    int mapped = 0;
    FILE *f;

    snprintf(line, sizeof line, "/proc/%d/maps", (int)pid);
    f = fopen(line, "re");
    while (f && !mapped && fgets(line, sizeof line, f))
        mapped = sscanf(line, "%llx-%llx ", &from, &to) == 2 && address >= from && address < to;
    if (f)
        fclose(f);
    return mapped;
}

static void add_name(struct search *s, const struct kith__global *g)
{
    int n = 0;

    if (s->found++ < NAMED && s->used < s->room)
        n = snprintf(s->buf + s->used, s->room - s->used, "%s%.*s%s%s%s", s->found > 1 ? ", " : "",
                     g->name_length, g->name, g->file[0] ? " (" : "", g->file, g->file[0] ? ")" : "");
    s->used += n > 0 ? (size_t)n : 0;
}

/* Goes on until enough is known. */
static int look_at(const struct kith__global *g, void *search)
{
    struct search *s = search;
    size_t words = g->size / 8 < WORDS ? g->size / 8 : WORDS;
    uint64_t now[WORDS], then[WORDS];

    if (words == 0 || (uintptr_t)g->address % 8 != 0)
        return 0;
    if (!read_words(s->kin->head, g->address, now, words) ||
        !read_words(s->kin->server, g->address, then, words))
        return 1;
    for (size_t i = 0; i < words; i++) {
        if (then[i] != 0 || now[i] < LOWEST_ADDRESS)
            continue;
        if (++s->asked > ASKED)
            return 1;
        if (is_mapped(s->kin->head, now[i])) {
            add_name(s, g);
            break;
        }
    }
    return s->found > NAMED;
}

int kith__globals_late(const struct kith__kin *kin, char *buf, size_t room)
{
    struct search s = { kin, buf, room, 0, 0, 0 };

    if (room > 0)
        buf[0] = '\0';
    if (kin->head <= 0 || kin->server <= 0)
        return 0;
    kith__globals_each(look_at, &s);
    if (s.found > 0 && s.used < room)
        snprintf(buf + s.used, room - s.used, "%s",
                 s.found > NAMED ? " and others were"
                 : s.found == 1  ? " was"
                                 : " were");
    return s.found;
}
