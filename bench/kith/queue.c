/* queue: items a second through one Queue, producers and consumers being Processes. Prints million items a
 * second and GB/s. queue PRODUCERS CONSUMERS SIZE COUNT BOUND [ORDER [JOINABLE]]      each producer puts
 * COUNT items of SIZE bytes; ORDER as enum kith_order; JOINABLE: 1, and consumers say that they are done with
 * each */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

struct role {
    kith_queue items, go, done;
    uint64_t count;
    size_t size;
    int joinable;
};

struct report {
    uint64_t taken, sum;
    double end;
};

static void *item(size_t size)
{
    void *p = malloc(size);

    if (!p)
        die("no memory for an item");
    return memset(p, 1, size);
}

static int put(const void *arg)
{
    const struct role *role = arg;
    void *buf = item(role->size);
    char start;

    kith_get(role->go, &start);
    for (uint64_t i = 0; i < role->count; i++) {
        memcpy(buf, &i, sizeof i);
        if (kith_queue_put(role->items, buf, role->size, KITH_FOREVER) < 0)
            return 1;
    }
    free(buf);
    return 0;
}

static int take(const void *arg)
{
    const struct role *role = arg;
    struct report report = { 0 };
    void *buf = item(role->size);
    uint64_t i;

    while (kith_queue_get(role->items, buf, role->size, KITH_FOREVER) == (int64_t)role->size) {
        memcpy(&i, buf, sizeof i);
        if (role->joinable)
            kith_queue_task_done(role->items);
        report.taken++;
        report.sum += i;
    }
    report.end = now();
    free(buf);
    return kith_put(role->done, report) < 0;
}

/* Ends the consumers, and returns when the last of them had taken its last item. */
static double finish(const struct role *role, int consumers, uint64_t taken, uint64_t sum)
{
    struct report report;
    double end = 0.0;

    kith_queue_shutdown(role->items);
    for (int i = 0; i < consumers; i++) {
        kith_get(role->done, &report);
        taken -= report.taken;
        sum -= report.sum;
        end = report.end > end ? report.end : end;
    }
    if (taken || sum)
        die("items are lost, or came twice");
    return end;
}

int main(int argc, char **argv)
{
    kith_process p[64];
    struct role role;
    int producers, consumers;
    double start, total;

    kith_init(&argc, &argv);
    producers = (int)number(argc, argv, 1, 1);
    consumers = (int)number(argc, argv, 2, 1);
    role.size = number(argc, argv, 3, 8);
    role.count = number(argc, argv, 4, 1000000);
    role.joinable = (int)number(argc, argv, 7, 0);
    role.items =
        kith_queue_open_with(number(argc, argv, 5, 1024), .order = (int)number(argc, argv, 6, KITH_FIFO),
                             .joinable = role.joinable);
    role.go = kith_queue_open(0);
    role.done = kith_queue_open(0);
    for (int i = 0; i < consumers; i++)
        kith_process_start(take, KITH_ARG(role));
    for (int i = 0; i < producers; i++)
        p[i] = kith_process_start(put, KITH_ARG(role));
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL); /* all wait now */
    start = now();
    for (int i = 0; i < producers; i++)
        kith_put(role.go, (char){ 0 });
    for (int i = 0; i < producers; i++)
        kith_process_join(p[i], KITH_FOREVER);
    total = (double)producers * (double)role.count;
    start = finish(&role, consumers, (uint64_t)producers * role.count,
                   (uint64_t)producers * (role.count * (role.count - 1) / 2)) -
            start;
    say("items", total / start * 1e-6);
    say("bytes", total * (double)role.size / start * 1e-9);
    return kith_finalize();
}
