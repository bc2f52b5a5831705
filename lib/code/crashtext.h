/* crashtext.h: a sentence about a crash, made by a process that is well. */
#ifndef KITH_CRASHTEXT_H
#define KITH_CRASHTEXT_H

#include "code/crash.h"

/* "SIGSEGV at address 0x10 (a NULL pointer) in partial (pi.c:42), called by …" into buf. Returns its length.
 * It says so when the address is memory of caller, the process that gave the task or the Process its
 * argument; and for a NULL pointer, which globals the program has set since kith_init, as kin tell; NULL:
 * that is not known. Any stack is large enough. */
int kith__crash_text(const struct kith__crash *crash, pid_t caller, const struct kith__kin *kin, char *buf,
                     size_t room);

/* "main (prog.c:42)" into buf: the innermost function of the user's of these program counters of a stack. Its
 * length; 0: it is not known. Where libkith is part of the program there is no telling. */
int kith__caller_text(const uint64_t *pcs, int count, char *buf, size_t room);

#endif
