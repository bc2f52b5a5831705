/* world.c: what is said of what is wrong, and when it is not. */
#include "config.h"
#include "world.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct history now;
struct world *world;
_Thread_local int my_actor;

void wrong(const char *format, ...)
{
    int none = 0; /* the first one is kept */
    va_list ap;
    size_t n;

    if (atomic_load(&world->over) == 2 || !atomic_compare_exchange_strong(&world->wrong, &none, 1))
        return;
    va_start(ap, format);
    vsnprintf(world->said, sizeof world->said, format, ap);
    va_end(ap);
    n = strlen(world->said);
    snprintf(world->said + n, sizeof world->said - n, " [process %d, last error \"%.200s\"]", (int)getpid(),
             kith_last_error());
    if (getenv("KITH_TEST_STOP"))
        raise(SIGSTOP);
}

int disturbed(void)
{
    return now.trouble != CALM;
}
int somebody_died(void)
{
    return disturbed() || atomic_load(&world->deaths);
}
int server_lost(int rc)
{
    return rc == KITH_EPEER && now.trouble == NO_SERVER;
}
int short_of_memory(int rc)
{
    return rc == KITH_ENOMEM && getenv("KITH_MEM");
}
int excused(int rc)
{
    return server_lost(rc) || short_of_memory(rc);
}

int dead_keep_what_they_have(void)
{
    return now.trouble == NO_SERVER && atomic_load(&world->kills) > 0;
}

int code_is_right(int code, int must)
{
    return code == must || (disturbed() && code == -SIGKILL);
}
