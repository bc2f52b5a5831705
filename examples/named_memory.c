/* named_memory: a Process finds memory by its name, and writes there what main reads.
 * The name belongs to the node: this is how ranks that all run main (kith_init_ranks)
 * share memory.
 *
 *     ./named_memory
 *     mpirun -n 4 ./named_memory
 */
#include <kith.h>
#include <stdio.h>

enum { N = 5 };

static void write_squares(const char *name)
{
    int *squares = kith_alloc_named(name, N * sizeof *squares);

    for (int i = 0; i < N; i++)
        squares[i] = i * i;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    int *squares = kith_alloc_named("squares", N * sizeof *squares);

    printf("before: %d %d %d %d %d\n", squares[0], squares[1], squares[2], squares[3], squares[4]);
    kith_process p = kith_start(write_squares, "squares");
    kith_process_join(p, KITH_FOREVER);
    printf("after: %d %d %d %d %d\n", squares[0], squares[1], squares[2], squares[3], squares[4]);
    kith_free(squares);
    return kith_finalize();
}
