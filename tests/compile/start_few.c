/* One argument for a function of two. wrong: error */
#include <kith.h>
#include <math.h>

int main(void)
{
#ifdef WRONG
    return kith_check(kith_start(pow, 2.0));          /* here */
#else
    return kith_check(kith_start(pow, 2.0, 3.0));
#endif
}
