/* A struct is a value by the function with sizes. wrong: error takes numbers and strings */
#include <kith.h>

struct point { double x, y; };

int main(void)
{
    struct point p = { 1, 2 };
    kith_dict d = kith_dict_open();

#ifdef WRONG
    return kith_set(d, "origin", p);                /* here */
#else
    return kith_dict_set(d, KITH_TEXT("origin"), KITH_ARG(p));
#endif
}
