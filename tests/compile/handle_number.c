/* A number is not a handle. wrong: error */
#include <kith.h>

int main(void)
{
    kith_pool pool = kith_pool_open(4);

#ifdef WRONG
    return kith_pool_workers(4);                    /* here */
#else
    return kith_pool_workers(pool);
#endif
}
