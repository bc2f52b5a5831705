/* env.c: see env.h. Part of the command kith, too. */
#include "config.h"
#include "base/env.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(name, values, normal, meaning) { "KITH_" #name, values, normal, meaning },
const struct kith__variable kith__variables[KITH__ENV_COUNT] = { KITH__ENV(ROW) };

const char *kith__env(enum kith__env v)
{
    const char *value = getenv(kith__variables[v].name);

    return value && *value ? value : NULL;
}

/* Which of the words it is; -1: none. *count: how many there are. */
static int place(const char *words, const char *value, int *count)
{
    int found = -1;

    *count = 0;
    for (const char *at = words; *at; (*count)++) {
        size_t length = strcspn(at, "|");

        if (strlen(value) == length && memcmp(at, value, length) == 0)
            found = *count;
        at += length + (at[length] == '|');
    }
    return found;
}

int kith__env_word(enum kith__env v)
{
    const char *value = kith__env(v);
    int count;

    return value ? place(kith__variables[v].values, value, &count) : -1;
}

int kith__env_on(enum kith__env v)
{
    return kith__env_word(v) == 1;
}

int kith__env_is_valid(enum kith__env v, char *text, size_t room)
{
    const char *value = kith__env(v), *words = kith__variables[v].values;
    int count, at = 0;
    size_t used;

    if (!value || isupper((unsigned char)words[0]) || place(words, value, &count) >= 0)
        return 1;
    snprintf(text, room, "%s=%.40s is unknown: use ", kith__variables[v].name, value);
    used = strlen(text);
    for (; *words && used < room; words += strcspn(words, "|"), words += *words == '|', at++)
        used += (size_t)snprintf(text + used, room - used, "%s%.*s",
                                 at == 0           ? ""
                                 : at == count - 1 ? " or "
                                                   : ", ",
                                 (int)strcspn(words, "|"), words);
    return 0;
}
