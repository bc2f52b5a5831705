/* args.h: the command lines of the examples. What is wrong with one is said in a
 * sentence, "name: what: why", and the program ends with status 2. To --help it
 * answers with a line that shows the options asked for so far, and ends with 0. */
#ifndef ARGS_H
#define ARGS_H

#include <stdint.h>

/* Takes an option out of argv: "-n 4", "-n4", or "--seed 4", "--seed=4". Returns its
 * value, or NULL when it is not there. */
const char *args_option(int *argc, char **argv, const char *name);

/* Takes a word as "--no-serial" out of argv. 1 when it was there. */
int args_flag(int *argc, char **argv, const char *name);

/* The number that text stands for: 1000000, 1_000_000, 1e6 and 2.5e6 are fine.
 * what it is, "points", is for the sentence. */
uint64_t args_number(const char *what, const char *text, uint64_t min, uint64_t max);

/* All that is left are files, one or more. */
void args_files(int argc, char **argv);

/* The only argument, once the options are out: a count from 1 to max. */
uint64_t args_count(int argc, char **argv, const char *what, uint64_t max);

#endif
