/* The result of a double function is no int. wrong: warning */
#include <kith.h>
#include <math.h>

int main(void)
{
    double y;
    int wrong;
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_apply(pool, sqrt, &wrong, 2.0);     /* here */
#else
    return kith_apply(pool, sqrt, &y, 2.0);
#endif
}
