/* The target of a Process gets a const pointer and returns its exit code. wrong: warning */
#include <kith.h>

#ifdef WRONG
static double target(double x) { return x; }
#else
static int target(const void *arg)
{
    (void)arg;
    return 0;
}
#endif

int main(void)
{
    int x = 1;
    kith_process p;

    p = kith_process_start(target, KITH_ARG(x));    /* here */
    return kith_process_join(p, KITH_FOREVER);
}
