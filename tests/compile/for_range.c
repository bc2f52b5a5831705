/* A range is of uint64_t: an int would be too small for 10^12. wrong: warning */
#include <kith.h>

#ifdef WRONG
static int fill(int lo, int hi, const void *arg)
#else
static int fill(uint64_t lo, uint64_t hi, const void *arg)
#endif
{
    (void)arg;
    return lo > hi;
}

int main(void)
{
    kith_pool pool = kith_pool_open(1);

    return kith_for(pool, fill, NULL, 0, 100); /* here */
}
