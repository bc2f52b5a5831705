/* start.h: plain functions of handles, strings and numbers as the targets of Processes. A shape is that of
 * kith.h: the letters of the result and of the numbers, and how many arguments there are. It is never 0. */
#ifndef KITH_OBJECT_START_H
#define KITH_OBJECT_START_H

#include "code/token.h"

#include <stddef.h>

/* In the Process: calls fn with the row of its arguments, of size bytes. What an int function returned, else
 * 0. */
int kith__call_shaped(int shape, kith__anyfn *fn, const void *row, size_t size);

#endif
