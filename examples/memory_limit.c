/* memory_limit: no worker may take more than 64 MiB: beyond that, kith_alloc and malloc
 * return NULL. A task that ends because of it is reported as over its limit of memory,
 * and the others are not affected.
 *
 *     ./memory_limit
 *     mpirun -n 4 ./memory_limit
 */
#include <kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20 };

/* How many different remainders the squares have, by a table of that many bytes. */
static int remainders(int mib)
{
    unsigned long size = (unsigned long)mib * MIB;
    char *seen = kith_alloc(size);
    int count = 0;

    if (!seen)
        exit(1);
    memset(seen, 0, size);
    for (unsigned long i = 0; i <= size / 2; i++)
        seen[i * i % size] = 1;
    for (unsigned long i = 0; i < size; i++)
        count += seen[i];
    kith_free(seen);
    return count;
}

int main(int argc, char **argv)
{
    int mib[] = { 1, 128, 4, 16 }, count[4];
    struct kith_fault f;

    kith_init(&argc, &argv);
    kith_on_fault(NULL); /* failures are looked at here */
    kith_pool pool = kith_pool_open_with(2, .memory = 64 * MIB, .tries = 1);

    kith_map(pool, remainders, mib, count, 4);
    if (kith_last_fault(&f, 0) == 0 && f.end == KITH_END_OVER_MEMORY) {
        printf("task %d has ended for want of memory\n", (int)f.task);
        count[f.task] = 0;
    }
    for (int i = 0; i < 4; i++)
        if (count[i])
            printf("of %d MiB numbers %d are remainders of squares\n", mib[i], count[i]);
    kith_pool_close(pool);
    return kith_finalize();
}
