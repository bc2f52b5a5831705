/* hello: four Processes that run a function of one number. They run at the same time,
 * so their lines come in any order. kith_finalize waits for Processes that nobody has
 * joined.
 *
 *     ./hello
 *     mpirun -n 4 ./hello
 */
#include <kith.h>
#include <stdio.h>

static void hello(int i)
{
    printf("hello from %d\n", i);
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    for (int i = 0; i < 4; i++)
        kith_start(hello, i);
    return kith_finalize();
}
