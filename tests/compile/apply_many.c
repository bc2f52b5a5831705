/* Two arguments for a function of one. wrong: error */
#include <kith.h>
#include <math.h>

int main(void)
{
    double y;
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_apply(pool, sqrt, &y, 2.0, 3.0);    /* here */
#else
    return kith_apply(pool, sqrt, &y, 2.0);
#endif
}
