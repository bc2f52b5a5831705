/* remote: objects of the first node, used from the second one. Started by mpirun on two nodes.
 *     remote one            microseconds of a call (median) by one Process, for each kind of object
 *     remote many CALLERS   thousand calls a second by so many Processes at a time
 *
 * For a Pipe it is half of a message there and back; for a Barrier of two, a round. */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

enum { WARM = 200, ROUNDS = 2000, EACH = 5000, MOST = 64 };

struct things {
    kith_lock lock;
    kith_value value;
    kith_sem sem;
    kith_event event;
    kith_cond cond;
    kith_barrier barrier;
    kith_dict dict;
    kith_rlock rlock;
    kith_array array;
    kith_list list;
    kith_ns names;
    kith_queue full, empty; /* to wait for */
    kith_pipe pipe;
    kith_queue report;
};

/* Each makes its calls, and returns whether all went well. */
typedef int use(const struct things *t, long i);

static int use_pipe(const struct things *t, long i)
{
    long x;

    return kith_send(t->pipe, i) == 0 && kith_recv(t->pipe, &x) == 0 && x == i;
}

static int use_lock(const struct things *t, long i)
{
    (void)i;
    return kith_lock_acquire(t->lock, KITH_FOREVER) == 0 && kith_lock_release(t->lock) == 0;
}

static int add(const struct things *t, long i)
{
    (void)i;
    return kith_add(t->value, 1L) == 0;
}

static int use_sem(const struct things *t, long i)
{
    (void)i;
    return kith_sem_acquire(t->sem, KITH_FOREVER) == 0 && kith_sem_release(t->sem) == 0;
}

static int use_event(const struct things *t, long i)
{
    (void)i;
    return kith_event_set(t->event) == 0 && kith_event_clear(t->event) == 0;
}

static int use_condition(const struct things *t, long i)
{
    (void)i;
    return kith_cond_acquire(t->cond, KITH_FOREVER) == 0 && kith_cond_notify(t->cond, 1) >= 0 &&
           kith_cond_release(t->cond) == 0;
}

static int meet(const struct things *t, long i)
{
    (void)i;
    return kith_barrier_wait(t->barrier, KITH_FOREVER) >= 0;
}

static int set_entry(const struct things *t, long i)
{
    long key = i % 100;

    return kith_dict_set(t->dict, KITH_ARG(key), KITH_ARG(i)) == 0;
}

static int get_entry(const struct things *t, long i)
{
    long key = i % 100, x;

    return kith_dict_get(t->dict, KITH_ARG(key), KITH_ARG(x)) == sizeof x;
}

static int use_rlock(const struct things *t, long i)
{
    (void)i;
    return kith_rlock_acquire(t->rlock, KITH_FOREVER) == 0 && kith_rlock_release(t->rlock) == 0;
}

static int add_at(const struct things *t, long i)
{
    return kith_add_at(t->array, (size_t)i % 100, 1L) == 0;
}

static int append(const struct things *t, long i)
{
    return kith_append(t->list, i) == 0;
}

static int set_name(const struct things *t, long i)
{
    return kith_set(t->names, "x", i) == 0;
}

static int wait_for_one(const struct things *t, long i)
{
    struct kith_waitable list[] = { kith_on(t->empty), kith_on(t->full) };

    (void)i;
    return kith_wait(list, 2, KITH_FOREVER) == 1 && list[1].ready;
}

static const struct {
    const char *key;
    use *fn;
    int calls;
} uses[] = { { "pipe", use_pipe, 2 }, { "barrier", meet, 1 },
             { "lock", use_lock, 2 }, { "add", add, 1 },
             { "sem", use_sem, 2 },   { "event", use_event, 2 },
             { "set", set_entry, 1 }, { "condition", use_condition, 3 },
             { "get", get_entry, 1 }, { "rlock", use_rlock, 2 },
             { "add_at", add_at, 1 }, { "append", append, 1 },
             { "name", set_name, 1 }, { "wait", wait_for_one, 1 } };
enum { USES = sizeof uses / sizeof uses[0] };

static double median_us(use *fn, const struct things *t)
{
    static double took[ROUNDS];

    for (long i = -WARM; i < ROUNDS; i++) {
        double start = now();

        if (!fn(t, i < 0 ? -i : i))
            return -1;
        if (i >= 0)
            took[i] = now() - start;
    }
    return 1e6 * quantile(took, ROUNDS, 0.5);
}

static int uses_all(const void *arg)
{
    const struct things *t = arg;
    double us[USES];

    for (int i = 0; i < USES; i++)
        us[i] = median_us(uses[i].fn, t) / uses[i].calls;
    return kith_put(t->report, us) < 0;
}

/* The other end of the Pipe, and the other party of the Barrier. */
static void take_part(const struct things *t, kith_pipe end)
{
    for (long i = 0, x; i < WARM + ROUNDS; i++)
        if (kith_recv(end, &x) < 0 || kith_send(end, x) < 0)
            die("the pipe has ended");
    for (long i = 0; i < WARM + ROUNDS; i++)
        if (!meet(t, i))
            die("the barrier is broken");
}

static void join(kith_process p)
{
    int code = 1;

    if (kith_process_join(p, KITH_FOREVER) < 0 || kith_process_exitcode(p, &code) < 0 || code != 0)
        die("a Process has failed");
}

static void one(struct things *t)
{
    kith_pipe ends[2];
    kith_process p;
    double us[USES];

    kith_pipe_open(ends);
    t->pipe = ends[1];
    p = kith_process_start_with(uses_all, KITH_ARG(*t), .node = KITH_NODE(1));
    kith_pipe_give(ends[1], p);
    take_part(t, ends[0]);
    kith_get(t->report, &us);
    for (int i = 0; i < USES; i++) {
        if (us[i] < 0)
            die(uses[i].key);
        say(uses[i].key, us[i]);
    }
    join(p);
}

static int adds(const void *arg)
{
    const struct things *t = arg;
    int ready = 1;

    if (kith_put(t->report, ready) < 0 || kith_event_wait(t->event, KITH_FOREVER) < 0)
        return 1;
    for (long i = 0; i < EACH; i++)
        if (!add(t, i))
            return 1;
    return kith_put(t->report, ready) < 0;
}

static void hear(const struct things *t, int n)
{
    for (int i = 0, x; i < n; i++)
        kith_get(t->report, &x);
}

static void many(const struct things *t, int callers)
{
    kith_process p[MOST];
    double start;
    long sum = 0;

    for (int i = 0; i < callers; i++)
        p[i] = kith_process_start_with(adds, KITH_ARG(*t), .node = KITH_NODE(1));
    hear(t, callers);
    start = now();
    kith_event_set(t->event);
    hear(t, callers);
    say("calls", 1e-3 * callers * EACH / (now() - start));
    for (int i = 0; i < callers; i++)
        join(p[i]);
    kith_load(t->value, &sum);
    if (sum != (long)callers * EACH)
        die("an add is lost");
}

int main(int argc, char **argv)
{
    unsigned long callers;
    struct things t = { 0 };

    kith_init(&argc, &argv);
    if (kith_nodes() < 2)
        die("there is only one node");
    t.lock = kith_lock_open();
    t.value = kith_value_of(0L);
    t.sem = kith_sem_open(1);
    t.event = kith_event_open();
    t.cond = kith_cond_open();
    t.barrier = kith_barrier_open(2);
    t.dict = kith_dict_open();
    t.rlock = kith_rlock_open();
    t.array = kith_array_open('l', 100);
    t.list = kith_list_open();
    t.names = kith_ns_open();
    t.full = kith_queue_open(0);
    t.empty = kith_queue_open(0);
    kith_put(t.full, t);
    t.report = kith_queue_open(0);
    callers = number(argc, argv, 2, 16);
    if (argc > 1 && !strcmp(argv[1], "many"))
        many(&t, callers < MOST ? (int)callers : MOST);
    else
        one(&t);
    return kith_finalize();
}
