/* The input of a double f(int) is int, not double as its output. wrong: warning */
#include <kith.h>

static double half(int x) { return x / 2.0; }

int main(void)
{
    int in[2] = { 1, 2 };
    double out[2] = { 0, 0 };
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, half, out, out, 2);       /* here */
#else
    return kith_map(pool, half, in, out, 2);
#endif
}
