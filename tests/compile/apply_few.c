/* One argument for a function of two. wrong: error */
#include <kith.h>
#include <math.h>

int main(void)
{
    double y;
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_apply(pool, pow, &y, 2.0);          /* here */
#else
    return kith_apply(pool, pow, &y, 2.0, 3.0);
#endif
}
