/* to_celsius: kith_map calls a function for each element of an array, and the
 * workers of a pool share the calls. Any plain function will do.
 *
 *     ./to_celsius
 *     mpirun -n 4 ./to_celsius
 */
#include <kith.h>
#include <stdio.h>

static double to_celsius(double f)
{
    return (f - 32.0) * 5.0 / 9.0;
}

int main(int argc, char **argv)
{
    double f[50], c[50];

    kith_init(&argc, &argv);
    for (int i = 0; i < 50; i++)
        f[i] = kith_uniform(32.0, 100.0);
    kith_pool pool = kith_pool_open(4);
    kith_map(pool, to_celsius, f, c, 50);
    kith_pool_close(pool);
    for (int i = 0; i < 50; i++)
        printf("%.1f Fahrenheit is the same as %.1f Celsius.\n", f[i], c[i]);
    return kith_finalize();
}
