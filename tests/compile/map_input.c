/* An array of int is no input for a function of double. wrong: error another size */
#include <kith.h>
#include <math.h>

int main(void)
{
    double in[2] = { 1, 2 }, out[2];
    int wrong[2] = { 1, 2 };
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, sqrt, wrong, out, 2);     /* here */
#else
    return kith_map(pool, sqrt, in, out, 2);
#endif
}
