/* kith_pool_map is given the sizes: kith_map finds them. wrong: error */
#include <kith.h>

static int square(const void *in, void *out)
{
    *(int *)out = *(const int *)in * *(const int *)in;
    return 0;
}

int main(void)
{
    int in[2] = { 1, 2 }, out[2];
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_pool_map(pool, square, in, out, 2);     /* here */
#else
    return kith_pool_map(pool, square, in, sizeof in[0], out, sizeof out[0], 2);
#endif
}
