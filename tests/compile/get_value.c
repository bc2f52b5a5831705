/* kith_get needs the address of what it fills. wrong: error */
#include <kith.h>

int main(void)
{
    int x = 0;
    kith_queue queue = kith_queue_open(0);

#ifdef WRONG
    return kith_get(queue, x);                      /* here */
#else
    return kith_get(queue, &x);
#endif
}
