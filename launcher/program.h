/* program.h: the program that somebody wants to run. */
#ifndef KITH_PROGRAM_H
#define KITH_PROGRAM_H

#include <limits.h>

/* The file that execution of name would take: itself with a slash in it, else out of PATH. 0; else -1 and
 * errno: ENOENT, or EACCES when it is there but cannot be executed. */
int program_find(const char *name, char path[PATH_MAX]);

/* 1: the file is a program that takes that function from a shared library; 0 also for scripts, for programs
 * that have it inside, and for what cannot be read. */
int program_imports(const char *path, const char *function);

/* Can name be executed here? 0; else EXIT_NOT_FOUND or EXIT_NOT_EXECUTABLE of log.h, after having said why.
 */
int program_check(const char *name);

#endif
