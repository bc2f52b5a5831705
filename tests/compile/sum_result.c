/* kith_sum adds up doubles. wrong: warning */
#include <kith.h>

static double partial(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return (double)(hi - lo);
}

int main(void)
{
    double sum = 0;
    float wrong = 0;
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_sum(pool, partial, NULL, 0, 100, &wrong);       /* here */
#else
    return kith_sum(pool, partial, NULL, 0, 100, &sum);
#endif
}
