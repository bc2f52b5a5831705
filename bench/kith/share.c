/* share: large constant data to all other nodes: from the call of kith_share until a Process on each of them
 * has all of it. Prints GB/s of one copy. Started by mpirun on several nodes.
 *     share MIB */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

enum { NODES_MOST = 64, PAGE = 4096 };

struct role {
    kith_queue ready;
    kith_queue table; /* of handles, one for each */
};

static int is_right(const unsigned char *p, size_t size)
{
    for (size_t i = 0; p && i < size; i += PAGE)
        if (p[i] != (unsigned char)(i / PAGE * 7))
            return 0;
    return p != NULL;
}

static int reads(const void *arg)
{
    const struct role *role = arg;
    int node = kith_node(), ok;
    kith_shared s;

    if (kith_put(role->ready, node) < 0 || kith_get(role->table, &s) < 0)
        return 1;
    ok = kith_shared_data(s) != NULL;
    if (kith_put(role->ready, ok) < 0) /* the clock stops; what follows looks at the bytes */
        return 1;
    return !ok || !is_right(kith_shared_data(s), (size_t)kith_shared_size(s));
}

/* One answer of each. */
static void hear(const struct role *role, int n)
{
    for (int i = 0, x; i < n; i++)
        if (kith_get(role->ready, &x) < 0)
            die("a node does not answer");
}

int main(int argc, char **argv)
{
    kith_process p[NODES_MOST];
    struct role role;
    unsigned char *data;
    size_t size;
    double t;
    int others, code;

    kith_init(&argc, &argv);
    others = kith_nodes() - 1;
    if (others < 1 || others > NODES_MOST)
        die("there is only one node");
    size = number(argc, argv, 1, 1024) << 20;
    role.ready = kith_queue_open(0);
    role.table = kith_queue_open(0);
    data = kith_alloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i / PAGE * 7);
    for (int k = 0; k < others; k++)
        p[k] = kith_process_start_with(reads, KITH_ARG(role), .node = KITH_NODE(k + 1));
    hear(&role, others);
    t = now();
    kith_shared s = kith_share(data, size);
    for (int k = 0; k < others; k++)
        kith_put(role.table, s);
    hear(&role, others);
    t = now() - t;
    for (int k = 0; k < others; k++)
        if (kith_process_join(p[k], KITH_FOREVER) < 0 || kith_process_exitcode(p[k], &code) < 0 || code != 0)
            die("a node has other bytes");
    say("bytes", (double)size / t * 1e-9);
    return kith_finalize();
}
