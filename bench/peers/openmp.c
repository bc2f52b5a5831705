/* openmp: what threads with a shared loop do of the rows of kith, the tasks called through a pointer too.
 *     openmp map static|dynamic CHUNK LATER
 *     openmp tasks COUNT
 *     openmp metg
 *     openmp uneven MICROSECONDS...
 *     openmp tree
 *     openmp loop */
#include "config.h"

#include <omp.h>
#include <string.h>

#include "../bench.h"
#include "../loop.h"
#include "../metg.h"
#include "../tree.h"

enum { N = 10000000, MOST = 100, METG_TASKS = 200000, LOOPS = 2000 };

static double cheap(double x)
{
    return x * 0.5 + 1.0;
}

/* volatile: the compiler must not see which function it is, as kith's workers do not either. */
static double (*volatile task)(double) = cheap;

static double rate(const double *in, double *out)
{
    double (*f)(double) = task, start = now();

#pragma omp parallel for schedule(runtime)
    for (int i = 0; i < N; i++)
        out[i] = f(in[i]);
    return N / (now() - start) * 1e-6;
}

static void map(int argc, char **argv)
{
    double *in = malloc(N * sizeof *in), *out = malloc(N * sizeof *out), later[MOST];
    int fixed = argc > 2 && !strcmp(argv[2], "static");
    size_t n = number(argc, argv, 4, 5);

    if (!in || !out)
        die("no memory for the arrays");
    for (int i = 0; i < N; i++)
        in[i] = i;
    omp_set_schedule(fixed ? omp_sched_static : omp_sched_dynamic, (int)number(argc, argv, 3, 1024));
    say("first", rate(in, out));
    say("second", rate(in, out));
    for (size_t i = 0; i < n && i < MOST; i++)
        later[i] = rate(in, out);
    if (n)
        say("later", quantile(later, n < MOST ? n : MOST, 0.5));
    for (int i = 0; i < N; i++)
        if (out[i] != cheap(i))
            die("a wrong result");
    free(in);
    free(out);
}

static uint64_t results[METG_TASKS];

static double run(uint64_t steps, size_t n)
{
    uint64_t (*f)(uint64_t) = metg_hidden;
    double start = now();

#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < n; i++)
        results[i] = f(steps);
    return now() - start;
}

static void uneven(int argc, char **argv)
{
    double took[1024], speed = steps_per_us(), start;
    int n = argc - 2 < 1024 ? argc - 2 : 1024;

    run(1, 2); /* the threads have started */
    start = now();
#pragma omp parallel for schedule(dynamic, 1)
    for (int i = 0; i < n; i++) {
        double begin = now();
        work((uint64_t)(speed * strtod(argv[i + 2], NULL)));
        took[i] = now() - begin;
    }
    say("makespan", now() - start);
    for (int i = 0; i < n; i++)
        say("task", took[i]);
}

static double rate_of_tasks(int *y, int n)
{
    double (*f)(double) = task, start = now();

#pragma omp parallel
#pragma omp single
    for (int i = 0; i < n; i++)
#pragma omp task firstprivate(i)
        y[i] = (int)f(i);
    return n / (now() - start) * 1e-6;
}

static void tasks(int n)
{
    int *y = malloc((size_t)n * sizeof *y);

    if (!y)
        die("no memory for the results");
    say("first", rate_of_tasks(y, n));
    say("second", rate_of_tasks(y, n));
    for (int i = 0; i < n; i++)
        if (y[i] != (int)cheap(i))
            die("a wrong result");
    free(y);
}

static uint64_t visit(const struct tree_node *node)
{
    int n = tree_children(node);
    uint64_t nodes[TREE_MOST], sum = 1;

    for (int i = 0; i < n; i++) {
        struct tree_node child;

        tree_child(node, i, &child);
#pragma omp task shared(nodes) firstprivate(child, i)
        nodes[i] = visit(&child);
    }
#pragma omp taskwait
    for (int i = 0; i < n; i++)
        sum += nodes[i];
    return sum;
}

static int fib(int n)
{
    int x, y;

    if (n < 2)
        return n;
#pragma omp task shared(x)
    x = fib(n - 1);
    y = fib(n - 2);
#pragma omp taskwait
    return x + y;
}

static void tree(void)
{
    struct tree_node root;
    uint64_t nodes = 0;
    double start = now();
    int y = 0;

    tree_root(&root);
#pragma omp parallel
#pragma omp single
    nodes = visit(&root);
    say("tree", now() - start);
    start = now();
#pragma omp parallel
#pragma omp single
    y = fib(FIB);
    say("fib", now() - start);
    if (nodes != TREE_NODES || y != FIB_RESULT)
        die("a wrong result");
}

static void sweep(const struct grids *g)
{
#pragma omp parallel for schedule(static)
    for (uint64_t row = 0; row < g->n; row++)
        sweep_rows(g, row, row + 1);
}

static void nothing(uint64_t block)
{
    (void)block;
}

static void (*volatile empty_block)(uint64_t) = nothing;

static void empty_loops(void)
{
    static double took[LOOPS];

    for (int i = 0; i < LOOPS; i++) {
        double start = now();

#pragma omp parallel for schedule(static)
        for (uint64_t block = 0; block < EMPTY_BLOCKS; block++)
            empty_block(block);
        took[i] = now() - start;
    }
    say("empty", 1e6 * quantile(took, LOOPS, 0.5));
}

static void jacobi(const char *key, uint64_t n, int sweeps)
{
    double *a = malloc(grid_size(n)), *b = malloc(grid_size(n)), took[LOOPS];

    if (!a || !b)
        die("no memory for the grids");
    grid_fill(a, n);
    grid_fill(b, n);
    for (int i = 0; i < sweeps; i++) {
        double start = now();

        sweep(&(struct grids){ i % 2 ? b : a, i % 2 ? a : b, n });
        took[i] = now() - start;
    }
    say(key, 1e6 * quantile(took, (size_t)sweeps, 0.5));
    check_sweeps(a, n, sweeps);
    free(a);
    free(b);
}

static void loops(void)
{
    empty_loops();
    jacobi("small", SMALL, LOOPS);
    jacobi("large", LARGE, LOOPS / 10);
}

int main(int argc, char **argv)
{
    const char *row = argc > 1 ? argv[1] : "";

    omp_set_num_threads(2);
    if (!strcmp(row, "map"))
        map(argc, argv);
    else if (!strcmp(row, "tasks"))
        tasks((int)number(argc, argv, 2, 1000000));
    else if (!strcmp(row, "metg"))
        say("metg", 1e6 * metg(run, METG_TASKS, 2));
    else if (!strcmp(row, "uneven"))
        uneven(argc, argv);
    else if (!strcmp(row, "tree"))
        tree();
    else if (!strcmp(row, "loop"))
        loops();
    else
        die("usage: openmp map|tasks|metg|uneven|tree|loop ...");
    return 0;
}
