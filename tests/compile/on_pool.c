/* A Pool is nothing to wait for. wrong: error kith_pool */
#include <kith.h>

int main(void)
{
#ifdef WRONG
    kith_pool thing = kith_pool_open(1);
#else
    kith_process thing = kith_process_start(NULL, NULL, 0);
#endif
    struct kith_waitable w = kith_on(thing);          /* here */

    return kith_wait(&w, 1, 0);
}
