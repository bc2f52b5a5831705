/* Nor does a map take it for one. wrong: error */
#include <kith.h>
#include <math.h>

int main(void)
{
    double in[2] = { 1, 2 }, out[2];
    kith_pool pool = kith_pool_open(1);
    kith_queue queue = kith_queue_open(0);

#ifdef WRONG
    return kith_map(queue, sqrt, in, out, 2);       /* here */
#else
    return kith_map(pool, sqrt, in, out, 2);
#endif
}
