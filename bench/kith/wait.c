/* wait: microseconds of a round in which one process sends a number, another one sends it back by one of two
 * Queues, and the first one waits for both of them (kith_wait): queues; and for a pipe besides (beside a
 * file). */
#include "config.h"

#include "../bench.h"
#include "kith.h"

#include <unistd.h>

enum { ROUNDS = 50000 };

struct lines {
    kith_queue there, back[2];
};

static int echoes(const void *arg)
{
    const struct lines *l = arg;
    int x;

    while (kith_get(l->there, &x) == 0 && x >= 0)
        kith_put(l->back[x & 1], x);
    return 0;
}

/* What there is to wait for: n of the list. */
static double round_us(const struct lines *l, struct kith_waitable *list, size_t n, int rounds)
{
    double start = now();

    for (int i = 0; i < rounds; i++) {
        int y = -1;

        kith_put(l->there, i);
        if (kith_wait(list, n, KITH_FOREVER) != 1 || list[i & 1].ready != 1 ||
            kith_queue_get(l->back[i & 1], &y, sizeof y, 0) != sizeof y || y != i)
            die("another number has come back");
    }
    return 1e6 * (now() - start) / rounds;
}

int main(int argc, char **argv)
{
    int fds[2], end = -1;
    struct lines l;
    kith_process p;

    kith_init(&argc, &argv);
    l = (struct lines){ kith_queue_open(0), { kith_queue_open(0), kith_queue_open(0) } };
    if (pipe(fds) < 0)
        die("no pipe");
    struct kith_waitable list[] = { kith_on(l.back[0]), kith_on(l.back[1]), kith_on_fd(fds[0]) };
    p = kith_process_start(echoes, KITH_ARG(l));
    round_us(&l, list, 2, ROUNDS / 10);
    say("queues", round_us(&l, list, 2, ROUNDS));
    say("file", round_us(&l, list, 3, ROUNDS / 5));
    kith_put(l.there, end);
    kith_process_join(p, KITH_FOREVER);
    return kith_finalize();
}
