/* Arguments in another order than the function's. wrong: error handles, strings */
#include <kith.h>

static int put(kith_queue q, int x)
{
    return kith_put(q, x);
}

int main(void)
{
    kith_pool pool = kith_pool_open(0);
    kith_queue q = kith_queue_open(0);
    int y = 0;

#ifdef WRONG
    return y + kith_check(kith_apply_async(pool, put, 5, q));         /* here */
#else
    return y + kith_check(kith_apply_async(pool, put, q, 5));
#endif
}
