/* shared_memory: a Process leaves the squares of a list in an Array and their sum in
 * a Value, where main finds them; a global is only changed in the Process itself.
 *
 *     ./shared_memory
 *     mpirun --hostfile hosts ./shared_memory
 */
#include <kith.h>
#include <stdio.h>

static int global[4];

struct numbers {
    int list[4];
    kith_array result;
    kith_value square_sum;
};

static void print(const char *where, const struct numbers *numbers)
{
    int x[4], sum;

    kith_load_slice(numbers->result, 0, x, 4);
    kith_load(numbers->square_sum, &sum);
    printf("Result in %s: [%d, %d, %d, %d]\n", where, x[0], x[1], x[2], x[3]);
    printf("Sum of squares in %s: %d\n", where, sum);
    printf("Global in %s: [%d, %d, %d, %d]\n", where, global[0], global[1], global[2], global[3]);
}

static int square_list(const void *arg)
{
    const struct numbers *numbers = arg;

    for (int i = 0; i < 4; i++) {
        global[i] = numbers->list[i] * numbers->list[i];
        kith_store_at(numbers->result, (size_t)i, global[i]);
        kith_add(numbers->square_sum, global[i]);
    }
    print("process p1", numbers);
    return 0;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    struct numbers numbers = { { 1, 2, 3, 4 }, kith_array_open('i', 4), kith_value_of(0) };

    kith_process p1 = kith_process_start(square_list, KITH_ARG(numbers));
    kith_process_join(p1, KITH_FOREVER);
    print("main program", &numbers);
    return kith_finalize();
}
