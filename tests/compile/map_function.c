/* A function that is none of the kinds of kith_map.
 * wrong: error kith_map takes */
#include <kith.h>

static double half(double x) { return x / 2; }
#ifdef WRONG
static char *name(char *x) { return x; }
#endif

int main(void)
{
    double in[2] = { 1, 2 }, out[2];
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, name, in, out, 2);        /* here */
#else
    return kith_map(pool, half, in, out, 2);
#endif
}
