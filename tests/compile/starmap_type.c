/* The rows have the type of the arguments. wrong: warning */
#include <kith.h>
#include <math.h>

int main(void)
{
    double rows[2][2] = { { 1, 2 }, { 3, 4 } }, out[2];
    long wrong[2][2] = { { 1, 2 }, { 3, 4 } };
    kith_pool pool = kith_pool_open(1);

#ifdef WRONG
    return kith_starmap(pool, pow, wrong, out, 2);  /* here */
#else
    return kith_starmap(pool, pow, rows, out, 2);
#endif
}
