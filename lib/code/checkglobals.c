/* checkglobals.c: see checkglobals.h. The program's own symbol table tells what variables there are; of each
 * a hash is kept, so that large arrays take no memory twice. */
#include "config.h"
#include "code/checkglobals.h"
#include "base/error.h"
#include "base/log.h"
#include "code/image.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A word of a variable of any type. Sanitizers must not see it: red zones belong to the symbol, and other
 * threads may write. */
typedef uint64_t __attribute__((may_alias, aligned(1))) any_word;
#define UNCHECKED __attribute__((no_sanitize("address", "thread")))

struct variable {
    const unsigned char *address;
    size_t size;
    uint64_t hash;
    char *name;
};

static struct {
    struct variable *list;
    size_t count, room;
} globals;

UNCHECKED static uint64_t hash_of(const unsigned char *p, size_t size)
{
    uint64_t h = size;

    for (; size >= 8; p += 8, size -= 8)
        h = (h ^ *(const any_word *)p) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
    for (; size > 0; p++, size--)
        h = (h ^ *p) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
    return h;
}

/* ---- which variables */

static int in_writable_memory(const struct kith__image *image, const ElfW(Sym) * s)
{
    int writable = 0;

    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *h = &image->headers[i];

        if (s->st_value < h->p_vaddr || s->st_value - h->p_vaddr >= h->p_memsz)
            continue;
        if (h->p_type == PT_GNU_RELRO)
            return 0; /* constant since the program was loaded */
        if (h->p_type == PT_LOAD && (h->p_flags & PF_W))
            writable = s->st_size <= h->p_memsz - (s->st_value - h->p_vaddr);
    }
    return writable;
}

/* Names of the compiler and its run-time libraries, "__gcov0.main" or "_ZN11__sanitizer5flagsE", and kith's.
 */
static int is_reserved(const char *name)
{
    static const char digits[] = "0123456789";

    if (strncmp(name, "_Z", 2) == 0) {
        name += strcspn(name, digits);
        name += strspn(name, digits);
    }
    return strncmp(name, "__", 2) == 0 || strncmp(name, "kith_", 5) == 0;
}

/* ---- the list */

static void forget(void)
{
    for (size_t i = 0; i < globals.count; i++)
        free(globals.list[i].name);
    globals.count = 0;
}

/* "count.3", static in a function, is count. */
static size_t plain_length(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && dot != name && isdigit((unsigned char)dot[1]) ? (size_t)(dot - name) : strlen(name);
}

static int remember(const struct kith__global *g, void *arg)
{
    struct variable *v;
    void *p;

    (void)arg;
    if (globals.count == globals.room) {
        p = realloc(globals.list, (2 * globals.room + 64) * sizeof *globals.list);
        if (!p)
            return KITH_ENOMEM;
        globals.list = p;
        globals.room = 2 * globals.room + 64;
    }
    v = &globals.list[globals.count];
    v->address = g->address;
    v->size = g->size;
    v->hash = hash_of(v->address, v->size);
    if (asprintf(&v->name, "%.*s%s%s%s", g->name_length, g->name, g->file[0] ? " (" : "", g->file,
                 g->file[0] ? ")" : "") < 0)
        return KITH_ENOMEM;
    globals.count++;
    return 0;
}

/* Static ones of one file stand behind its name: those up to end. 1: the file is kith's. */
static int is_kith(const struct kith__symbols *s, size_t from, size_t *end)
{
    int mine = 0;

    for (*end = from; *end < s->count; ++*end) {
        const ElfW(Sym) *symbol = &s->symbols[*end];

        if ((symbol->st_info & 0xf) == STT_FILE || symbol->st_info >> 4 != STB_LOCAL)
            return mine;
        mine |= strcmp(kith__symbol_name(s, *end), "kith__object") == 0;
    }
    return mine;
}

static int each(const struct kith__image *image, const struct kith__symbols *s,
                int (*fn)(const struct kith__global *g, void *arg), void *arg)
{
    const char *file = "";
    size_t end = 0;
    int mine = 0, rc = 0;

    for (size_t i = 0; i < s->count && rc == 0; i++) {
        const ElfW(Sym) *symbol = &s->symbols[i];
        int type = symbol->st_info & 0xf, local = symbol->st_info >> 4 == STB_LOCAL;
        const char *name = kith__symbol_name(s, i);

        if (type == STT_FILE) {
            file = name;
            mine = is_kith(s, i + 1, &end);
        }
        if ((type != STT_OBJECT && type != STT_COMMON) || symbol->st_size == 0 ||
            symbol->st_shndx == SHN_UNDEF || (local && mine) || is_reserved(name) ||
            !in_writable_memory(image, symbol) || kith__image_is_copied(image, symbol->st_value))
            continue;
        rc = fn(&(struct kith__global){ (const unsigned char *)(image->bias + symbol->st_value),
                                        symbol->st_size, name, local ? file : "", (int)plain_length(name) },
                arg);
    }
    return rc;
}

int kith__globals_each(int (*fn)(const struct kith__global *g, void *arg), void *arg)
{
    struct kith__symbols symbols;
    struct kith__image image;
    int rc = -1;

    kith__image_program(&image);
    if (kith__image_symbols(&image, &symbols))
        rc = each(&image, &symbols, fn, arg);
    kith__symbols_free(&symbols);
    return rc;
}

int kith__globals_snapshot(void)
{
    struct kith__image image;
    int rc;

    forget();
    if ((rc = kith__check_variable(KITH__ENV_CHECK)) < 0 || !kith__env_on(KITH__ENV_CHECK))
        return rc;
    if ((rc = kith__globals_each(remember, NULL)) == -1) {
        kith__image_program(&image);
        kith__log(KITH_LOG_WARNING,
                  "KITH_CHECK: %s is stripped or was replaced, its globals cannot be watched", image.name);
        rc = 0;
    }
    return rc < 0 ? kith__fail(rc, "no memory for the list of global variables") : 0;
}

/* ---- what has changed */

/* A variable may have two names. */
static int is_alias(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (globals.list[k].address == globals.list[i].address)
            return 1;
    return 0;
}

int kith__globals_changed(char *buf, size_t room)
{
    size_t used = 0;
    int n = 0;

    if (room > 0)
        buf[0] = '\0';
    for (size_t i = 0; i < globals.count; i++) {
        const struct variable *v = &globals.list[i];
        size_t length = strlen(v->name) + 2;

        if (hash_of(v->address, v->size) == v->hash || is_alias(i))
            continue;
        if (used + length < room)
            used += (size_t)sprintf(buf + used, "%s%s", n ? ", " : "", v->name);
        n++;
    }
    return n;
}
