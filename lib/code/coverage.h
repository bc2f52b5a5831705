/* coverage.h: for processes that end by _exit. */
#ifndef KITH_COVERAGE_H
#define KITH_COVERAGE_H

/* Does what exit would do for those who measure: writes coverage data (gcc's and clang's), and looks for
 * leaks in a program with LeakSanitizer, which ends the process with its own status when there are some. */
void kith__coverage_flush(void);

/* Searches for what the other calls, which takes some tenth of a millisecond: processes that are forked
 * afterwards need not do it again. */
void kith__coverage_find(void);

#endif
