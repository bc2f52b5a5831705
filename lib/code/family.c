/* family.c: see family.h. For token.c. */
#include "config.h"
#include "code/family.h"
#include "base/error.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Written once, while there is one thread. */
static struct {
    uint64_t id, closings;
    size_t count, room;
    struct relative {
        uintptr_t start, end;
        const void *headers;
        unsigned char id[KITH__ID_SIZE];
        unsigned char is_library, of_system; /* one that has a build-id, and a path */
        char name[64]; /* of a longer one no other process is asked: a token has no room for it */
    } * images;
} family;

/* Not what somebody has installed beside the system, or built. */
static int is_of_system(const char *path)
{
    static const char *const places[] = { "/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/" };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (strncmp(path, places[i], strlen(places[i])) == 0)
            return 1;
    return 0;
}

static int keep_image(const struct kith__image *image, void *arg)
{
    struct relative *r;

    (void)arg;
    if (family.count == family.room) {
        size_t room = family.room ? 2 * family.room : 32;
        void *p = realloc(family.images, room * sizeof *family.images);

        if (!p)
            return KITH_ENOMEM;
        family.images = p;
        family.room = room;
    }
    r = &family.images[family.count++];
    r->start = image->start;
    r->end = image->end;
    r->headers = image->headers;
    snprintf(r->name, sizeof r->name, "%s", image->name);
    r->of_system = (unsigned char)is_of_system(image->path);
    r->is_library = 0;
    if (!image->is_program) /* nobody closes that */
        r->is_library =
            kith__image_file_id(image, r->id) && strchr(image->path, '/'); /* the kernel's has none */
    return 0;
}

int kith__family_begin(void)
{
    family.count = 0;
    family.closings = kith__family_closings();
    if (kith__images(keep_image, NULL) < 0)
        return kith__fail(KITH_ENOMEM, "no memory for the list of loaded libraries");
    do
        if (getrandom(&family.id, sizeof family.id, 0) != sizeof family.id)
            return kith__fail_errno(KITH_ENOMEM, "the kernel returned no random bytes");
    while (family.id == 0);
    return 0;
}

uint64_t kith__family(void)
{
    return family.id;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct kith__library *)a)->name, ((const struct kith__library *)b)->name);
}

static int is_listed(const struct kith__library *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return 1;
    return 0;
}

size_t kith__family_libraries(struct kith__library *out, size_t most)
{
    size_t n = 0;

    for (size_t i = 0; i < family.count; i++) {
        const struct relative *r = &family.images[i];

        if (!r->is_library || strlen(r->name) >= sizeof out->name || is_listed(out, n, r->name) || n == most)
            continue;
        memset(&out[n], 0, sizeof out[n]);
        memcpy(out[n].name, r->name, strlen(r->name));
        memcpy(out[n].id, r->id, sizeof r->id);
        out[n++].of_system = r->of_system;
    }
    qsort(out, n, sizeof *out, by_name);
    return n;
}

static int is_at_its_place(const struct relative *r, const struct kith__image *image)
{
    return r->start == image->start && r->end == image->end && r->headers == image->headers;
}

static int is_same_build(const struct relative *r, const struct kith__image *image)
{
    unsigned char id[KITH__ID_SIZE];

    kith__image_file_id(image, id);
    return memcmp(r->id, id, sizeof id) == 0;
}

/* Not at the place of one that was there then. The others look for it by its name: they must not find another
 * build. */
static enum kith__kinship kinship_by_name(const struct kith__image *image)
{
    enum kith__kinship kinship = KITH__STRANGER;

    for (size_t i = 0; i < family.count; i++) {
        if (strcmp(family.images[i].name, image->name) != 0)
            continue;
        if (is_same_build(&family.images[i], image))
            return KITH__STRANGER;
        kinship = KITH__SUPPLANTED;
    }
    return kinship;
}

enum kith__kinship kith__family_kinship(const struct kith__image *image)
{
    for (size_t i = 0; i < family.count; i++) {
        const struct relative *r = &family.images[i];

        if (!is_at_its_place(r, image))
            continue;
        if (image->is_program || kith__family_closings() == family.closings || is_same_build(r, image))
            return KITH__RELATIVE;
        return KITH__SUPPLANTED;
    }
    return kinship_by_name(image);
}

static int closings_of(struct dl_phdr_info *info, size_t size, void *arg)
{
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs)
        *(uint64_t *)arg = info->dlpi_subs;
    return 1; /* each of them tells the same */
}

uint64_t kith__family_closings(void)
{
    uint64_t closings = 0;

    dl_iterate_phdr(closings_of, &closings);
    return closings;
}
