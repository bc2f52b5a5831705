/* A function of bytes takes const void * and void *.
 * wrong: error kith_map takes */
#include <kith.h>

struct point { double x, y; };

#ifdef WRONG
static int mirror(struct point *in, struct point *out)
#else
static int mirror(const void *in, void *out)
#endif
{
    (void)in;
    (void)out;
    return 0;
}

int main(void)
{
    struct point in[2] = { { 1, 2 }, { 3, 4 } }, out[2];
    kith_pool pool = kith_pool_open(1);

    return kith_map(pool, mirror, in, out, 2);      /* here */
}
