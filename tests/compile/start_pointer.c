/* An array for a number. wrong: error kith_start takes functions of up to four handles */
#include <kith.h>

static void fill(kith_queue q, int n)
{
    while (n-- > 0)
        kith_put(q, n);
}

int main(void)
{
    kith_queue q = kith_queue_open(0);
    int numbers[2] = { 3, 4 };

#ifdef WRONG
    return kith_check(kith_start(fill, q, numbers)) + kith_check(q);         /* here */
#else
    return kith_check(kith_start(fill, q, numbers[1])) + kith_check(q);
#endif
}
