/* process_trio: three functions at the same time, each in a Process of its own,
 * which gets a copy of the list. Their lines come in any order; "Done" comes last,
 * because main joins all three before.
 *
 *     ./process_trio
 *     mpirun -n 4 ./process_trio
 */
#include <kith.h>
#include <stdio.h>

static int mean(const void *arg)
{
    const int *x = arg, n = (int)(kith_arg_size() / sizeof *x);
    double sum = 0.0;

    for (int i = 0; i < n; i++)
        sum += x[i];
    printf("mean: %g\n", sum / n);
    return 0;
}

static int product(const void *arg)
{
    const int *x = arg, n = (int)(kith_arg_size() / sizeof *x);
    long result = 1;

    for (int i = 0; i < n; i++)
        result *= x[i];
    printf("product: %ld\n", result);
    return 0;
}

static int choice(const void *arg)
{
    const int *x = arg;

    printf("one of them: %d\n", x[kith_random() % (kith_arg_size() / sizeof *x)]);
    return 0;
}

int main(int argc, char **argv)
{
    int x[] = { 1, 3, 5, 7, 9 };
    kith_process p[3];

    kith_init(&argc, &argv);
    p[0] = kith_process_start(mean, KITH_ARG(x));
    p[1] = kith_process_start(product, KITH_ARG(x));
    p[2] = kith_process_start(choice, KITH_ARG(x));
    for (int i = 0; i < 3; i++)
        kith_process_join(p[i], KITH_FOREVER);
    printf("Done\n");
    return kith_finalize();
}
