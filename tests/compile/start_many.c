/* More arguments than four. wrong: error kith_start takes functions of up to four handles */
#include <kith.h>

static void put(kith_queue q, int a, int b, int c, int d)
{
    int sum = a + b + c + d;

    kith_put(q, sum);
}

static void put_three(kith_queue q, int a, int b, int c)
{
    put(q, a, b, c, 0);
}

int main(void)
{
    kith_queue q = kith_queue_open(0);

#ifdef WRONG
    kith_start(put, q, 1, 2, 3, 4);         /* here */
#else
    kith_start(put_three, q, 1, 2, 3);
#endif
    return 0;
}
