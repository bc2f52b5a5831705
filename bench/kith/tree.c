/* tree: calls in calls, in seconds: each node of the tree T1, and each number of fib(30), is a task that
 * calls its own pool. */
#include "config.h"

#include "../tree.h"
#include "kith.h"

struct node {
    kith_pool pool;
    struct tree_node self;
};

struct number {
    kith_pool pool;
    int n;
};

static int visit(const void *in, void *out)
{
    const struct node *node = in;
    int n = tree_children(&node->self);
    struct node child[TREE_MOST];
    uint64_t nodes[TREE_MOST], sum = 1;

    for (int i = 0; i < n; i++) {
        child[i].pool = node->pool;
        tree_child(&node->self, i, &child[i].self);
    }
    if (n > 0 && kith_pool_map(node->pool, visit, child, sizeof *child, nodes, sizeof *nodes, (size_t)n) < 0)
        return 1;
    for (int i = 0; i < n; i++)
        sum += nodes[i];
    *(uint64_t *)out = sum;
    return 0;
}

static int fib(const void *in, void *out)
{
    const struct number *x = in;
    struct number less[2] = { { x->pool, x->n - 1 }, { x->pool, x->n - 2 } };
    int y[2];

    *(int *)out = x->n;
    if (x->n < 2)
        return 0;
    if (kith_pool_map(x->pool, fib, less, sizeof *less, y, sizeof *y, 2) < 0)
        return 1;
    *(int *)out = y[0] + y[1];
    return 0;
}

int main(int argc, char **argv)
{
    struct node root;
    struct number thirty = { .n = FIB };
    uint64_t nodes;
    double start;
    int y;

    kith_init(&argc, &argv);
    root.pool = thirty.pool = kith_pool_open(2);
    tree_root(&root.self);
    for (int i = 0; i < 2; i++) {
        start = now();
        kith_pool_apply(root.pool, visit, KITH_ARG(root), &nodes, sizeof nodes);
        say(i ? "tree" : "first", now() - start);
        if (nodes != TREE_NODES)
            die("a wrong number of nodes");
    }
    start = now();
    kith_pool_apply(root.pool, fib, KITH_ARG(thirty), &y, sizeof y);
    say("fib", now() - start);
    if (y != FIB_RESULT)
        die("a wrong number");
    kith_pool_close(root.pool);
    return kith_finalize();
}
