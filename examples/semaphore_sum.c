/* semaphore_sum: two Processes add to SUM at the same time. Each addition is three
 * steps: load, add, store. If the steps of the two interleave, one of the additions is
 * lost. A Semaphore of one unit, taken before the steps and released after them, keeps
 * them together: first all three of one Process, then all three of the other.
 *
 *     ./semaphore_sum
 *     mpirun -n 4 ./semaphore_sum
 */
#include <kith.h>
#include <stdio.h>

static void add(kith_sem s, kith_value shared)
{
    int sum;

    for (int i = 0; i < 500; i++) {
        kith_sem_acquire(s, KITH_FOREVER);
        kith_load(shared, &sum);
        kith_store(shared, sum + 1);
        kith_sem_release(s);
    }
}

static int sum_of_two(int units)
{
    kith_sem s = kith_sem_open(units);
    kith_value shared = kith_value_of(0);
    kith_process p1 = kith_start(add, s, shared);
    kith_process p2 = kith_start(add, s, shared);
    int sum;

    kith_process_join(p1, KITH_FOREVER);
    kith_process_join(p2, KITH_FOREVER);
    kith_load(shared, &sum);
    return sum;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    printf("S = 2, both are let in: SUM = %d\n", sum_of_two(2));
    printf("S = 1, one at a time: SUM = %d\n", sum_of_two(1));
    return kith_finalize();
}
