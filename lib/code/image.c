/* image.c: see image.h. */
#include "config.h"
#include "code/image.h"
#include "code/cxxname.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Relocations that put the address of an indirect function into a pointer, and those that move a library's
 * variable into the program. 0 matches nothing. */
#if defined __x86_64__
#define IRELATIVE R_X86_64_IRELATIVE
#define COPY R_X86_64_COPY
#elif defined __aarch64__
#define IRELATIVE R_AARCH64_IRELATIVE
#define COPY R_AARCH64_COPY
#elif defined __powerpc64__
#define IRELATIVE R_PPC64_IRELATIVE
#define COPY R_PPC64_COPY
#elif defined __riscv
#define IRELATIVE 58
#define COPY 4
#elif defined __s390x__
#define IRELATIVE R_390_IRELATIVE
#define COPY R_390_COPY
#else
#define IRELATIVE 0
#define COPY 0
#endif

#if __SIZEOF_POINTER__ == 8
#define RELOCATION_TYPE(info) ELF64_R_TYPE(info)
#else
#define RELOCATION_TYPE(info) ELF32_R_TYPE(info)
#endif

/* The file of the program as the kernel knows it, also when it was renamed. */
#define PROGRAM_FILE "/proc/self/exe"

/* ---- finding images */

struct search {
    int (*fn)(const struct kith__image *image, void *arg);
    void *arg;
    int count;
};

static const ElfW(Dyn) * dynamic(const struct kith__image *image)
{
    for (size_t i = 0; i < image->header_count; i++)
        if (image->headers[i].p_type == PT_DYNAMIC)
            return (const ElfW(Dyn) *)(image->bias + image->headers[i].p_vaddr);
    return NULL;
}

/* The loader turns these entries into addresses in place, but not in the kernel's own image. */
static uintptr_t entry_address(const struct kith__image *image, ElfW(Addr) value)
{
    return value >= image->start && value < image->end ? value : image->bias + value;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static const char *image_name(const struct kith__image *image)
{
    const ElfW(Dyn) *d = dynamic(image);
    ElfW(Addr) strings = 0, soname = 0;
    int has_name = 0;

    if (image->is_program)
        return program_invocation_short_name;
    for (; d && d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_STRTAB)
            strings = d->d_un.d_ptr;
        if (d->d_tag == DT_SONAME)
            soname = d->d_un.d_val, has_name = 1;
    }
    if (has_name && strings)
        return (const char *)entry_address(image, strings) + soname;
    return last_part(image->path);
}

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    struct kith__image image = { .bias = info->dlpi_addr,
                                 .start = UINTPTR_MAX,
                                 .headers = info->dlpi_phdr,
                                 .header_count = info->dlpi_phnum,
                                 .path = info->dlpi_name ? info->dlpi_name : "",
                                 .is_program = s->count++ == 0 };

    (void)size;
    for (size_t i = 0; i < image.header_count; i++) {
        const ElfW(Phdr) *h = &image.headers[i];

        if (h->p_type != PT_LOAD)
            continue;
        if (image.bias + h->p_vaddr < image.start)
            image.start = image.bias + h->p_vaddr;
        if (image.bias + h->p_vaddr + h->p_memsz > image.end)
            image.end = image.bias + h->p_vaddr + h->p_memsz;
    }
    image.name = image_name(&image);
    return s->fn(&image, s->arg);
}

int kith__images(int (*fn)(const struct kith__image *image, void *arg), void *arg)
{
    struct search s = { fn, arg, 0 };

    return dl_iterate_phdr(visit, &s);
}

static int count_changes(struct dl_phdr_info *info, size_t size, void *arg)
{
    uint64_t *n = arg;

    (void)size;
    *n = (uint64_t)info->dlpi_adds + info->dlpi_subs;
    return 1; /* each says the same */
}

uint64_t kith__image_changes(void)
{
    uint64_t n = 0;

    dl_iterate_phdr(count_changes, &n);
    return n;
}

struct wanted {
    uintptr_t address;
    const char *name;
    const unsigned char *id;
    struct kith__image *out;
};

/* Libraries may lie in the gaps between the segments of another, so the segments decide. */
int kith__image_holds(const struct kith__image *image, uintptr_t address)
{
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *h = &image->headers[i];

        if (h->p_type == PT_LOAD && address - (image->bias + h->p_vaddr) < h->p_memsz)
            return 1;
    }
    return 0;
}

static int is_wanted(const struct kith__image *image, void *arg)
{
    struct wanted *w = arg;
    unsigned char id[KITH__ID_SIZE];

    if (w->address && !kith__image_holds(image, w->address))
        return 0;
    if (w->name && (image->is_program || strcmp(image->name, w->name) != 0))
        return 0;
    if (w->id) {
        kith__image_id(image, id);
        if (memcmp(id, w->id, sizeof id) != 0)
            return 0;
    }
    *w->out = *image;
    return 1;
}

int kith__image_at(uintptr_t address, struct kith__image *image)
{
    return address && kith__images(is_wanted, &(struct wanted){ .address = address, .out = image });
}

int kith__image_named(const char *name, struct kith__image *image)
{
    return kith__images(is_wanted, &(struct wanted){ .name = name, .out = image });
}

int kith__image_with_id(const unsigned char id[KITH__ID_SIZE], struct kith__image *image)
{
    return kith__images(is_wanted, &(struct wanted){ .id = id, .out = image });
}

int kith__image_program(struct kith__image *image)
{
    return kith__images(is_wanted, &(struct wanted){ .out = image }); /* the first one */
}

int kith__image_is_code(const struct kith__image *image, uintptr_t address)
{
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *h = &image->headers[i];

        if (h->p_type == PT_LOAD && (h->p_flags & PF_X) && address - (image->bias + h->p_vaddr) < h->p_memsz)
            return 1;
    }
    return 0;
}

/* ---- identity */

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* The build-id among the notes in [p, p + size). */
static int note_id(const unsigned char *p, size_t size, unsigned char id[KITH__ID_SIZE])
{
    ElfW(Nhdr) note;

    while (size >= sizeof note) {
        size_t name, value;

        memcpy(&note, p, sizeof note);
        name = padded(note.n_namesz);
        value = padded(note.n_descsz);
        if (name > size || value > size || sizeof note + name + value > size)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(p + sizeof note, "GNU", 4) == 0) {
            memset(id, 0, KITH__ID_SIZE);
            memcpy(id, p + sizeof note + name, note.n_descsz < KITH__ID_SIZE ? note.n_descsz : KITH__ID_SIZE);
            return 1;
        }
        p += sizeof note + name + value;
        size -= sizeof note + name + value;
    }
    return 0;
}

static uint64_t mixed(uint64_t x) /* the finalizer of MurmurHash3: each bit of x reaches all */
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static void digest(uint64_t state[3], const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = 0;

        memcpy(&word, p + i, size - i < 8 ? size - i : 8);
        state[0] = mixed(state[0] ^ word);
        state[1] = (state[1] ^ word) * UINT64_C(0x9e3779b97f4a7c15) + (state[1] >> 29);
        state[2] = mixed(state[2] + word * UINT64_C(0xd1342543de82ef95));
    }
}

/* Read-only segments are the same at every address that they are loaded at. */
static void content_id(const struct kith__image *image, unsigned char id[KITH__ID_SIZE])
{
    uint64_t state[3] = { 1, 2, 3 };

    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *h = &image->headers[i];

        if (h->p_type == PT_LOAD && (h->p_flags & PF_R) && !(h->p_flags & PF_W))
            digest(state, (const unsigned char *)(image->bias + h->p_vaddr), h->p_filesz);
    }
    state[1] = mixed(state[1]);
    memcpy(id, state, KITH__ID_SIZE);
}

static int build_id(const struct kith__image *image, unsigned char id[KITH__ID_SIZE])
{
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *h = &image->headers[i];

        if (h->p_type == PT_NOTE &&
            note_id((const unsigned char *)(image->bias + h->p_vaddr), h->p_memsz, id))
            return 1;
    }
    return 0;
}

void kith__image_id(const struct kith__image *image, unsigned char id[KITH__ID_SIZE])
{
    if (!build_id(image, id))
        content_id(image, id);
}

/* Device and inode of the file that is mapped at address; zeros when there is none. */
static void mapped_file(uintptr_t address, unsigned char id[KITH__ID_SIZE])
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long start, end, major, minor;
    unsigned long long file[2];
    char line[512];

    memset(id, 0, KITH__ID_SIZE);
    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %*s %*s %lx:%lx %llu", &start, &end, &major, &minor, &file[1]) == 5 &&
            address >= start && address < end) {
            file[0] = (unsigned long long)major << 32 | minor;
            memcpy(id, file, sizeof file);
            break;
        }
    if (maps)
        fclose(maps);
}

int kith__image_file_id(const struct kith__image *image, unsigned char id[KITH__ID_SIZE])
{
    if (build_id(image, id))
        return 1;
    mapped_file(image->start, id);
    return 0;
}

/* ---- exported symbols */

/* The GNU hash table tells no number of symbols: it is the end of the last chain. */
static size_t gnu_hash_count(const uint32_t *table)
{
    uint32_t buckets = table[0], first = table[1], bloom = table[2];
    const uint32_t *bucket = table + 4 + bloom * (sizeof(ElfW(Addr)) / 4), *chain = bucket + buckets;
    uint32_t last = 0;

    for (uint32_t i = 0; i < buckets; i++)
        if (bucket[i] > last)
            last = bucket[i];
    if (last < first)
        return first;
    while (!(chain[last - first] & 1))
        last++;
    return last + 1;
}

void kith__image_exports(const struct kith__image *image, struct kith__exports *exports)
{
    memset(exports, 0, sizeof *exports);
    for (const ElfW(Dyn) *d = dynamic(image); d && d->d_tag != DT_NULL; d++) {
        const void *p = (const void *)entry_address(image, d->d_un.d_ptr);

        switch (d->d_tag) {
        case DT_SYMTAB: exports->symbols = p; break;
        case DT_STRTAB: exports->strings = p; break;
        case DT_VERSYM: exports->versions = p; break;
        case DT_VERDEF: exports->version_names = p; break;
        case DT_GNU_HASH: exports->count = gnu_hash_count(p); break;
        case DT_HASH:
            if (exports->count == 0)
                exports->count = ((const uint32_t *)p)[1];
            break;
        }
    }
    if (!exports->symbols || !exports->strings)
        exports->count = 0;
}

const char *kith__export_version(const struct kith__exports *exports, size_t i)
{
    const ElfW(Verdef) *v = exports->version_names;
    unsigned wanted;

    if (!exports->versions || !v)
        return "";
    wanted = exports->versions[i] & 0x7fff;
    if (wanted <= VER_NDX_GLOBAL)
        return "";
    for (;;) {
        if (v->vd_ndx == wanted)
            return exports->strings + ((const ElfW(Verdaux) *)((const char *)v + v->vd_aux))->vda_name;
        if (v->vd_next == 0)
            return "";
        v = (const ElfW(Verdef) *)((const char *)v + v->vd_next);
    }
}

int kith__export_is_default(const struct kith__exports *exports, size_t i)
{
    return !exports->versions || !(exports->versions[i] & 0x8000);
}

/* ---- the file's symbols */

static int inside(const struct kith__symbols *s, uint64_t at, uint64_t size)
{
    return at <= s->file_size && size <= s->file_size - at;
}

/* Whether the file on disk is still the one that was loaded. */
static int same_file(const struct kith__image *image, const struct kith__symbols *s)
{
    const ElfW(Ehdr) *e = (const ElfW(Ehdr) *)s->file;
    unsigned char here[KITH__ID_SIZE], there[KITH__ID_SIZE];

    if (!inside(s, e->e_phoff, (uint64_t)e->e_phnum * sizeof(ElfW(Phdr))) ||
        e->e_phnum != image->header_count ||
        memcmp(s->file + e->e_phoff, image->headers, e->e_phnum * sizeof(ElfW(Phdr))) != 0)
        return 0;
    kith__image_id(image, here);
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *h = &image->headers[i];

        if (h->p_type == PT_NOTE && inside(s, h->p_offset, h->p_filesz) &&
            note_id(s->file + h->p_offset, h->p_filesz, there))
            return memcmp(here, there, sizeof here) == 0;
    }
    return 1; /* without a build-id: the same segments, which must do */
}

static int find_table(struct kith__symbols *s)
{
    const ElfW(Ehdr) *e = (const ElfW(Ehdr) *)s->file;
    const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(s->file + e->e_shoff);

    if (e->e_shoff == 0 || e->e_shoff % sizeof(void *) != 0 ||
        !inside(s, e->e_shoff, (uint64_t)e->e_shnum * sizeof *sections))
        return 0;
    for (size_t i = 0; i < e->e_shnum; i++) {
        const ElfW(Shdr) * names;

        if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= e->e_shnum)
            continue;
        names = &sections[sections[i].sh_link];
        if (!inside(s, sections[i].sh_offset, sections[i].sh_size) ||
            !inside(s, names->sh_offset, names->sh_size) || names->sh_size == 0 ||
            s->file[names->sh_offset + names->sh_size - 1] != '\0')
            return 0;
        s->symbols = (const ElfW(Sym) *)(s->file + sections[i].sh_offset);
        s->count = sections[i].sh_size / sizeof *s->symbols;
        s->strings = (const char *)s->file + names->sh_offset;
        s->strings_size = names->sh_size;
        return 1;
    }
    return 0;
}

/* Maps the file; 0: it is gone, or another one by now. */
static int map_file(const struct kith__image *image, struct kith__symbols *s)
{
    int fd = open(image->is_program ? PROGRAM_FILE : image->path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *p = MAP_FAILED;

    memset(s, 0, sizeof *s);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof(ElfW(Ehdr)))
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return 0;
    s->file = p;
    s->file_size = (size_t)st.st_size;
    return memcmp(s->file, ELFMAG, SELFMAG) == 0 && same_file(image, s);
}

int kith__image_symbols(const struct kith__image *image, struct kith__symbols *s)
{
    return map_file(image, s) && find_table(s);
}

int kith__image_on_disk(const struct kith__image *image)
{
    struct kith__symbols s;
    int there = map_file(image, &s);

    kith__symbols_free(&s);
    return there;
}

void kith__symbols_free(struct kith__symbols *s)
{
    if (s->file)
        munmap((void *)(uintptr_t)s->file, s->file_size);
    memset(s, 0, sizeof *s);
}

/* ---- functions */

static int covers(const ElfW(Sym) * symbol, uintptr_t offset)
{
    int type = symbol->st_info & 0xf;

    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_value == 0 || offset < symbol->st_value)
        return 0;
    if (symbol->st_shndx == SHN_UNDEF) /* a stub of the program that stands for a library's function */
        return offset == symbol->st_value;
    return offset - symbol->st_value < (symbol->st_size ? symbol->st_size : 1);
}

static int copy_name(char *buf, size_t room, const char *name)
{
    if (name[0] == '\0')
        return 0;
    kith__cxx_name(name, buf, room);
    return 1;
}

static int name_from_file(const struct kith__image *image, uintptr_t offset, char *buf, size_t room)
{
    struct kith__symbols s;
    int found = 0;

    if (kith__image_symbols(image, &s))
        for (size_t i = 0; i < s.count && !found; i++)
            if (covers(&s.symbols[i], offset))
                found = copy_name(buf, room, kith__symbol_name(&s, i));
    kith__symbols_free(&s);
    return found;
}

/* Of several names the shortest: free, not __libc_free. */
static int name_from_exports(const struct kith__image *image, uintptr_t offset, char *buf, size_t room)
{
    const char *best = NULL, *name;
    struct kith__exports e;

    kith__image_exports(image, &e);
    for (size_t i = 0; i < e.count; i++) {
        name = e.strings + e.symbols[i].st_name;
        if (covers(&e.symbols[i], offset) && (!best || strlen(name) < strlen(best)))
            best = name;
    }
    return best && copy_name(buf, room, best);
}

int kith__image_function(uintptr_t address, char *buf, size_t room)
{
    struct kith__image image;

    if (!kith__image_at(address, &image)) {
        snprintf(buf, room, "0x%zx", (size_t)address);
        return 0;
    }
    if (name_from_exports(&image, address - image.bias, buf, room) ||
        name_from_file(&image, address - image.bias, buf, room))
        return 1;
    snprintf(buf, room, "%s+0x%zx", image.name, (size_t)(address - image.bias));
    return 0;
}

/* ---- relocations */

struct relocations {
    uintptr_t table;
    size_t size, entry;
};

/* Those of data, and those of calls. */
static void relocations(const struct kith__image *image, struct relocations r[2])
{
    r[0] = r[1] = (struct relocations){ 0, 0, sizeof(ElfW(Rela)) };
    for (const ElfW(Dyn) *d = dynamic(image); d && d->d_tag != DT_NULL; d++)
        switch (d->d_tag) {
        case DT_RELA:
        case DT_REL: r[0].table = entry_address(image, d->d_un.d_ptr); break;
        case DT_RELASZ:
        case DT_RELSZ: r[0].size = d->d_un.d_val; break;
        case DT_RELAENT:
        case DT_RELENT: r[0].entry = d->d_un.d_val; break;
        case DT_JMPREL: r[1].table = entry_address(image, d->d_un.d_ptr); break;
        case DT_PLTRELSZ: r[1].size = d->d_un.d_val; break;
        case DT_PLTREL: r[1].entry = d->d_un.d_val == DT_RELA ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel)); break;
        }
    for (int i = 0; i < 2; i++)
        if (!r[i].table || r[i].entry < sizeof(ElfW(Rel)))
            r[i].size = 0;
}

/* The i-th; a Rela begins like a Rel. NULL: there are no more. */
static const ElfW(Rel) * relocation(const struct relocations *r, size_t i)
{
    return (i + 1) * r->entry <= r->size ? (const ElfW(Rel) *)(r->table + i * r->entry) : NULL;
}

/* The loader has put the chosen variant into a pointer for each use. The one at offset slot, or, with 0, the
 * first that leads to address. */
static const uintptr_t *indirect(const struct kith__image *image, uintptr_t slot, uintptr_t address)
{
    struct relocations all[2];
    const ElfW(Rel) * r;

    if (!IRELATIVE)
        return NULL;
    relocations(image, all);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; (r = relocation(&all[k], i)); i++) {
            const uintptr_t *p = (const uintptr_t *)(image->bias + r->r_offset);

            if (RELOCATION_TYPE(r->r_info) == IRELATIVE && (slot ? r->r_offset == slot : *p == address))
                return p;
        }
    return NULL;
}

uintptr_t kith__image_indirect_slot(const struct kith__image *image, uintptr_t address)
{
    const uintptr_t *p = indirect(image, 0, address);

    return p ? (uintptr_t)p - image->bias : 0;
}

uintptr_t kith__image_indirect_value(const struct kith__image *image, uintptr_t slot)
{
    const uintptr_t *p = slot ? indirect(image, slot, 0) : NULL;

    return p ? *p : 0;
}

int kith__image_is_copied(const struct kith__image *image, uintptr_t offset)
{
    struct relocations all[2];
    const ElfW(Rel) * r;

    if (!COPY)
        return 0;
    relocations(image, all);
    for (size_t i = 0; (r = relocation(&all[0], i)); i++)
        if (RELOCATION_TYPE(r->r_info) == COPY && r->r_offset == offset)
            return 1;
    return 0;
}
