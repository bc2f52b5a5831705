/* A struct is stored by the function with sizes. wrong: error takes a number */
#include <kith.h>

struct point { double x, y; };

int main(void)
{
    struct point p = { 1, 2 };
    kith_value v = kith_value_open('b', KITH_ARG(p));

#ifdef WRONG
    return kith_store(v, p);                        /* here */
#else
    return kith_value_store(v, 'b', KITH_ARG(p));
#endif
}
