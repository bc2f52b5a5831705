/* separate_memory: a Process has its own copy of all variables. What it writes into
 * a global list is not in the list of main: a result has to be sent, through a Queue
 * for example, as print_queue shows.
 *
 *     ./separate_memory
 *     mpirun -n 4 ./separate_memory
 */
#include <kith.h>
#include <stdio.h>

static int result[4], count;

static void print_result(const char *where)
{
    printf("result (%s):", where);
    for (int i = 0; i < count; i++)
        printf(" %d", result[i]);
    printf("%s\n", count ? "" : " empty");
}

static int square_list(const void *arg)
{
    const int *list = arg;

    for (; count < 4; count++)
        result[count] = list[count] * list[count];
    print_result("in the Process");
    return 0;
}

int main(int argc, char **argv)
{
    int list[] = { 1, 2, 3, 4 };

    kith_init(&argc, &argv);
    kith_process p = kith_process_start(square_list, KITH_ARG(list));
    kith_process_join(p, KITH_FOREVER);
    print_result("in main");
    return kith_finalize();
}
