/* A Process holds no items. wrong: error */
#include <kith.h>

static int target(const void *arg)
{
    (void)arg;
    return 0;
}

int main(void)
{
    int x = 1;
    kith_process process = kith_process_start(target, NULL, 0);
    kith_queue queue = kith_queue_open(0);

#ifdef WRONG
    return kith_put(process, x);                    /* here */
#else
    return kith_put(queue, x);
#endif
}
