/* kith_apply_async takes numbers, or bytes with their sizes, and says so.
 * wrong: error kith_apply_async takes functions of one to three numbers */
#include <kith.h>
#include <math.h>

#ifdef WRONG
static char *name(char *x) { return x; }
#endif

int main(void)
{
    kith_pool pool = kith_pool_open(1);
    char text[1];
    kith_result r;

#ifdef WRONG
    r = kith_apply_async(pool, name, text);     /* here */
#else
    r = kith_apply_async(pool, pow, 2.0, 3);
#endif
    return kith_result_drop(r);
}
