/* A dict has no order to append to. wrong: error */
#include <kith.h>

int main(void)
{
    kith_dict d = kith_dict_open();
    kith_list l = kith_list_open();

    kith_set(d, "x", 1);
#ifdef WRONG
    return kith_append(d, 1);                       /* here */
#else
    return kith_append(l, 1);
#endif
}
