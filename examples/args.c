/* args.c: see args.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for program_invocation_short_name */
#endif
#include "args.h"

#include <kith.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where every rank runs main, each of them comes here: one speaks for all. */
static _Noreturn void refuse(const char *what, const char *format, ...) KITH_PRINTF(2, 3);

static _Noreturn void refuse(const char *what, const char *format, ...)
{
    va_list ap;
    char why[256];

    va_start(ap, format);
    vsnprintf(why, sizeof why, format, ap);
    va_end(ap);
    if (kith_rank() == 0)
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(2);
}

static void take_out(int *argc, char **argv, int index, int words)
{
    *argc -= words;
    for (int i = index; i <= *argc; i++)
        argv[i] = argv[i + words];
}

/* The options that were asked for, as --help shows them. */
static char options[200];

static void note(const char *name, const char *value)
{
    size_t used = strlen(options);

    snprintf(options + used, sizeof options - used, " [%s%s]", name, value);
}

/* Where the option stands in argv; 0: nowhere. */
static int find(int argc, char **argv, const char *name)
{
    size_t length = strlen(name);

    for (int i = 1; i < argc; i++) {
        const char *rest = argv[i] + length;

        if (strncmp(argv[i], name, length) == 0 && (*rest == '\0' || *rest == '=' || name[1] != '-'))
            return i;
    }
    return 0;
}

const char *args_option(int *argc, char **argv, const char *name)
{
    int i = find(*argc, argv, name), apart;
    const char *value;

    note(name, " N");
    if (i == 0)
        return NULL;
    value = argv[i] + strlen(name);
    apart = *value == '\0';
    value = apart ? argv[i + 1] : value + (*value == '=');
    if (!value)
        refuse(name, "its value is missing");
    take_out(argc, argv, i, 1 + apart);
    if (find(*argc, argv, name))
        refuse(name, "it is there twice");
    return value;
}

int args_flag(int *argc, char **argv, const char *name)
{
    int found = 0;

    note(name, "");
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            take_out(argc, argv, i--, 1);
            found = 1;
        }
    }
    return found;
}

/* Reads digits, with "_" between them as in Python, and with a "." that moves the exponent.
 * Returns where they end; NULL when there are none; *overflow when they are too many. */
static const char *read_digits(const char *s, uint64_t *value, int *exponent, int *overflow)
{
    int digits = 0, point = 0;

    for (;; s++) {
        if (*s == '.' && !point) {
            point = 1;
        } else if (*s >= '0' && *s <= '9') {
            digits++;
            *exponent -= point;
            *overflow |= __builtin_mul_overflow(*value, 10, value);
            *overflow |= __builtin_add_overflow(*value, (uint64_t)(*s - '0'), value);
        } else if (*s != '_' || digits == 0 || s[1] < '0' || s[1] > '9') {
            return digits ? s : NULL;
        }
    }
}

/* What stands behind the "e". Returns where it ends; NULL when it is no number. */
static const char *read_exponent(const char *s, int *exponent)
{
    int sign = *s == '-' ? -1 : 1, value = 0;

    s += *s == '-' || *s == '+';
    if (*s < '0' || *s > '9')
        return NULL;
    for (; *s >= '0' && *s <= '9'; s++)
        value = value > 1000 ? value : value * 10 + (*s - '0');
    *exponent += sign * value;
    return s;
}

/* Moves the decimal point. 0, or -1 when the value is not whole any more. */
static int shift(uint64_t *value, int exponent, int *overflow)
{
    for (; exponent > 0 && *value != 0 && !*overflow; exponent--)
        *overflow |= __builtin_mul_overflow(*value, 10, value);
    for (; exponent < 0; exponent++) {
        if (*value % 10 != 0)
            return -1;
        *value /= 10;
    }
    return 0;
}

uint64_t args_number(const char *what, const char *text, uint64_t min, uint64_t max)
{
    uint64_t value = 0;
    int exponent = 0, overflow = 0;
    const char *digits = text + (*text == '-' || *text == '+');
    const char *end = read_digits(digits, &value, &exponent, &overflow);

    if (end && (*end == 'e' || *end == 'E'))
        end = read_exponent(end + 1, &exponent);
    if (!end || *end != '\0')
        refuse(what, "\"%s\" is not a number", text);
    if (*text == '-')
        refuse(what, "%s is negative", text);
    if (!overflow && shift(&value, exponent, &overflow) < 0)
        refuse(what, "%s is not a whole number", text);
    if (overflow || value > max)
        refuse(what, "%s is too many, the limit is %llu", text, (unsigned long long)max);
    if (value < min)
        refuse(what, "%s is too few, it takes at least %llu", text, (unsigned long long)min);
    return value;
}

/* Answers --help, wherever it stands. */
static void help(int argc, char **argv, const char *what)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
            continue;
        if (kith_rank() == 0)
            printf("usage: %s%s%s%s\n", program_invocation_short_name, options, *what ? " " : "", what);
        exit(0);
    }
}

void args_files(int argc, char **argv)
{
    help(argc, argv, "FILE...");
    if (argc < 2)
        refuse("files", "missing; try: %s texts/*.txt", program_invocation_short_name);
}

uint64_t args_count(int argc, char **argv, const char *what, uint64_t max)
{
    help(argc, argv, what);
    if (argc < 2)
        refuse(what, "missing; try: %s 1e6", program_invocation_short_name);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && (argv[i][1] < '0' || argv[i][1] > '9') && argv[i][1] != '.')
            refuse(argv[i], "there is no such option");
    }
    if (argc > 2)
        refuse(argv[2], "one argument is enough, the %s", what);
    return args_number(what, argv[1], 1, max);
}
