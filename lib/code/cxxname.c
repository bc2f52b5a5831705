/* cxxname.c: see cxxname.h; the grammar is that of the Itanium C++ ABI, 5.1. */
#include "config.h"
#include "code/cxxname.h"

#include <stdio.h>
#include <string.h>

struct text {
    char *at;
    size_t room, used;
};

static int put(struct text *t, const char *bytes, size_t size)
{
    if (t->used + size >= t->room)
        return 0;
    memcpy(t->at + t->used, bytes, size);
    t->at[t->used += size] = '\0';
    return 1;
}

/* "St" stands for the namespace std. */
static int put_std(struct text *t, const char **symbol)
{
    if (strncmp(*symbol, "St", 2) != 0)
        return 1;
    *symbol += 2;
    return put(t, "std", 3);
}

/* "5count"; the number of an unnamed namespace has a name, too, which nobody has written. */
static int put_one(struct text *t, const char **symbol)
{
    const char *p = *symbol;
    size_t length = 0;

    if (*p == 'L')
        p++;
    while (*p >= '0' && *p <= '9' && length < 1000)
        length = 10 * length + (size_t)(*p++ - '0');
    if (length == 0 || strnlen(p, length) < length)
        return 0;
    *symbol = p + length;
    if (strncmp(p, "_GLOBAL__N", 10) == 0)
        return 1;
    return (t->used == 0 || put(t, "::", 2)) && put(t, p, length);
}

static int put_name(struct text *t, const char **symbol)
{
    if (**symbol != 'N')
        return put_std(t, symbol) && put_one(t, symbol);
    ++*symbol;
    if (!put_std(t, symbol))
        return 0;
    while (**symbol != 'E')
        if (!put_one(t, symbol))
            return 0;
    ++*symbol;
    return 1;
}

/* As gcc has it; as clang has it. */
static int is_lambda(const char *symbol)
{
    const char *end = strchr(symbol, 'E');

    if (!end || end[1] != 'N')
        return 0;
    return strncmp(end + 2, "Ul", 2) == 0 || strncmp(end + 2 + strspn(end + 2, "0123456789"), "$_", 2) == 0;
}

static int convert(struct text *t, const char *symbol)
{
    if (strncmp(symbol, "_ZZ", 3) == 0) {
        symbol += 3;
        return put_name(t, &symbol) && is_lambda(symbol) && put(t, "::lambda", 8);
    }
    if (strncmp(symbol, "_Z", 2) != 0)
        return 0;
    symbol += 2;
    return put_name(t, &symbol) && *symbol != 'I' && t->used > 0;
}

void kith__cxx_name(const char *symbol, char *buf, size_t room)
{
    struct text t = { buf, room, 0 };

    if (!convert(&t, symbol))
        snprintf(buf, room, "%s", symbol);
}
