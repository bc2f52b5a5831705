/* Whoever waits says for how long. wrong: error */
#include <kith.h>

int main(void)
{
    int x = 1;
    kith_queue queue = kith_queue_open(0);

#ifdef WRONG
    return kith_queue_put(queue, KITH_ARG(x));      /* here */
#else
    return kith_queue_put(queue, KITH_ARG(x), KITH_FOREVER);
#endif
}
