/* bulk: a map over 64 elements of 16 MiB, each copied by its task. Prints GB/s of input (as much comes back).
 *     bulk kith|malloc */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

enum { N = 64 };

struct block {
    unsigned char bytes[16 << 20];
};

static int copy(const void *in, void *out)
{
    memcpy(out, in, sizeof(struct block));
    return 0;
}

/* Touched here, so that the first page faults of plain memory are not counted. */
static struct block *blocks(int kith, int fill)
{
    struct block *b = kith ? kith_alloc(N * sizeof *b) : malloc(N * sizeof *b);

    if (!b)
        die("no memory for the blocks");
    for (int i = 0; i < N; i++)
        memset(&b[i], fill ? i + 1 : 0, sizeof *b);
    return b;
}

static double rate(kith_pool pool, const struct block *in, struct block *out)
{
    double start = now();

    kith_map(pool, copy, in, out, N);
    return N * (double)sizeof *in / (now() - start) * 1e-9;
}

int main(int argc, char **argv)
{
    struct block *in, *out;
    kith_pool pool;
    int kith;

    kith_init(&argc, &argv);
    kith = argc > 1 && !strcmp(argv[1], "kith");
    in = blocks(kith, 1);
    out = blocks(kith, 0);
    pool = kith_pool_open(2);
    say("first", rate(pool, in, out));
    say("second", rate(pool, in, out));
    if (memcmp(in, out, N * sizeof *in))
        die("a wrong result");
    kith_pool_close(pool);
    return kith_finalize();
}
