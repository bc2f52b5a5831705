/* log.c: see log.h. */
#include "config.h"
#include "log.h"
#include "base/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One write a line, so that lines of several processes do not mix. */
static void put(const char *format, va_list ap)
{
    char line[4096] = "kith: ";
    size_t used = strlen(line);
    int rest = vsnprintf(line + used, sizeof line - used - 1, format, ap);

    if (rest < 0)
        return;
    used += (size_t)rest < sizeof line - used - 2 ? (size_t)rest : sizeof line - used - 2;
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0)
        return; /* nobody to tell */
}

enum { INFO = 3, DEBUG }; /* the words of KITH_LOG */

static int wanted(int least)
{
    return kith__env_word(KITH__ENV_LOG) >= least;
}

void log_line(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    put(format, ap);
    va_end(ap);
}

void log_info(const char *format, ...)
{
    va_list ap;

    if (!wanted(INFO))
        return;
    va_start(ap, format);
    put(format, ap);
    va_end(ap);
}

void log_debug(const char *format, ...)
{
    va_list ap;

    if (!wanted(DEBUG))
        return;
    va_start(ap, format);
    put(format, ap);
    va_end(ap);
}
