/* One number is for kith_apply. wrong: error */
#include <kith.h>
#include <math.h>

int main(void)
{
    double in = 2, out;
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, sqrt, in, &out, 1);       /* here */
#else
    return kith_map(pool, sqrt, &in, &out, 1);
#endif
}
