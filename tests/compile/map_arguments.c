/* Two arguments are for kith_starmap.
 * wrong: error use kith_starmap */
#include <kith.h>
#include <math.h>

int main(void)
{
    double rows[2][2] = { { 1, 2 }, { 3, 4 } }, *in = rows[0], out[2];
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, pow, in, out, 2);         /* here */
#else
    return kith_map(pool, sqrt, in, out, 2) + kith_starmap(pool, pow, rows, out, 2);
#endif
}
