/* Results cannot go where nothing may be written. wrong: warning */
#include <kith.h>
#include <math.h>

static const double constants[2] = { 1, 2 };

int main(void)
{
    double out[2];
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, sqrt, out, constants, 2); /* here */
#else
    return kith_map(pool, sqrt, constants, out, 2);
#endif
}
