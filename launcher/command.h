/* command.h: the commands of kith. One is a file, and an entry in the table of main.c. */
#ifndef KITH_COMMAND_H
#define KITH_COMMAND_H

#include "option.h"

struct command {
    const char *name;
    const char *arguments; /* for the line of usage */
    const char *help;      /* one line */
    const struct option *options;
    int (*main)(int argc, char **argv); /* argv[0] is the command's name; returns kith's exit status */
};

extern const struct command command_env;
extern const struct command command_hosts;
extern const struct command command_run;
extern const struct command command_scale;

/* Those that kith calls itself, on other hosts. */
extern const struct command command_peer;
extern const struct command command_rank;

/* Prints the help of one command to stdout. */
void command_help(const struct command *c);

#endif
