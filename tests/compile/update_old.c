/* What it was has the type of what is added. wrong: warning */
#include <kith.h>

int main(void)
{
    double wrong = 0;
    int old = 0;
    kith_value v = kith_value_of(1);

#ifdef WRONG
    return kith_update(v, KITH_ADD, 1, &wrong);     /* here */
#else
    return kith_update(v, KITH_ADD, 1, &old);
#endif
}
