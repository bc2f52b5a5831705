/* The result needs an address. wrong: error */
#include <kith.h>
#include <math.h>

int main(void)
{
    double y = 0;
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_apply(pool, sqrt, y, 2.0);          /* here */
#else
    return kith_apply(pool, sqrt, &y, 2.0);
#endif
}
