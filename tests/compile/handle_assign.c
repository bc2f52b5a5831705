/* One kind of handle is not assigned to another. wrong: error */
#include <kith.h>

int main(void)
{
    kith_pool pool = { 0 };

#ifdef WRONG
    pool = kith_queue_open(0);                      /* here */
#else
    pool = kith_pool_open(0);
#endif
    return kith_check(pool);
}
