/* pipe: the time of a message of 8 bytes there and back between two processes, in µs, and GB/s one way in
 * messages of 1 MiB. */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

enum { WARM = 20000, TURNS = 200000, SIZE = 1 << 20, MESSAGES = 4000 };

static int answers(const void *arg)
{
    const kith_pipe *end = arg;
    uint64_t x;

    while (kith_recv(*end, &x) == 0)
        if (kith_send(*end, x) < 0)
            return 1;
    return 0;
}

static void ask(kith_pipe end, int times)
{
    uint64_t back;

    for (uint64_t i = 0; i < (uint64_t)times; i++) {
        kith_send(end, i);
        if (kith_recv(end, &back) < 0 || back != i)
            die("an answer is lost");
    }
}

static double round_trip(void)
{
    kith_pipe ends[2];
    kith_process p;
    double start;

    kith_pipe_open(ends);
    p = kith_process_start(answers, KITH_ARG(ends[1]));
    kith_pipe_give(ends[1], p);
    ask(ends[0], WARM);
    start = now();
    ask(ends[0], TURNS);
    start = now() - start;
    kith_pipe_close(ends[0]);
    kith_process_join(p, KITH_FOREVER);
    return start * 1e6 / TURNS;
}

static int pours(const void *arg)
{
    const kith_pipe *end = arg;
    char *bytes = malloc(SIZE);

    if (!bytes)
        return 1;
    memset(bytes, 1, SIZE);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        memcpy(bytes, &i, sizeof i);
        if (kith_pipe_send(*end, bytes, SIZE, KITH_FOREVER) < 0)
            return 1;
    }
    free(bytes);
    return 0;
}

static double one_way(void)
{
    char *bytes = malloc(SIZE);
    kith_pipe ends[2];
    kith_process p;
    uint64_t i, wanted = 0;
    double start = 0;

    if (!bytes)
        die("no memory");
    memset(bytes, 1, SIZE);
    kith_pipe_open_with(ends, .one_way = 1);
    p = kith_process_start(pours, KITH_ARG(ends[1]));
    kith_pipe_give(ends[1], p);
    while (kith_pipe_recv(ends[0], bytes, SIZE, KITH_FOREVER) == SIZE) {
        memcpy(&i, bytes, sizeof i);
        if (i != wanted++)
            die("a message is lost");
        if (i == 9) /* all is warm */
            start = now();
    }
    start = now() - start;
    if (wanted != MESSAGES)
        die("messages are lost");
    kith_process_join(p, KITH_FOREVER);
    free(bytes);
    return (double)(MESSAGES - 10) * SIZE / start * 1e-9;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    say("turn", round_trip());
    say("bytes", one_way());
    return kith_finalize();
}
