/* Elements of structs have a size, memory has none.
 * wrong: error call kith_pool_map */
#include <kith.h>

static int twice(const void *in, void *out)
{
    *(int *)out = 2 * *(const int *)in;
    return 0;
}

int main(void)
{
    kith_pool pool = kith_pool_open(1);
    void *memory = kith_alloc(2 * sizeof(int));

#ifdef WRONG
    return kith_map(pool, twice, memory, memory, 2);        /* here */
#else
    return kith_map(pool, twice, (int *)memory, (int *)memory, 2);
#endif
}
