/* image.h: the program and the libraries as they are loaded in this process.
 *
 * An image is one ELF file in memory. What is found here stays valid until the library is
 * closed by dlclose. Everything but the file's own symbol table is read from memory. */
#ifndef KITH_IMAGE_H
#define KITH_IMAGE_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

enum { KITH__ID_SIZE = 20 };

struct kith__image {
    uintptr_t bias;       /* what is added to the addresses in the file */
    uintptr_t start, end; /* of all that is loaded */
    const ElfW(Phdr) * headers;
    size_t header_count;
    const char *path; /* as the loader knows it; of the program: "" */
    const char *name; /* soname, or the last part of the path */
    int is_program;
};

/* Each fills *image and returns 1; 0: there is none. */
int kith__image_at(uintptr_t address, struct kith__image *image);
int kith__image_named(const char *name, struct kith__image *image);
int kith__image_with_id(const unsigned char id[KITH__ID_SIZE], struct kith__image *image);
int kith__image_program(struct kith__image *image);

/* Calls fn for each image until it returns not 0, which is returned. */
int kith__images(int (*fn)(const struct kith__image *image, void *arg), void *arg);

/* How often files were loaded and unloaded until now: while it is the same, so are the images. */
uint64_t kith__image_changes(void);

/* The build-id, or a digest of what is loaded read-only when it was linked without one. */
void kith__image_id(const struct kith__image *image, unsigned char id[KITH__ID_SIZE]);

/* The same without reading all of it, for processes of this node: of one without a build-id the file that is
 * mapped, as the kernel knows it. It is another one's as soon as nobody maps it. 1: it is the build-id. */
int kith__image_file_id(const struct kith__image *image, unsigned char id[KITH__ID_SIZE]);

int kith__image_holds(const struct kith__image *image, uintptr_t address);
int kith__image_is_code(const struct kith__image *image, uintptr_t address);

/* Symbols: those that other files may use, from memory. */
struct kith__exports {
    const ElfW(Sym) * symbols;
    size_t count;
    const char *strings;
    const ElfW(Half) * versions; /* NULL: has none */
    const ElfW(Verdef) * version_names;
};
void kith__image_exports(const struct kith__image *image, struct kith__exports *exports);
const char *kith__export_version(const struct kith__exports *exports, size_t i); /* "" : none */
int kith__export_is_default(const struct kith__exports *exports, size_t i);

/* All symbols, of static functions and variables too, from the file on disk. 0: it is
 * stripped, gone, or another file by now. Free it with kith__symbols_free, also then. */
struct kith__symbols {
    const ElfW(Sym) * symbols;
    size_t count;
    const char *strings;
    size_t strings_size;
    const unsigned char *file;
    size_t file_size;
};
int kith__image_symbols(const struct kith__image *image, struct kith__symbols *symbols);
void kith__symbols_free(struct kith__symbols *symbols);
static inline const char *kith__symbol_name(const struct kith__symbols *s, size_t i)
{
    return s->symbols[i].st_name < s->strings_size ? s->strings + s->symbols[i].st_name : "";
}

/* 1: the file at the image's path is still the one that was loaded. */
int kith__image_on_disk(const struct kith__image *image);

/* The name of the function at address, into buf: "partial", or "pi+0x12a4" when nobody knows it. Returns 1
 * for a true name. */
int kith__image_function(uintptr_t address, char *buf, size_t room);

/* Where an indirect function (one with variants for several CPUs) of the image that leads to
 * address here has its pointer: offset of that pointer, 0 for none. */
uintptr_t kith__image_indirect_slot(const struct kith__image *image, uintptr_t address);
uintptr_t kith__image_indirect_value(const struct kith__image *image,
                                     uintptr_t slot); /* the other way; 0: it is no such slot */

/* 1: the variable at offset of the program is a library's, which the loader has moved there: stdout, environ.
 */
int kith__image_is_copied(const struct kith__image *image, uintptr_t offset);

#endif
