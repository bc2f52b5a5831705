/* kith_imap takes functions of one number.
 * wrong: error kith_imap takes T f.T. */
#include <kith.h>
#include <math.h>

int main(void)
{
    double in[2] = { 1, 2 }, y;
    kith_pool pool = kith_pool_open(1);
    kith_iter it;

#ifdef WRONG
    it = kith_imap(pool, pow, in, 2);           /* here */
#else
    it = kith_imap(pool, sqrt, in, 2);
#endif
    return kith_next(it, &y) + kith_iter_close(it);
}
