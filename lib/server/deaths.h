/* deaths.h: what the end of a member means: to who waits for it, to its lane or object, to the job. */
#ifndef KITH_DEATHS_H
#define KITH_DEATHS_H

#include <stdint.h>

/* Ends or restarts member who, which has ended with status, as of waitpid. 1: it has to be tried again. */
int kith__death_of(uint32_t who, int status);

#endif
