/* env.c: kith env: the variables of lib/base/env.h, and what they are set to here. */
#include "config.h"
#include "base/env.h"
#include "command.h"
#include "log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What kith and its tests set for themselves. */
static const char *const marks[] = { "KITH_DEMO_", "KITH_RERUN=", "KITH_RUN=", "KITH_SEAT=", "KITH_TEST_" };

static int is_known(const char *entry)
{
    size_t length = strcspn(entry, "=");

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strncmp(entry, marks[i], strlen(marks[i])) == 0)
            return 1;
    for (int v = 0; v < KITH__ENV_COUNT; v++)
        if (strlen(kith__variables[v].name) == length && memcmp(kith__variables[v].name, entry, length) == 0)
            return 1;
    return 0;
}

/* 0, or the number of variables that are misspelt or have a wrong word. */
static int complain(void)
{
    char text[256];
    int wrong = 0;

    for (int v = 0; v < KITH__ENV_COUNT; v++)
        if (!kith__env_is_valid((enum kith__env)v, text, sizeof text)) {
            log_line("%s", text);
            wrong++;
        }
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "KITH_", 5) == 0 && !is_known(*e)) {
            log_line("%.*s: kith has no such variable", (int)strcspn(*e, "="), *e);
            wrong++;
        }
    return wrong;
}

static void show(enum kith__env v)
{
    const struct kith__variable *known = &kith__variables[v];
    const char *value = kith__env(v);

    printf("%s%s%s\n", known->name, value ? "=" : " is not set", value ? value : "");
    printf("    %s\n    values: %s; default: %s\n", known->meaning, known->values, known->normal);
}

static int env_main(int argc, char **argv)
{
    int at = options_read(command_env.options, argc, argv, NULL);

    if (at == OPTIONS_HELP) {
        command_help(&command_env);
        return 0;
    }
    if (at == OPTIONS_WRONG)
        return EXIT_OURS;
    if (at < argc) {
        log_line("env: %s: it takes no arguments", argv[at]);
        return EXIT_OURS;
    }
    for (int v = 0; v < KITH__ENV_COUNT; v++)
        show((enum kith__env)v);
    return complain() ? EXIT_OURS : 0;
}

static const struct option no_options[] = { { 0 } };

const struct command command_env = { "env", "",
                                     "lists the variables KITH_..., their meaning, default and value",
                                     no_options, env_main };
