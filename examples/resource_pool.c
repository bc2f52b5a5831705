/* resource_pool: ten Processes share three connections. A Semaphore of three units lets
 * as many in as there are connections, and the others wait. A Process that was let in
 * takes one out of a List of the free ones, and gives it back before it lets the next
 * one in.
 *
 *     ./resource_pool
 *     mpirun --hostfile hosts ./resource_pool
 */
#include <kith.h>
#include <stdio.h>

struct connections {
    kith_sem units;
    kith_list free;
    kith_value in_use, most;
};

static int job(const void *arg)
{
    const struct connections *c = arg;
    int connection, before;

    kith_sem_acquire(c->units, KITH_FOREVER);
    kith_list_pop(c->free, -1, &connection, sizeof connection);
    kith_update(c->in_use, KITH_ADD, 1, &before);
    kith_update(c->most, KITH_MAX, before + 1, &before);
    printf("%s has connection %d\n", kith_name(), connection);
    kith_add(c->in_use, -1);
    kith_append(c->free, connection);
    return kith_sem_release(c->units);
}

int main(int argc, char **argv)
{
    kith_process p[10];
    int most;

    kith_init(&argc, &argv);
    struct connections c = { kith_sem_open(3), kith_list_open(), kith_value_of(0), kith_value_of(0) };

    for (int i = 1; i <= 3; i++)
        kith_append(c.free, i);
    for (int i = 0; i < 10; i++)
        p[i] = kith_process_start_with(job, KITH_ARG(c), .node = KITH_NODE(i % kith_nodes()));
    for (int i = 0; i < 10; i++)
        kith_process_join(p[i], KITH_FOREVER);
    kith_load(c.most, &most);
    printf("%s at a time\n", most <= 3 ? "up to three" : "too many");
    printf("%d connections are free again\n", (int)kith_list_len(c.free));
    return kith_finalize();
}
