/* option.h: a command's options as a table, from which both the parser and the help are made. */
#ifndef KITH_OPTION_H
#define KITH_OPTION_H

struct option {
    const char *names;    /* as typed, "-n|-np"; the help shows the first */
    const char *argument; /* what follows it, as the help calls it; NULL: nothing */
    const char *help;
    int (*set)(
        void *to,
        const char *value); /* 0, or -1 after having said what is wrong; value is NULL without an argument */
};

/* Reads the options at the beginning of argv, up to the first word that is none, or past "--"; --help, -h is
 * understood without a place in the table. Returns the index of the first word behind them; OPTIONS_WRONG (it
 * was said what is wrong); OPTIONS_HELP (help is asked for). */
enum { OPTIONS_WRONG = -1, OPTIONS_HELP = -2 };
int options_read(const struct option *table, int argc, char **argv, void *to);

/* A line for each option of the table, which ends with names NULL, to stdout. */
void options_help(const struct option *table);

/* *n = the whole number in text, if it is one from least to most; else -1. */
int option_number(const char *text, long least, long most, long *n);

#endif
