/* Numbers of two types. wrong: error kith_process_start with a struct */
#include <kith.h>

static void wait_for(kith_event e, int times, double seconds)
{
    while (times-- > 0)
        kith_event_wait(e, (int)(1000 * seconds));
}

static void wait_long(kith_event e, double times, double seconds)
{
    wait_for(e, (int)times, seconds);
}

int main(void)
{
    kith_event e = kith_event_open();

#ifdef WRONG
    kith_start(wait_for, e, 3, 0.5);        /* here */
#else
    kith_start(wait_long, e, 3, 0.5);
#endif
    return 0;
}
