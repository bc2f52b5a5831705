/* A queue is not a pool. wrong: error */
#include <kith.h>

int main(void)
{
    kith_queue queue = kith_queue_open(0);

#ifdef WRONG
    return kith_pool_close(queue);                  /* here */
#else
    return kith_queue_close(queue);
#endif
}
