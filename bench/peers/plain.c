/* plain: what C does with fork and wait alone, the floor under several rows.
 *     plain process        fork of a child that ends at once, and wait, in milliseconds
 *     plain program        4 children compute 4 numbers into shared memory; timed from outside
 *     plain copy           64 x 16 MiB copied by 2 children between shared arrays, in GB/s */
#include "config.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { UNTIMED = 20, TIMED = 300, BLOCKS = 64 };
#define BLOCK ((size_t)16 << 20)

static void *shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        die("no shared memory");
    return p;
}

static void wait_for_all(void)
{
    int status;

    while (wait(&status) > 0)
        if (status)
            die("a child failed");
}

static double fork_and_wait_ms(void)
{
    double start = now();

    if (fork() == 0)
        _exit(0);
    wait_for_all();
    return 1e3 * (now() - start);
}

static void process(void)
{
    double t[TIMED];

    for (int i = 0; i < UNTIMED; i++)
        fork_and_wait_ms();
    for (int i = 0; i < TIMED; i++)
        t[i] = fork_and_wait_ms();
    say("median", quantile(t, TIMED, 0.5));
    say("p99", quantile(t, TIMED, 0.99));
}

static void program(void)
{
    int *out = shared(4 * sizeof *out);

    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            out[i] = (i + 1) * (i + 1);
            _exit(0);
        }
    wait_for_all();
    if (out[0] + out[1] + out[2] + out[3] != 30)
        die("a wrong result");
}

/* Every second block, twice, as the pages are mapped by then; one barrier before and one behind each round.
 */
static void copy_twice(pthread_barrier_t *barrier, size_t child, const char *in, char *out)
{
    for (int round = 0; round < 2; round++) {
        pthread_barrier_wait(barrier);
        for (size_t i = child; i < BLOCKS; i += 2)
            memcpy(out + i * BLOCK, in + i * BLOCK, BLOCK);
        pthread_barrier_wait(barrier);
    }
}

static double round_rate(pthread_barrier_t *barrier)
{
    double start;

    pthread_barrier_wait(barrier);
    start = now();
    pthread_barrier_wait(barrier);
    return (double)BLOCKS * BLOCK / (now() - start) * 1e-9;
}

static void copy(void)
{
    char *in = shared(BLOCKS * BLOCK), *out = shared(BLOCKS * BLOCK);
    pthread_barrier_t *barrier = shared(sizeof *barrier);
    pthread_barrierattr_t attr;

    memset(in, 1, BLOCKS * BLOCK);
    memset(out, 0, BLOCKS * BLOCK);
    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(barrier, &attr, 3);
    for (size_t child = 0; child < 2; child++)
        if (fork() == 0) {
            copy_twice(barrier, child, in, out);
            _exit(0);
        }
    say("first", round_rate(barrier));
    say("second", round_rate(barrier));
    wait_for_all();
    if (memcmp(in, out, BLOCKS * BLOCK))
        die("a wrong result");
}

int main(int argc, char **argv)
{
    const char *row = argc > 1 ? argv[1] : "";

    if (!strcmp(row, "process"))
        process();
    else if (!strcmp(row, "program"))
        program();
    else if (!strcmp(row, "copy"))
        copy();
    else
        die("usage: plain process|program|copy");
    return 0;
}
