/* shared_counters: four Processes count in the same dict. With Python's Manager,
 * d["hits"] += 1 gets, adds and sets: what another process has set in between is lost.
 * Here each of these is one step: kith_inc adds, kith_dict_update runs a function.
 *
 *     ./shared_counters
 *     mpirun --hostfile hosts ./shared_counters
 */
#include <kith.h>
#include <stdio.h>

enum { PROCESSES = 4, TIMES = 1000 };

struct range {
    int smallest, largest, seen;
};

/* Of kith_dict_update: the range that has been seen so far, with one number more. */
static int widen(struct kith_entry *entry, void *arg)
{
    struct range *r = entry->value;
    int x = *(int *)arg;

    if (!entry->exists)
        *r = (struct range){ x, x, 0 };
    r->smallest = x < r->smallest ? x : r->smallest;
    r->largest = x > r->largest ? x : r->largest;
    r->seen++;
    entry->exists = 1;
    entry->size = sizeof *r;
    return 0;
}

static int count(kith_dict d, int who)
{
    for (int i = 0; i < TIMES; i++) {
        int x = (i + 1) * PROCESSES + who;

        kith_inc(d, "hits", 1);
        kith_dict_update(d, KITH_TEXT("range"), sizeof(struct range), widen, &x, KITH_FOREVER);
    }
    return 0;
}

struct task {
    kith_dict d;
    int who;
};

static int run(const void *arg)
{
    const struct task *t = arg;

    return count(t->d, t->who);
}

int main(int argc, char **argv)
{
    kith_process p[PROCESSES];
    struct range r;
    int hits;

    kith_init(&argc, &argv);
    kith_dict d = kith_dict_open();

    for (int i = 0; i < PROCESSES; i++) {
        struct task t = { d, i };

        p[i] = kith_process_start_with(run, KITH_ARG(t), .node = KITH_NODE(i % kith_nodes()));
    }
    for (int i = 0; i < PROCESSES; i++)
        kith_process_join(p[i], KITH_FOREVER);
    kith_fetch(d, "hits", &hits);
    kith_fetch(d, "range", &r);
    printf("%d hits\n", hits);
    printf("%d numbers from %d to %d\n", r.seen, r.smallest, r.largest);
    return kith_finalize();
}
