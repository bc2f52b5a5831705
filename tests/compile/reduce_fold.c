/* fold reads the part, it gets (total, part) in this order. wrong: warning */
#include <kith.h>

static int partial(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    (void)arg;
    *(uint64_t *)part = hi - lo;
    return 0;
}

#ifdef WRONG
static void fold(const void *total, void *part)
{
    *(uint64_t *)part += *(const uint64_t *)total;
}
#else
static void fold(void *total, const void *part)
{
    *(uint64_t *)total += *(const uint64_t *)part;
}
#endif

int main(void)
{
    uint64_t total = 0;
    kith_pool pool = kith_pool_open(1);

    return kith_reduce(pool, partial, NULL, 0, 100, fold, &total);      /* here */
}
