/* program.c: see program.h. */
#include "config.h"
#include "program.h"
#include "log.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        if (errno != ENOTDIR && errno != EACCES)
            errno = ENOENT;
        return -1;
    }
    if (S_ISREG(st.st_mode) && access(path, X_OK) == 0)
        return 0;
    errno = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
    return -1;
}

int program_find(const char *name, char path[PATH_MAX])
{
    const char *list = getenv("PATH");
    int seen = ENOENT;

    if (strchr(name, '/')) {
        if (snprintf(path, PATH_MAX, "%s", name) < PATH_MAX)
            return executable(path);
        errno = ENAMETOOLONG;
        return -1;
    }
    for (const char *at = list ? list : "/usr/local/bin:/usr/bin:/bin"; *name && at;) {
        size_t n = strcspn(at, ":");

        if (snprintf(path, PATH_MAX, "%.*s/%s", (int)n, n ? at : ".", name) < PATH_MAX &&
            executable(path) == 0)
            return 0;
        if (errno == EACCES && access(path, F_OK) == 0)
            seen = EACCES;
        at = at[n] ? at + n + 1 : NULL;
    }
    errno = seen;
    return -1;
}

/* ---- what is in one */

struct image {
    const unsigned char *bytes; /* the whole file, which others may change meanwhile */
    size_t size;
};

static const void *part(const struct image *i, uint64_t at, uint64_t size)
{
    return at <= i->size && size <= i->size - at ? i->bytes + at : NULL;
}

static int is_import(const struct image *i, const Elf64_Shdr *names, const Elf64_Sym *s, const char *function)
{
    size_t size = strlen(function) + 1;
    const char *name = s->st_name < names->sh_size ? part(i, names->sh_offset + s->st_name, size) : NULL;

    return s->st_shndx == SHN_UNDEF && name && memcmp(name, function, size) == 0;
}

/* In the table of symbols that the loader is to find. */
static int finds_import(const struct image *i, const char *function)
{
    const Elf64_Ehdr *e = part(i, 0, sizeof *e);
    const Elf64_Shdr *all;

    if (!e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_ident[EI_CLASS] != ELFCLASS64 ||
        e->e_shoff % 8 != 0 || !(all = part(i, e->e_shoff, (uint64_t)e->e_shnum * sizeof *all)))
        return 0;
    for (int k = 0; k < e->e_shnum; k++) {
        const Elf64_Sym *s = part(i, all[k].sh_offset, all[k].sh_size);

        if (all[k].sh_type != SHT_DYNSYM || !s || all[k].sh_offset % 8 != 0 || all[k].sh_link >= e->e_shnum)
            continue;
        for (uint64_t n = 0; n < all[k].sh_size / sizeof *s; n++)
            if (is_import(i, &all[all[k].sh_link], &s[n], function))
                return 1;
    }
    return 0;
}

int program_imports(const char *path, const char *function)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), found = 0;
    struct image i = { .size = 0 };
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        i.size = (size_t)st.st_size;
        i.bytes = mmap(NULL, i.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (i.bytes != MAP_FAILED) {
            found = finds_import(&i, function);
            munmap((void *)(uintptr_t)i.bytes, i.size);
        }
    }
    if (fd >= 0)
        close(fd);
    return found;
}

/* ---- what is wrong with one */

static void log_not_executable(const char *name, int error)
{
    size_t n = strlen(name);

    if (error == EISDIR)
        log_line("%s: it is a directory, not a program", name);
    else if (n > 2 && strcmp(name + n - 2, ".c") == 0)
        log_line("%s: it is source code, not a program: cc %s $(pkg-config --cflags --libs kith) -o %.*s",
                 name, name, (int)n - 2, name);
    else
        log_line("%s: it is not executable: chmod +x %s", name, name);
}

/* The kernel may know more formats than these two by itself (binfmt_misc). */
static int has_more_formats(void)
{
    glob_t found;
    int n = glob("/proc/sys/fs/binfmt_misc/*", GLOB_NOSORT, NULL, &found) == 0 ? (int)found.gl_pathc : 0;

    globfree(&found);
    return n > 2; /* register and status are always there */
}

/* 1 when the file begins as a script, or as a program for the kind of machine that kith is for. */
static int is_format(const char *path)
{
    unsigned char own[20], its[20]; /* up to the machine, in an ELF header */
    FILE *f = fopen("/proc/self/exe", "re"), *g = fopen(path, "re");
    int known = !f || !g; /* a program may be executable and not readable */

    if (!known && fread(own, 1, sizeof own, f) == sizeof own) {
        size_t n = fread(its, 1, sizeof its, g);

        known = (n >= 2 && memcmp(its, "#!", 2) == 0) ||
                (n == sizeof its && memcmp(its, own, 6) == 0 && memcmp(its + 18, own + 18, 2) == 0);
    }
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return known || has_more_formats();
}

int program_check(const char *name)
{
    char path[PATH_MAX], here[PATH_MAX];
    int error;

    if (*name == '\0') {
        log_line("the program's name is empty");
        return EXIT_NOT_FOUND;
    }
    if (program_find(name, path) == 0) {
        if (is_format(path))
            return 0;
        log_line("%s: it is neither a program for this machine nor a script that begins with #!", name);
        return EXIT_NOT_EXECUTABLE;
    }
    error = errno;
    if (error == EACCES || error == EISDIR) {
        log_not_executable(name, error);
        return EXIT_NOT_EXECUTABLE;
    }
    snprintf(here, sizeof here, "./%s", name);
    if (!strchr(name, '/') && program_find(here, path) == 0)
        log_line("%s: it is not in PATH; the one in this directory is called ./%s", name, name);
    else if (!strchr(name, '/') && (errno == EACCES || errno == EISDIR))
        log_not_executable(name, errno);
    else
        log_line("%s: there is no such program%s", name, strchr(name, '/') ? "" : " in PATH");
    return EXIT_NOT_FOUND;
}
