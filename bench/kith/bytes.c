/* bytes: 10^5 results of up to 255 bytes. Prints million results a second, with what it takes to free them.
 */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

enum { N = 100000 };

static int repeat(const void *in, kith_bytes *out)
{
    int n = *(const int *)in & 255, rc = kith_bytes_set(out, NULL, (size_t)n + 1);

    if (rc == 0)
        memset(out->data, n, (size_t)n + 1);
    return rc;
}

static double rate(kith_pool pool)
{
    static kith_bytes out[N];
    static int in[N];
    double start = now(), took;

    for (int i = 0; i < N; i++)
        in[i] = i;
    kith_map(pool, repeat, in, out, N);
    took = now() - start;
    for (int i = 0; i < N; i++)
        if (out[i].size != (size_t)(i & 255) + 1 || *(unsigned char *)out[i].data != (i & 255))
            die("a wrong result");
    start = now();
    kith_bytes_free(out, N);
    return N / (took + now() - start) * 1e-6;
}

int main(int argc, char **argv)
{
    kith_pool pool;

    kith_init(&argc, &argv);
    pool = kith_pool_open(2);
    say("first", rate(pool));
    say("second", rate(pool));
    kith_pool_close(pool);
    return kith_finalize();
}
