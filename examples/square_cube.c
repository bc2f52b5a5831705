/* square_cube: two functions of a number at the same time, each in a Process of its
 * own. Their lines come in any order; "Done!" comes last, after both were joined.
 *
 *     ./square_cube
 *     mpirun -n 4 ./square_cube
 */
#include <kith.h>
#include <stdio.h>

static void print_square(int x)
{
    printf("Square: %d\n", x * x);
}

static void print_cube(int x)
{
    printf("Cube: %d\n", x * x * x);
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    kith_process p1 = kith_start(print_square, 10);
    kith_process p2 = kith_start(print_cube, 10);

    kith_process_join(p1, KITH_FOREVER);
    kith_process_join(p2, KITH_FOREVER);
    printf("Done!\n");
    return kith_finalize();
}
