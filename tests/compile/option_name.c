/* An option that does not exist. wrong: error */
#include <kith.h>

int main(void)
{
    kith_pool pool;

#ifdef WRONG
    pool = kith_pool_open_with(2, .limit = 500);    /* here */
#else
    pool = kith_pool_open_with(2, .limit_ms = 500);
#endif
    return kith_check(pool);
}
