/* kith_apply takes numbers, and says what to do with others.
 * wrong: error int f.const void .in, void .out. with KITH_ARG */
#include <kith.h>
#include <math.h>

#ifdef WRONG
static char *name(char *x) { return x; }
#endif

int main(void)
{
    double rows[2][2] = { { 1, 2 }, { 3, 4 } }, out[2];
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
#define F name
#else
#define F pow
#endif
    return kith_apply(pool, F, out, rows[0][0], rows[0][1]);    /* here */
}
