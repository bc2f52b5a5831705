/* main.c: the command kith: finds the subcommand in a table and calls it. */
#include "config.h"
#include "command.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

/* In the order of the help. */
static const struct command *const commands[] = { &command_run, &command_hosts, &command_scale,
                                                  &command_env };
/* Not for people, and so in no help. */
static const struct command *const inner[] = { &command_peer, &command_rank };
enum { COMMANDS = sizeof commands / sizeof commands[0], INNER = sizeof inner / sizeof inner[0] };

static const struct command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    for (int i = 0; i < INNER; i++)
        if (strcmp(inner[i]->name, name) == 0)
            return inner[i];
    return NULL;
}

void command_help(const struct command *c)
{
    printf("usage: kith %s%s%s\n%s.\n\n", c->name, *c->arguments ? " " : "", c->arguments, c->help);
    options_help(c->options);
}

static int help(void)
{
    printf("usage: kith COMMAND [ARGUMENT...]\n"
           "       kith help [COMMAND]\n"
           "       kith --version\n\n");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-8s %s\n", commands[i]->name, commands[i]->help);
    return 0;
}

/* Text for stdout that did not arrive (a full disk) is a failure. */
static int written(int status)
{
    if (fflush(stdout) == 0)
        return status;
    log_line("standard output: it cannot be written");
    return EXIT_OURS;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    int asks = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    const struct command *c;

    if (strcmp(name, "--version") == 0) {
        printf("kith %s\n", VERSION);
        return written(0);
    }
    if (asks && argc < 3)
        return written(help());
    if (asks)
        name = argv[2];
    c = find(name);
    if (!c) {
        if (*name)
            log_line("%s: no such command: see kith help", name);
        else
            log_line("a command is missing: see kith help");
        return EXIT_OURS;
    }
    if (asks) {
        command_help(c);
        return written(0);
    }
    return written(c->main(argc - 1, argv + 1));
}
