/* builds.c: see builds.h.
 *
 * A task is a function of the program or of a library, and each host has files of its own: where one of them
 * is an old one, results are wrong and nobody notices. So each rank tells a digest of what it has loaded.
 * When two differ all tell their lists, which become a table.
 *
 * Libraries of the system may differ: hosts are kept up to date one after the other, and a system may have
 * variants for several CPUs. Their functions go by name, so they are found; results may differ in their
 * last bits. Where others are compiled for each CPU, too, KITH_BUILDS=any says so. Libraries that only some
 * ranks have are those that somebody loads for a host: a profiler, a fabric.
 */
#include "config.h"
#include "start/builds.h"
#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "code/family.h"
#include "code/token.h"
#include "start/rendezvous.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIBRARIES = 512, COLUMNS = 3, ROWS = 8, DIGITS = 12 };

struct view {
    const struct kith__rendezvous *m;
    struct kith__library *all; /* [size][most] */
    size_t most;
    const char *columns[COLUMNS]; /* the libraries that differ: names */
    int count, left_out;
    int own; /* one of them did not come with the system */
    char text[760];
    size_t used;
};

/* ------------------------------------------------------------------- what a rank has */

static uint64_t digest(const struct kith__library *list, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)list;
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n * sizeof *list; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

void kith__builds_tell(struct kith__record *r)
{
    struct kith__library *mine = calloc(LIBRARIES, sizeof *mine);
    size_t n = mine ? kith__family_libraries(mine, LIBRARIES) : 0;

    kith__program_id(r->program);
    r->any_builds = kith__env_word(KITH__ENV_BUILDS) == 1;
    r->library_count = (int32_t)n;
    r->libraries = n ? digest(mine, n) : 0;
    free(mine);
}

/* ------------------------------------------------------------------------- the lists */

static int has_same_program(const struct kith__record *a, const struct kith__record *b)
{
    return memcmp(a->program, b->program, sizeof a->program) == 0;
}

static int all_have(const struct kith__rendezvous *m,
                    int (*same)(const struct kith__record *a, const struct kith__record *b))
{
    for (int i = 1; i < m->size; i++)
        if (!same(&m->records[0], &m->records[i]))
            return 0;
    return 1;
}

static int has_same_libraries(const struct kith__record *a, const struct kith__record *b)
{
    return a->libraries == b->libraries && a->library_count == b->library_count;
}

/* All tell all. 0, or a code. */
static int gather(struct view *v)
{
    const struct kith__rendezvous *m = v->m;
    struct kith__library *mine;
    int rc = 0;

    for (int i = 0; i < m->size; i++)
        if (m->records[i].library_count > (int32_t)v->most && m->records[i].library_count <= LIBRARIES)
            v->most = (size_t)m->records[i].library_count;
    mine = calloc(LIBRARIES, sizeof *mine);
    v->all = calloc((size_t)m->size * (v->most + 1), sizeof *v->all);
    if (!mine || !v->all)
        rc = kith__fail(KITH_ENOMEM, "no memory for the libraries of %d ranks", m->size);
    if (rc == 0)
        kith__family_libraries(mine, LIBRARIES);
    if (rc == 0 && m->mpi->allgather(mine, v->all, v->most * sizeof *mine) != 0)
        rc = kith__fail(KITH_EPEER, "%s cannot pass %zu bytes from each rank to each", m->mpi->title,
                        v->most * sizeof *mine);
    free(mine);
    return rc;
}

static const struct kith__library *library_of(const struct view *v, int rank, const char *name)
{
    const struct kith__library *list = &v->all[(size_t)rank * v->most];

    for (int32_t k = 0; k < v->m->records[rank].library_count && k < (int32_t)v->most; k++)
        if (strncmp(list[k].name, name, sizeof list[k].name) == 0)
            return &list[k];
    return NULL;
}

static int is_column(const struct view *v, const char *name)
{
    for (int k = 0; k < v->count; k++)
        if (strcmp(v->columns[k], name) == 0)
            return 1;
    return 0;
}

/* One that did not come with the system comes before those that did. */
static void add_column(struct view *v, const char *name, int own)
{
    if (v->count < COLUMNS)
        v->columns[v->count++] = name;
    else
        v->left_out++;
    if (own && !v->own) {
        const char *first = v->columns[0];

        v->columns[0] = name;
        if (v->columns[v->count - 1] == name)
            v->columns[v->count - 1] = first;
    }
    v->own |= own;
}

/* Another rank has another build of what this one has as the first. */
static void look_at(struct view *v, int rank, const struct kith__library *l)
{
    int differs = 0, own = 0;

    for (int i = 0; i < rank; i++)
        if (library_of(v, i, l->name))
            return; /* it was looked at there */
    for (int i = rank; i < v->m->size; i++) {
        const struct kith__library *other = library_of(v, i, l->name);

        differs |= other && memcmp(other->id, l->id, sizeof l->id) != 0;
        own |= other && !other->of_system;
    }
    if (differs && !is_column(v, l->name))
        add_column(v, l->name, own);
}

static void find_columns(struct view *v)
{
    for (int i = 0; i < v->m->size; i++) {
        struct kith__library *list = &v->all[(size_t)i * v->most];

        for (int32_t k = 0; k < v->m->records[i].library_count && k < (int32_t)v->most; k++) {
            list[k].name[sizeof list[k].name - 1] = '\0';
            look_at(v, i, &list[k]);
        }
    }
}

/* ------------------------------------------------------------------------- the table */

static void put(struct view *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct view *v, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(v->text + v->used, sizeof v->text - v->used, format, args);
    va_end(args);
    v->used += n > 0 ? (size_t)n : 0;
    if (v->used >= sizeof v->text)
        v->used = sizeof v->text - 1;
}

static int width_of(const char *name)
{
    return strlen(name) > DIGITS ? (int)strlen(name) : DIGITS;
}

/* id NULL: it has none. last: nothing comes behind it. */
static void put_id(struct view *v, const unsigned char *id, int width)
{
    char digits[DIGITS + 1] = "-";

    for (size_t i = 0; id && i < DIGITS / 2; i++)
        snprintf(digits + 2 * i, 3, "%02x", id[i]);
    put(v, "  %-*s", width, digits);
}

static void trim(struct view *v)
{
    while (v->used > 0 && v->text[v->used - 1] == ' ')
        v->text[--v->used] = '\0';
}

static int has_same_row(const struct view *v, int a, int b)
{
    if (strcmp(v->m->records[a].host, v->m->records[b].host) != 0 ||
        !has_same_program(&v->m->records[a], &v->m->records[b]))
        return 0;
    for (int k = 0; k < v->count; k++) {
        const struct kith__library *x = library_of(v, a, v->columns[k]), *y = library_of(v, b, v->columns[k]);

        if (!x != !y || (x && memcmp(x->id, y->id, sizeof x->id) != 0))
            return 0;
    }
    return 1;
}

static void put_row(struct view *v, int host_width, int from, int to)
{
    char ranks[32];

    snprintf(ranks, sizeof ranks, from == to ? "%d" : "%d-%d", from, to);
    put(v, "\n    %-*.32s  %-9s", host_width, v->m->records[from].host, ranks);
    put_id(v, v->m->records[from].program, DIGITS);
    for (int k = 0; k < v->count; k++) {
        const struct kith__library *l = library_of(v, from, v->columns[k]);

        put_id(v, l ? l->id : NULL, width_of(v->columns[k]));
    }
    trim(v);
}

static int width_of_hosts(const struct view *v)
{
    size_t width = 4;

    for (int i = 0; i < v->m->size; i++)
        if (strlen(v->m->records[i].host) > width)
            width = strlen(v->m->records[i].host);
    return width > 32 ? 32 : (int)width;
}

/* Neighbouring ranks of one host that have the same are one row. */
static void fill_table(struct view *v)
{
    int host_width = width_of_hosts(v), rows = 0;

    put(v, "\n    %-*s  %-9s  %-*s", host_width, "HOST", "RANKS", DIGITS, "PROGRAM");
    for (int k = 0; k < v->count; k++)
        put(v, "  %-*s", width_of(v->columns[k]), v->columns[k]);
    trim(v);
    for (int from = 0, to; from < v->m->size; from = to + 1, rows++) {
        for (to = from; to + 1 < v->m->size && has_same_row(v, from, to + 1); to++)
            ;
        if (rows < ROWS)
            put_row(v, host_width, from, to);
    }
    if (rows > ROWS)
        put(v, "\n    and %d more", rows - ROWS);
    if (v->left_out > 0)
        put(v, "\n    and %d more libraries differ", v->left_out);
}

/* --------------------------------------------------------------------------- the verdict */

static int judge(struct view *v)
{
    fill_table(v);
    if (!all_have(v->m, has_same_program))
        return kith__fail(KITH_EPEER,
                          "the ranks run different programs: copy one and the same file to each host%s",
                          v->text);
    if (v->own && !v->m->records[0].any_builds)
        return kith__fail(
            KITH_EPEER,
            "the ranks have different builds of %s: copy one and the same file to each host, or set "
            "KITH_BUILDS=any%s",
            v->columns[0], v->text);
    if (v->count > 0 && v->m->rank == 0)
        kith__log(KITH_LOG_WARNING,
                  "the hosts have different builds of %s: results may differ in their last bits%s",
                  v->columns[0], v->text);
    return 0;
}

int kith__builds_compare(const struct kith__rendezvous *m)
{
    struct view v = { .m = m };
    int rc;

    if (all_have(m, has_same_program) && all_have(m, has_same_libraries))
        return 0;
    if ((rc = gather(&v)) == 0) {
        find_columns(&v);
        rc = judge(&v);
    }
    free(v.all);
    return rc;
}
