/* nodes: a Queue between two nodes: a Process on the other node puts, the head takes. Prints thousand items a
 * second and GB/s, from the first item to the last. Started by mpirun on two nodes.
 *     nodes SIZE COUNT BOUND */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

struct role {
    kith_queue items;
    uint64_t count;
    size_t size;
};

static int put(const void *arg)
{
    const struct role *role = arg;
    void *buf = calloc(1, role->size);

    for (uint64_t i = 0; buf && i < role->count; i++) {
        memcpy(buf, &i, sizeof i);
        if (kith_queue_put(role->items, buf, role->size, KITH_FOREVER) < 0)
            return 1;
    }
    free(buf);
    return 0;
}

static double take(const struct role *role)
{
    void *buf = malloc(role->size);
    double start = 0.0;

    for (uint64_t i = 0, j; buf && i < role->count; i++) {
        if (kith_queue_get(role->items, buf, role->size, KITH_FOREVER) != (int64_t)role->size)
            die("an item has another size");
        memcpy(&j, buf, sizeof j);
        if (j != i)
            die("items came in another order");
        if (i == 0)
            start = now();
    }
    free(buf);
    return now() - start;
}

int main(int argc, char **argv)
{
    struct role role;
    kith_process p;
    double t;

    kith_init(&argc, &argv);
    if (kith_nodes() < 2)
        die("there is only one node");
    role.size = number(argc, argv, 1, 8);
    role.count = number(argc, argv, 2, 100000);
    role.items = kith_queue_open(number(argc, argv, 3, 1024));
    p = kith_process_start_with(put, KITH_ARG(role), .node = KITH_NODE(1));
    t = take(&role);
    kith_process_join(p, KITH_FOREVER);
    say("items", (double)(role.count - 1) / t * 1e-3);
    say("bytes", (double)(role.count - 1) * (double)role.size / t * 1e-9);
    return kith_finalize();
}
