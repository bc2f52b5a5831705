/* setup.c: see setup.h.
 *
 * Each entry is a letter and a text that ends with a NUL: d, a folder; o, a file for stdout; e, one for
 * stderr; a, files are not emptied; v, NAME=value; u, the name of a variable that is taken away.
 *
 * The limit of memory is RLIMIT_DATA: what the process may have in private, writable memory, the kernel
 * counts for each mapping. RLIMIT_AS would count kith's arena, of which a process maps many GiB and uses
 * little, and what malloc reserves for threads without using it; a cgroup would count pages, and exactly, but
 * a batch job may seldom make one, and it kills where this lets malloc return NULL. Memory of kith_alloc is
 * not counted: it is everybody's, and KITH_MEM is its limit.
 */
#include "config.h"
#include "object/setup.h"
#include "base/error.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- in the program */

struct packing {
    char *bytes;
    size_t room, used;
};

static void add(struct packing *p, char letter, const char *text, size_t length)
{
    if (p->used + length + 2 <= p->room) {
        p->bytes[p->used] = letter;
        memcpy(p->bytes + p->used + 1, text, length);
        p->bytes[p->used + 1 + length] = '\0';
    }
    p->used += length + 2;
}

static void add_text(struct packing *p, char letter, const char *text)
{
    if (text)
        add(p, letter, text, strlen(text));
}

static int add_variables(struct packing *p, const char *const *env)
{
    for (; env && *env; env++) {
        if (**env == '\0' || **env == '=')
            return kith__fail(KITH_EINVAL, "the variable \"%.80s\" of .env has no name: give NAME=value",
                              *env);
        add_text(p, strchr(*env, '=') ? 'v' : 'u', *env);
    }
    return 0;
}

static int check_path(const char *option, const char *path)
{
    if (path && *path == '\0')
        return kith__fail(KITH_EINVAL, "the path of %s is empty: leave it out, or give one", option);
    return 0;
}

int64_t kith__setup_pack(const struct kith_process_options *o, char *bytes, size_t room)
{
    struct packing p = { bytes, room, 0 };
    int rc;

    if ((rc = check_path(".out", o->out)) < 0 || (rc = check_path(".err", o->err)) < 0 ||
        (rc = check_path(".directory", o->directory)) < 0)
        return rc;
    if (o->append)
        add(&p, 'a', "", 0);
    add_text(&p, 'o', o->out);
    add_text(&p, 'e', o->err);
    add_text(&p, 'd', o->directory);
    if ((rc = add_variables(&p, o->env)) < 0)
        return rc;
    return (int64_t)p.used;
}

/* ---- in the Process */

/* The text of the first entry with that letter; NULL: there is none. */
static const char *find(const char *bytes, size_t size, char letter)
{
    for (const char *at = bytes; at < bytes + size; at += strlen(at) + 1)
        if (*at == letter)
            return at + 1;
    return NULL;
}

static int open_file(const char *path, int append)
{
    /* Whoever else writes there, and what it starts itself, writes at the end in any case. */
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (append ? 0 : O_TRUNC), 0666);

    return fd < 0 ? kith__fail_errno(KITH_EINVAL, "cannot write to %s", path) : fd;
}

/* Both are open before one is put in place, so that a message about the other is seen. Paths are those of the
 * program: the folder comes later. */
static int redirect(const char *out, const char *err, int append)
{
    int out_fd = -1, err_fd = -1, rc = 0;

    if (out && (out_fd = open_file(out, append)) < 0)
        return out_fd;
    if (err && out && strcmp(err, out) == 0)
        err_fd = out_fd;
    else if (err && (err_fd = open_file(err, append)) < 0)
        rc = err_fd;
    if (rc == 0 && ((out && dup2(out_fd, STDOUT_FILENO) < 0) || (err && dup2(err_fd, STDERR_FILENO) < 0)))
        rc = kith__fail_errno(KITH_ENOMEM, "cannot redirect the output");
    if (out_fd > STDERR_FILENO)
        close(out_fd);
    if (err_fd > STDERR_FILENO && err_fd != out_fd)
        close(err_fd);
    return rc;
}

static int set_variable(char letter, const char *text)
{
    const char *value = strchr(text, '=');
    char *name;
    int rc;

    if (letter == 'u')
        return unsetenv(text);
    if (!(name = strndup(text, (size_t)(value - text))))
        return -1;
    rc = setenv(name, value + 1, 1);
    free(name);
    return rc;
}

static int set_variables(const char *bytes, size_t size)
{
    for (const char *at = bytes; at < bytes + size; at += strlen(at) + 1)
        if ((*at == 'v' || *at == 'u') && set_variable(*at, at + 1) < 0)
            return kith__fail_errno(KITH_ENOMEM, "cannot set the variable %.80s", at + 1);
    return 0;
}

int kith__setup_apply(const char *bytes, size_t size)
{
    const char *directory;
    int rc;

    if (size == 0)
        return 0;
    if (bytes[size - 1] != '\0')
        return kith__fail(KITH_EINVAL, "the options of a Process are damaged");
    if ((rc = set_variables(bytes, size)) < 0)
        return rc;
    directory = find(bytes, size, 'd');
    if (directory && access(directory, X_OK) < 0)
        return kith__fail_errno(KITH_EINVAL, "cannot run in %s", directory);
    if ((rc = redirect(find(bytes, size, 'o'), find(bytes, size, 'e'), find(bytes, size, 'a') != NULL)) < 0)
        return rc;
    if (directory && chdir(directory) < 0)
        return kith__fail_errno(KITH_EINVAL, "cannot run in %s", directory);
    return 0;
}

/* Private memory that it has; what a kernel without /proc does not tell is little. */
static uint64_t private_memory(void)
{
    unsigned long long data = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return 0;
    if (fscanf(f, "%*u %*u %*u %*u %*u %llu", &data) != 1)
        data = 0;
    fclose(f);
    return (uint64_t)data * (uint64_t)sysconf(_SC_PAGESIZE);
}

int kith__setup_limit_memory(uint64_t bytes)
{
    struct rlimit limit;
    uint64_t all;

    if (bytes == 0)
        return 0;
    all = private_memory() + bytes;
    if (getrlimit(RLIMIT_DATA, &limit) < 0)
        return kith__fail_errno(KITH_ENOMEM, "cannot limit the memory");
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max <= all)
        return 0; /* there is less already */
    limit.rlim_cur = limit.rlim_max = all;
    if (setrlimit(RLIMIT_DATA, &limit) < 0)
        return kith__fail_errno(KITH_ENOMEM, "cannot limit the memory");
    return 0;
}
