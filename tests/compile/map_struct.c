/* Structs go by pointers.
 * wrong: error kith_map takes */
#include <kith.h>

struct pair { int a, b; };

#ifdef WRONG
static struct pair swap(struct pair p) { return (struct pair){ p.b, p.a }; }
#else
static int swap(const void *in, void *out)
{
    const struct pair *from = in;
    struct pair *to = out;

    *to = (struct pair){ from->b, from->a };
    return 0;
}
#endif

int main(void)
{
    struct pair in[2] = { { 1, 2 }, { 3, 4 } }, out[2];
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_map(pool, swap, in, out, 2);        /* here */
#else
    return kith_map(pool, swap, in, out, 2);
#endif
}
