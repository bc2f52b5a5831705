/* The results of a double function do not go into floats. wrong: error another size */
#include <kith.h>
#include <math.h>

int main(void)
{
    double in[2] = { 1, 2 }, out[2];
    float wrong[2];
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, sqrt, in, wrong, 2);      /* here */
#else
    return kith_map(pool, sqrt, in, out, 2);
#endif
}
