/* The elements of kith_imap are of the type that its function takes.
 * wrong: error another size */
#include <kith.h>
#include <math.h>

int main(void)
{
    double in[2] = { 1, 2 };
#ifdef WRONG
    int *elements = (int *)in;
#else
    double *elements = in;
#endif
    kith_pool pool = kith_pool_open(1);
    kith_iter it = kith_imap(pool, sqrt, elements, 2);  /* here */

    return kith_iter_close(it);
}
