/* capture.h: runs a small program and keeps what it prints. */
#ifndef KITH_CAPTURE_H
#define KITH_CAPTURE_H

#include <stddef.h>

/* Runs argv with /dev/null as stdin and without a terminal to ask at, for at most limit_ms. text gets the
 * beginning of what it writes to fd (1 or 2; the other one is lost), ended by a 0. Returns its exit status,
 * 128 + signal when it died by one; CAPTURE_FAILED when it could not be started, CAPTURE_LATE when it was
 * over time and was ended. */
enum { CAPTURE_FAILED = -1, CAPTURE_LATE = -2 };
int capture(char *const argv[], int fd, char *text, size_t room, int limit_ms);

/* Milliseconds on a clock that never steps back. */
long long now_ms(void);

#endif
