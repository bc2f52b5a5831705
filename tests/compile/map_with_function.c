/* A map with a context gives it to the function. wrong: warning */
#include <kith.h>

#ifdef WRONG
static int times(const void *in, void *out)
#else
static int times(const void *in, void *out, const void *factor)
#endif
{
    *(int *)out = *(const int *)in * 2;
#ifndef WRONG
    *(int *)out *= *(const int *)factor;
#endif
    return 0;
}

int main(void)
{
    int in[2] = { 1, 2 }, out[2], factor = 3;
    kith_pool pool = kith_pool_open(1);

    return kith_map_with(pool, times, in, out, 2, KITH_ARG(factor));    /* here */
}
