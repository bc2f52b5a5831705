/* The number of elements is missing. wrong: error */
#include <kith.h>
#include <math.h>

int main(void)
{
    double in[2] = { 1, 2 }, out[2];
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, sqrt, in, out);           /* here */
#else
    return kith_map(pool, sqrt, in, out, 2);
#endif
}
