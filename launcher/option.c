/* option.c: see option.h. */
#include "config.h"
#include "option.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is word, of length bytes, one of the names? */
static int named(const char *names, const char *word, size_t length)
{
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, "|");

        if (n == length && memcmp(at, word, n) == 0)
            return 1;
        at += n + (at[n] == '|');
    }
    return 0;
}

/* The option that word stands for; *value is what is joined to it: --host=a, -n4. */
static const struct option *find(const struct option *table, const char *word, const char **value)
{
    size_t length = strlen(word), name = strcspn(word, "=");

    for (const struct option *o = table; o->names; o++) {
        *value = NULL;
        if (named(o->names, word, length))
            return o;
        *value = word + name + 1;
        if (name < length && o->argument && named(o->names, word, name))
            return o;
    }
    for (const struct option *o = table; o->names; o++) {
        *value = word + 2;
        if (word[1] != '-' && length > 2 && o->argument && named(o->names, word, 2))
            return o;
    }
    return NULL;
}

int options_read(const struct option *table, int argc, char **argv, void *to)
{
    int i;

    for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        const char *value;
        const struct option *o;

        if (strcmp(argv[i], "--") == 0)
            return i + 1;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return OPTIONS_HELP;
        o = find(table, argv[i], &value);
        if (!o) {
            log_line("%s: no such option: see kith help %s", argv[i], argv[0]);
            return OPTIONS_WRONG;
        }
        if (o->argument && !value) {
            if (i + 1 == argc) {
                log_line("%s: %s is missing after it", argv[i], o->argument);
                return OPTIONS_WRONG;
            }
            value = argv[++i];
        }
        if (o->set(to, value) < 0)
            return OPTIONS_WRONG;
    }
    return i;
}

void options_help(const struct option *table)
{
    for (const struct option *o = table; o->names; o++) {
        char left[64];

        snprintf(left, sizeof left, "%.*s%s%s", (int)strcspn(o->names, "|"), o->names, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        printf("  %-22s %s\n", left, o->help);
    }
    printf("  %-22s %s\n", "--help", "this text");
}

int option_number(const char *text, long least, long most, long *n)
{
    char *end;
    long value;

    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    value = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < least || value > most)
        return -1;
    *n = value;
    return 0;
}
