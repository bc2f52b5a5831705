/* coverage.c: see coverage.h. */
#include "config.h"
#include "code/coverage.h"
#include "code/image.h"

#include <stdlib.h>
#include <string.h>

extern void __lsan_do_leak_check(void) __attribute__((weak)); /* NOLINT: the sanitizer's name */

/* Linked to this code, where it was compiled for coverage. */
extern void __gcov_exit(void) __attribute__((weak));              /* NOLINT: gcc's name */
extern int __llvm_profile_write_file(void) __attribute__((weak)); /* NOLINT: clang's name */

/* They are hidden in each file that was compiled for coverage, so its symbol table has to tell. Of
 * one file only the first that it has is called: the others do the same. */
static const char *const writers[] = { "__gcov_dump", "__gcov_exit", "__llvm_profile_write_file" };

static size_t entries(const struct kith__image *image, ElfW(Sxword) tag)
{
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Dyn) *d = (const ElfW(Dyn) *)(image->bias + image->headers[i].p_vaddr);

        if (image->headers[i].p_type != PT_DYNAMIC)
            continue;
        for (; d->d_tag != DT_NULL; d++)
            if (d->d_tag == tag)
                return d->d_un.d_val / sizeof(void *);
    }
    return 0;
}

/* What is compiled for coverage sets itself up when it is loaded; a plain C program has one entry in each
 * of these lists, and its file need not be looked at. */
static int may_have_coverage(const struct kith__image *image)
{
    return entries(image, DT_INIT_ARRAYSZ) > 1 || entries(image, DT_FINI_ARRAYSZ) > 1;
}

static int holds(const struct kith__image *image, void (*function)(void))
{
    uintptr_t address = (uintptr_t)function;

    return address >= image->start && address < image->end;
}

/* Of libc and of libkith it is known without a look at their symbols, of which there are thousands. */
static int is_known_to_have_none(const struct kith__image *image)
{
    if (image->is_program)
        return 0;
    if (holds(image, kith__coverage_flush))
        return !__gcov_exit && !__llvm_profile_write_file;
    return holds(image, (void (*)(void))abort);
}

static uintptr_t find(const struct kith__symbols *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->symbols[i].st_value != 0 && (s->symbols[i].st_info & 0xf) == STT_FUNC &&
            strcmp(kith__symbol_name(s, i), name) == 0)
            return s->symbols[i].st_value;
    return 0;
}

/* At most this many files: it is called at the end, when nothing should be allocated. */
struct found {
    uintptr_t writer[64];
    size_t count;
    uint64_t changes; /* of the list of files when they were searched; 0: never */
};
static struct found found;

static int look(const struct kith__image *image, void *arg)
{
    struct kith__symbols s;
    uintptr_t offset = 0;

    (void)arg;
    if (found.count == sizeof found.writer / sizeof found.writer[0] || !may_have_coverage(image) ||
        is_known_to_have_none(image))
        return 0;
    if (kith__image_symbols(image, &s))
        for (size_t i = 0; offset == 0 && i < sizeof writers / sizeof writers[0]; i++)
            offset = find(&s, writers[i]);
    kith__symbols_free(&s);
    if (offset)
        found.writer[found.count++] = image->bias + offset;
    return 0;
}

void kith__coverage_find(void)
{
    uint64_t changes = kith__image_changes();

    if (changes == found.changes)
        return;
    found.count = 0;
    kith__images(look, NULL);
    found.changes = changes;
}

void kith__coverage_flush(void)
{
    kith__coverage_find();
    for (size_t i = 0; i < found.count; i++)
        ((void (*)(void))found.writer[i])();
    if (__lsan_do_leak_check)
        __lsan_do_leak_check();
}
