/* A function of a struct. wrong: error kith_start takes functions of up to four handles */
#include <kith.h>

struct pair { int a, b; };

static int add(const struct pair *pair)
{
    return pair->a + pair->b;
}

int main(void)
{
    struct pair pair = { 1, 2 };

#ifdef WRONG
    return kith_check(kith_start(add, &pair));          /* here */
#else
    return add(&pair);
#endif
}
