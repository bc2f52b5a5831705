/* bounded_buffer: two Processes fill a List that has room for four numbers, and two
 * others empty it. Two Conditions share one lock: producers wait until the List is not
 * full, consumers until it is not empty, and each notifies only those whom it concerns.
 * (A Queue with a bound does the same in one call.)
 *
 *     ./bounded_buffer
 *     mpirun -n 4 ./bounded_buffer
 */
#include <kith.h>
#include <stdio.h>

enum { ROOM = 4, NUMBERS = 20 };

struct buffer {
    kith_list items;
    kith_cond not_full, not_empty;
    kith_value most, sum;
};

static int has_room(void *buffer)
{
    return kith_list_len(((const struct buffer *)buffer)->items) < ROOM;
}

static int has_items(void *buffer)
{
    return kith_list_len(((const struct buffer *)buffer)->items) > 0;
}

static int producer(const void *arg)
{
    struct buffer b = *(const struct buffer *)arg;

    for (int i = 1; i <= NUMBERS; i++) {
        kith_cond_acquire(b.not_full, KITH_FOREVER);
        kith_cond_wait_for(b.not_full, has_room, &b, KITH_FOREVER);
        kith_append(b.items, i);
        kith_update(b.most, KITH_MAX, (int)kith_list_len(b.items), NULL);
        kith_cond_notify(b.not_empty, 1);
        kith_cond_release(b.not_full);
    }
    return 0;
}

static int consumer(const void *arg)
{
    struct buffer b = *(const struct buffer *)arg;
    int x = 0;

    for (int i = 1; i <= NUMBERS; i++) {
        kith_cond_acquire(b.not_empty, KITH_FOREVER);
        kith_cond_wait_for(b.not_empty, has_items, &b, KITH_FOREVER);
        kith_list_pop(b.items, 0, &x, sizeof x);
        kith_cond_notify(b.not_full, 1);
        kith_cond_release(b.not_empty);
        kith_add(b.sum, x);
    }
    return 0;
}

int main(int argc, char **argv)
{
    kith_target *targets[] = { producer, producer, consumer, consumer };
    kith_process p[4];
    int most, sum;

    kith_init(&argc, &argv);
    kith_rlock lock = kith_rlock_open();
    struct buffer b = { kith_list_open(), kith_cond_open_with(.lock = lock),
                        kith_cond_open_with(.lock = lock), kith_value_of(0), kith_value_of(0) };

    for (int i = 0; i < 4; i++)
        p[i] = kith_process_start_with(targets[i], KITH_ARG(b), .node = KITH_NODE(i % kith_nodes()));
    for (int i = 0; i < 4; i++)
        kith_process_join(p[i], KITH_FOREVER);
    kith_load(b.most, &most);
    kith_load(b.sum, &sum);
    printf("%s in the buffer at a time\n", most <= ROOM ? "up to four" : "too many");
    printf("40 numbers went through it, in all %d\n", sum);
    return kith_finalize();
}
