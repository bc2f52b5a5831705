/* An array for a number of a function of numbers. wrong: error kith_start takes functions of up to four */
#include <kith.h>
#include <math.h>

int main(void)
{
    kith_queue q = kith_queue_open(0);
    int numbers[2] = { 3, 4 };

#ifdef WRONG
    return kith_check(kith_start(pow, 2.0, numbers)) + kith_check(q);         /* here */
#else
    return kith_check(kith_start(pow, 2.0, numbers[1])) + kith_check(q);
#endif
}
