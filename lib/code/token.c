/* token.c: see token.h. Pool and Process make tokens where they are called; workers resolve them. */
#include "config.h"
#include "code/token.h"
#include "code/cxxname.h"
#include "base/error.h"
#include "base/own.h"
#include "code/family.h"
#include "code/image.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct kith__token) <= 256, "a token has its place in fixed tables");
_Static_assert(sizeof((struct kith__token *)0)->id == KITH__ID_SIZE, "both hold a build-id");

/* The tokens that this thread made last. Those of another family are none, nor are those of a library when
 * one was closed since. */
enum { CACHED = 8 };
struct cache {
    uint64_t family;
    struct made {
        kith__anyfn *fn;
        int of_program;
        uint64_t closings;
        struct kith__token token;
    } made[CACHED];
};

static struct {
    struct kith__image image;
    unsigned char id[KITH__ID_SIZE];
} program;
static pthread_once_t program_once = PTHREAD_ONCE_INIT;

static void find_program(void)
{
    kith__image_program(&program.image);
    kith__image_id(&program.image, program.id);
}

void kith__program_id(unsigned char id[20])
{
    pthread_once(&program_once, find_program);
    memcpy(id, program.id, KITH__ID_SIZE);
}

int kith__token_family(void)
{
    pthread_once(&program_once, find_program); /* the children inherit it */
    return kith__family_begin();
}

/* ---- making */

/* Of several names for one function the shortest is the one that people know, and the oldest: sin, not
 * sinf32x. */
static int better(const char *name, size_t i, const char *best, size_t best_at, const struct kith__exports *e)
{
    int is_default = kith__export_is_default(e, i);

    if (!best)
        return 1;
    if (is_default != kith__export_is_default(e, best_at))
        return is_default;
    if (strlen(name) != strlen(best))
        return strlen(name) < strlen(best);
    return strcmp(name, best) < 0;
}

/* What the loader gives for that symbol: for an indirect function the variant for this CPU. */
static uintptr_t loaded_address(void *handle, const char *name, const char *version)
{
    return (uintptr_t)(version[0] ? dlvsym(handle, name, version) : dlsym(handle, name));
}

/* The exported symbol that leads to address. Indirect ones go first: the variant may have a
 * name of its own, which is the wrong one on another CPU. */
static int find_export(const struct kith__image *image, const struct kith__exports *e, void *handle,
                       uintptr_t address, int indirect, size_t *found)
{
    const char *best = NULL;

    for (size_t i = 1; i < e->count; i++) {
        const ElfW(Sym) *s = &e->symbols[i];
        const char *name = e->strings + s->st_name;

        if (s->st_shndx == SHN_UNDEF || (s->st_info & 0xf) != (indirect ? STT_GNU_IFUNC : STT_FUNC))
            continue;
        if (indirect ? loaded_address(handle, name, kith__export_version(e, i)) != address
                     : image->bias + s->st_value != address)
            continue;
        if (better(name, i, best, *found, e)) {
            best = name;
            *found = i;
        }
    }
    return best != NULL;
}

static int fits(char *field, size_t room, const char *text)
{
    return (size_t)snprintf(field, room, "%s", text) < room;
}

/* 1: t names what the library exports; 0: it is not exported, or its name is too long for t. */
static int make_symbol(struct kith__token *t, const struct kith__image *image, uintptr_t address)
{
    void *handle = dlopen(image->path, RTLD_LAZY | RTLD_NOLOAD);
    struct kith__exports e;
    size_t i = 0;
    int done = 0;

    if (!handle)
        return 0;
    kith__image_exports(image, &e);
    if (find_export(image, &e, handle, address, 1, &i) || find_export(image, &e, handle, address, 0, &i))
        done = fits(t->symbol, sizeof t->symbol, e.strings + e.symbols[i].st_name) &&
               fits(t->version, sizeof t->version, kith__export_version(&e, i)) &&
               fits(t->object, sizeof t->object, image->name);
    dlclose(handle);
    return done;
}

static void make_offset(struct kith__token *t, const struct kith__image *image, uintptr_t address)
{
    uintptr_t slot = kith__image_indirect_slot(image, address);

    t->kind = slot ? KITH__TOKEN_SLOT : KITH__TOKEN_OFFSET;
    t->offset = slot ? slot : address - image->bias;
    memset(t->symbol, 0, sizeof t->symbol);
    memset(t->version, 0, sizeof t->version);
    fits(t->object, sizeof t->object, image->name);
    if (image->is_program)
        kith__program_id(t->id);
    else
        kith__image_id(image, t->id);
}

static int refuse_supplanted(const struct kith__image *image, uintptr_t address)
{
    char function[128];

    kith__image_function(address, function, sizeof function);
    return kith__fail(
        KITH_EFUNC,
        "function %s: this %s is not the one that was loaded at kith_init, and workers have only "
        "that: load it before kith_init, or start the program anew",
        function, image->name);
}

static int make(struct kith__token *t, uintptr_t address, int *of_program)
{
    enum kith__kinship kinship;
    struct kith__image image;

    memset(t, 0, sizeof *t);
    if (!kith__image_at(address, &image))
        return kith__fail(
            KITH_EFUNC,
            "the function at 0x%zx is part of neither the program nor a library: code "
            "generated at run time, and nested functions that use variables of the outer one, cannot be "
            "sent to another process",
            (size_t)address);
    if (!kith__image_is_code(&image, address))
        return kith__fail(KITH_EFUNC, "the pointer 0x%zx points to data of %s, not to a function",
                          (size_t)address, image.name);
    *of_program = image.is_program;
    kinship = kith__family() ? kith__family_kinship(&image) : KITH__STRANGER;
    if (kinship == KITH__SUPPLANTED)
        return refuse_supplanted(&image, address);
    if (kinship == KITH__RELATIVE) {
        t->family = kith__family();
        t->pointer = address;
    }
    if (!image.is_program && make_symbol(t, &image, address))
        t->kind = KITH__TOKEN_SYMBOL;
    else
        make_offset(t, &image, address);
    return 0;
}

/* NULL: no memory; it goes without. */
static struct cache *cache(void)
{
    struct cache *c = kith__own(KITH__OWN_TOKENS, sizeof *c);

    if (c && c->family != kith__family()) {
        memset(c, 0, sizeof *c);
        c->family = kith__family();
    }
    return c;
}

static int is_valid(const struct made *m, kith__anyfn *fn)
{
    return m->fn == fn && (m->of_program || m->closings == kith__family_closings());
}

static int make_again(struct made *m, kith__anyfn *fn)
{
    int rc;

    m->fn = NULL;
    m->closings = kith__family_closings();
    if ((rc = make(&m->token, (uintptr_t)fn, &m->of_program)) == 0)
        m->fn = fn;
    return rc;
}

int kith__token_make(struct kith__token *t, kith__anyfn *fn)
{
    uintptr_t address = (uintptr_t)fn;
    size_t i = (address >> 4 ^ address >> 12) % CACHED;
    struct cache *c;
    int rc = 0, of_program;

    if (!fn)
        return kith__fail(KITH_EINVAL, "the function is NULL");
    if (!(c = cache()))
        return make(t, address, &of_program);
    if (!is_valid(&c->made[i], fn))
        rc = make_again(&c->made[i], fn);
    if (rc == 0)
        *t = c->made[i].token;
    return rc;
}

/* ---- resolving */

static const char *host(char buf[64])
{
    if (gethostname(buf, 64) < 0)
        return "this host";
    buf[63] = '\0';
    return buf;
}

static int resolve_symbol(const struct kith__token *t, uintptr_t *address)
{
    struct kith__image image;
    char name[64];
    void *handle;

    if (!kith__image_named(t->object, &image) || !(handle = dlopen(image.path, RTLD_LAZY | RTLD_NOLOAD)))
        return kith__fail(KITH_EFUNC,
                          "function %s: its library %s is not loaded in the other process on %s: link the "
                          "program with it, or load it before kith_init",
                          t->symbol, t->object, host(name));
    *address = loaded_address(handle, t->symbol, t->version);
    dlclose(handle);
    if (!*address)
        return kith__fail(KITH_EFUNC,
                          "function %s%s%s is missing in %s on %s: install the same version of the library "
                          "on all hosts",
                          t->symbol, t->version[0] ? ", version " : "", t->version, t->object, host(name));
    return 0;
}

static int find_object(const struct kith__token *t, struct kith__image *image)
{
    pthread_once(&program_once, find_program);
    if (memcmp(t->id, program.id, sizeof program.id) == 0) {
        *image = program.image;
        return 1;
    }
    return kith__image_with_id(t->id, image);
}

static uintptr_t offset_address(const struct kith__token *t, const struct kith__image *image)
{
    return t->kind == KITH__TOKEN_SLOT ? kith__image_indirect_value(image, t->offset)
                                       : image->bias + t->offset;
}

static int resolve_offset(const struct kith__token *t, uintptr_t *address)
{
    struct kith__image image;
    char function[128], name[64];

    if (!find_object(t, &image)) {
        kith__token_name(t, function, sizeof function);
        return kith__fail(KITH_EFUNC,
                          "function %s: %s is not loaded, or is another build, in the other process on %s: "
                          "use the same file on all hosts, and load libraries before kith_init",
                          function, t->object, host(name));
    }
    *address = offset_address(t, &image);
    if (!kith__image_is_code(&image, *address))
        return kith__fail(KITH_EFUNC, "there is no function at 0x%zx of %s", (size_t)t->offset, t->object);
    return 0;
}

static int ends(const char *field, size_t room)
{
    return memchr(field, '\0', room) != NULL;
}

int kith__token_resolve(const struct kith__token *t, kith__anyfn **fn)
{
    uintptr_t address;
    int rc = KITH_EFUNC;

    if (t->family && t->family == kith__family()) {
        *fn = (kith__anyfn *)(uintptr_t)t->pointer;
        return 0;
    }
    if (!ends(t->object, sizeof t->object) || !ends(t->symbol, sizeof t->symbol) ||
        !ends(t->version, sizeof t->version))
        return kith__fail(KITH_EFUNC, "the name of a function is damaged");
    switch ((enum kith__token_kind)t->kind) {
    case KITH__TOKEN_SYMBOL: rc = resolve_symbol(t, &address); break;
    case KITH__TOKEN_OFFSET:
    case KITH__TOKEN_SLOT: rc = resolve_offset(t, &address); break;
    case KITH__TOKEN_NONE: rc = kith__fail(KITH_EFUNC, "no function was named"); break;
    default:
        rc = kith__fail(KITH_EFUNC, "the name of a function is of the unknown kind %u", (unsigned)t->kind);
    }
    if (rc == 0)
        *fn = (kith__anyfn *)address;
    return rc;
}

int kith__token_name(const struct kith__token *t, char *buf, size_t room)
{
    struct kith__image image;

    if (t->kind == KITH__TOKEN_SYMBOL) {
        kith__cxx_name(t->symbol, buf, room);
        return (int)strlen(buf);
    }
    if (t->kind != KITH__TOKEN_NONE && find_object(t, &image)) {
        kith__image_function(offset_address(t, &image), buf, room);
        return (int)strlen(buf);
    }
    return snprintf(buf, room, "%s+0x%zx", t->object, (size_t)t->offset);
}
