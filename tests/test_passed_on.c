/* test_passed_on.c: memory that a task has taken when its process is killed: what it had given to an object
 * before leads others there, and so it stays; what it had looked at, waited for or taken from one does not.
 */
#include "config.h"
#include "check.h"
#include "used.h"
#include "shm/heap.h"

#include <stdatomic.h>
#include <sys/mman.h>

static _Atomic int *has_called; /* by all processes */

/* Of each something; one thing can be had from each. */
struct objects {
    kith_process process;
    kith_queue queue, sorted;
    kith_pipe ends[2];
    kith_lock lock;
    kith_rlock rlock;
    kith_sem sem;
    kith_event event;
    kith_cond cond;
    kith_barrier barrier;
    kith_value value, bytes;
    kith_array array;
    kith_dict dict;
    kith_ns ns;
    kith_list list;
    kith_shared shared;
    kith_pool pool;
};

static int joins_nothing(const void *arg)
{
    (void)arg;
    return 0;
}

/* A task's call; 1: it did what it was to do. */
typedef int call(const struct objects *o);

/* ---- what gives nothing */

static int joins_a_process(const struct objects *o)
{
    char name[64];
    int code;

    return kith_process_join(o->process, KITH_FOREVER) == 0 &&
           kith_process_exitcode(o->process, &code) == 0 && kith_process_alive(o->process) == 0 &&
           kith_process_pid(o->process) > 0 && kith_process_name(o->process, name, sizeof name) == 0;
}
static int looks_into_queues(const struct objects *o)
{
    return kith_queue_size(o->queue) == 1 && kith_queue_next(o->queue, 0) > 0 &&
           kith_queue_size(o->sorted) == 1 && kith_queue_next(o->sorted, 0) > 0;
}
static int takes_from_queues(const struct objects *o)
{
    int x[2];

    return kith_queue_get(o->queue, x, sizeof *x, 0) == sizeof *x &&
           kith_queue_get(o->sorted, x, sizeof *x, 0) == sizeof *x &&
           kith_queue_get(o->queue, x, sizeof *x, 0) == KITH_ETIMEDOUT &&
           kith_queue_get_many(o->queue, x, sizeof *x, 2, 0) == KITH_ETIMEDOUT;
}
static int receives(const struct objects *o)
{
    int x;

    return kith_pipe_poll(o->ends[1], 0) == 1 && kith_pipe_next(o->ends[1], 0) == sizeof x &&
           kith_pipe_recv(o->ends[1], &x, sizeof x, 0) == sizeof x;
}
static int asks_locks(const struct objects *o)
{
    return kith_lock_locked(o->lock) == 0 && kith_rlock_locked(o->rlock) == 0 && kith_sem_value(o->sem) == 1;
}
static int acquires(const struct objects *o)
{
    return kith_lock_acquire(o->lock, 0) == 0 && kith_rlock_acquire(o->rlock, 0) == 0 &&
           kith_sem_acquire(o->sem, 0) == 0 && kith_cond_acquire(o->cond, 0) == 0 &&
           kith_value_lock(o->value, 0) == 0 && kith_array_lock(o->array, 0) == 0 &&
           kith_lock_acquire(o->lock, 0) == KITH_ETIMEDOUT;
}
static int waits_for_an_event(const struct objects *o)
{
    return kith_event_is_set(o->event) == 0 && kith_event_wait(o->event, 1) == KITH_ETIMEDOUT;
}
static int looks_at_a_barrier(const struct objects *o)
{
    return kith_barrier_waiting(o->barrier) == 0 && kith_barrier_broken(o->barrier) == 0;
}
static int reads(const struct objects *o)
{
    int x;

    return kith_value_load(o->value, 'i', &x, sizeof x) == 0 &&
           kith_array_load(o->array, 'i', 0, &x, 1) == 0 && kith_array_length(o->array) == 2 &&
           kith_array_here(o->array) && kith_shared_data(o->shared) && kith_shared_size(o->shared) == 9;
}
static int looks_things_up(const struct objects *o)
{
    struct kith_view *v = kith_dict_view(o->dict);
    long x;

    kith_view_free(v);
    return v && kith_dict_len(o->dict) == 1 && kith_dict_has(o->dict, "key", 3) == 1 &&
           kith_dict_get(o->dict, "key", 3, &x, sizeof x) == sizeof x && kith_ns_has(o->ns, "name") == 1 &&
           kith_list_len(o->list) == 1 && kith_list_get(o->list, 0, &x, sizeof x) == sizeof x &&
           kith_list_index(o->list, &x, sizeof x) == 0;
}
static int takes_out(const struct objects *o)
{
    long x;

    return kith_dict_pop(o->dict, "key", 3, &x, sizeof x) == sizeof x && kith_dict_clear(o->dict) == 0 &&
           kith_ns_del(o->ns, "name") == 0 && kith_list_pop(o->list, 0, &x, sizeof x) == sizeof x &&
           kith_list_clear(o->list) == 0;
}
static int waits_for_several(const struct objects *o)
{
    struct kith_waitable list[] = { kith_on(o->process), kith_on(o->queue), kith_on(o->event) };

    return kith_wait(list, 3, KITH_FOREVER) == 2;
}
static int opens_and_closes(const struct objects *o)
{
    kith_lock l = kith_lock_named("passed on");

    return kith_lock_close(l) == 0 && kith_event_close(kith_event_open()) == 0 &&
           kith_pool_workers(o->pool) == 1;
}

/* ---- what gives something */

static int puts_on_a_queue(const struct objects *o)
{
    return kith_queue_put(o->queue, &o, sizeof o, 0) == 0;
}
static int puts_on_a_sorted_one(const struct objects *o)
{
    return kith_queue_put_priority(o->sorted, &o, sizeof o, 1, 0) == 0;
}
static int sends(const struct objects *o)
{
    return kith_pipe_send(o->ends[0], &o, sizeof o, 0) == 0;
}
static int releases_a_lock(const struct objects *o)
{
    return kith_lock_acquire(o->lock, 0) == 0 && kith_lock_release(o->lock) == 0;
}
static int releases_an_rlock(const struct objects *o)
{
    return kith_rlock_acquire(o->rlock, 0) == 0 && kith_rlock_release(o->rlock) == 0;
}
static int releases_a_unit(const struct objects *o)
{
    return kith_sem_release(o->sem) == 0;
}
static int sets_an_event(const struct objects *o)
{
    return kith_event_set(o->event) == 0;
}
static int notifies(const struct objects *o)
{
    return kith_cond_acquire(o->cond, 0) == 0 && kith_cond_notify(o->cond, 1) == 0;
}
static int lets_go_to_sleep(const struct objects *o)
{
    return kith_cond_acquire(o->cond, 0) == 0 && kith_cond_wait(o->cond, 0) == KITH_ETIMEDOUT;
}
static int arrives(const struct objects *o)
{
    return kith_barrier_wait(o->barrier, 0) == KITH_ETIMEDOUT;
}
static int stores_a_number(const struct objects *o)
{
    const int x = 3;

    return kith_value_store(o->value, 'i', &x, sizeof x) == 0;
}
static int stores_bytes(const struct objects *o)
{
    return kith_value_store(o->bytes, 'b', "abcdefgh", 8) == 0;
}
static int adds_to_an_element(const struct objects *o)
{
    const int x = 3;

    return kith_array_update(o->array, 'i', 1, KITH_ADD, &x, NULL) == 0;
}
static int opens_a_named_value(const struct objects *o)
{
    long at = (long)(intptr_t)o;

    return kith_check(kith_value_open_with('l', &at, sizeof at, .name = "passed on")) == 0;
}
static int sets_a_key(const struct objects *o)
{
    return kith_dict_set(o->dict, "key", 3, &o, sizeof o) == 0;
}
static int sets_a_name(const struct objects *o)
{
    return kith_ns_set(o->ns, "name", &o, sizeof o) == 0;
}
static int appends(const struct objects *o)
{
    return kith_list_append(o->list, &o, sizeof o) == 0;
}
static int replaces(const struct objects *o)
{
    return kith_list_set(o->list, 0, &o, sizeof o) == 0;
}
static int starts_a_process(const struct objects *o)
{
    kith_process p = kith_process_start(joins_nothing, NULL, 0);

    (void)o;
    return kith_process_join(p, KITH_FOREVER) == 0 && kith_process_close(p) == 0;
}
static int opens_a_pool(const struct objects *o)
{
    kith_pool p = kith_pool_open(1);

    (void)o;
    return kith_pool_close(p) == 0;
}

/* ---- the task */

static struct objects open_them(kith_pool pool)
{
    const int one = 1;
    const long x = 5;
    struct objects o = {
        kith_process_start(joins_nothing, NULL, 0),
        kith_queue_open(0),
        kith_queue_open_with(0, .order = KITH_PRIORITY),
        { { 0 }, { 0 } },
        kith_lock_open(),
        kith_rlock_open(),
        kith_sem_open(1),
        kith_event_open(),
        kith_cond_open(),
        kith_barrier_open(2),
        kith_value_open('i', &one, sizeof one),
        kith_value_open('b', "12345678", 8),
        kith_array_open('i', 2),
        kith_dict_open(),
        kith_ns_open(),
        kith_list_open(),
        kith_share("constant", 9),
        pool,
    };

    PASS(kith_pipe_open(o.ends));
    PASS(kith_queue_put(o.queue, &one, sizeof one, 0));
    PASS(kith_queue_put(o.sorted, &one, sizeof one, 0));
    PASS(kith_pipe_send(o.ends[0], &one, sizeof one, 0));
    PASS(kith_dict_set(o.dict, "key", 3, &x, sizeof x));
    PASS(kith_ns_set(o.ns, "name", &x, sizeof x));
    PASS(kith_list_append(o.list, &x, sizeof x));
    PASS(kith_process_join(o.process, KITH_FOREVER));
    return o;
}

static void close_them(const struct objects *o)
{
    PASS(kith_process_close(o->process));
    PASS(kith_queue_close(o->queue));
    PASS(kith_queue_close(o->sorted));
    PASS(kith_pipe_close(o->ends[0]));
    PASS(kith_pipe_close(o->ends[1]));
    PASS(kith_lock_close(o->lock));
    PASS(kith_rlock_close(o->rlock));
    PASS(kith_sem_close(o->sem));
    PASS(kith_event_close(o->event));
    PASS(kith_cond_close(o->cond));
    PASS(kith_barrier_close(o->barrier));
    PASS(kith_value_close(o->value));
    PASS(kith_value_close(o->bytes));
    PASS(kith_array_close(o->array));
    PASS(kith_dict_close(o->dict));
    PASS(kith_ns_close(o->ns));
    PASS(kith_list_close(o->list));
    PASS(kith_shared_close(o->shared));
}

enum { MIB = 1 << 20 };

struct order {
    call *call;
    struct objects objects;
};

static int take_call_and_die(const void *in, void *out)
{
    const struct order *order = in;
    char *block = kith_alloc(MIB);

    *(char **)out = block;
    block[0] = 1;
    *has_called = order->call(&order->objects);
    if (!*has_called)
        fprintf(stderr, "    %s\n", kith_last_error());
    return raise(SIGKILL);
}

static const struct row {
    const char *name;
    call *call;
    int stays;
} rows[] = {
#define GIVES_NOTHING(name) \
    {                       \
#name, name, 0      \
    }
#define GIVES(name)    \
    {                  \
#name, name, 1 \
    }
    GIVES_NOTHING(joins_a_process),
    GIVES_NOTHING(looks_into_queues),
    GIVES_NOTHING(takes_from_queues),
    GIVES_NOTHING(receives),
    GIVES_NOTHING(asks_locks),
    GIVES_NOTHING(acquires),
    GIVES_NOTHING(waits_for_an_event),
    GIVES_NOTHING(looks_at_a_barrier),
    GIVES_NOTHING(reads),
    GIVES_NOTHING(looks_things_up),
    GIVES_NOTHING(takes_out),
    GIVES_NOTHING(waits_for_several),
    GIVES_NOTHING(opens_and_closes),
    GIVES(puts_on_a_queue),
    GIVES(puts_on_a_sorted_one),
    GIVES(sends),
    GIVES(releases_a_lock),
    GIVES(releases_an_rlock),
    GIVES(releases_a_unit),
    GIVES(sets_an_event),
    GIVES(notifies),
    GIVES(lets_go_to_sleep),
    GIVES(arrives),
    GIVES(stores_a_number),
    GIVES(stores_bytes),
    GIVES(adds_to_an_element),
    GIVES(opens_a_named_value),
    GIVES(sets_a_key),
    GIVES(sets_a_name),
    GIVES(appends),
    GIVES(replaces),
    GIVES(starts_a_process),
    GIVES(opens_a_pool),
};

static void check_row(kith_pool pool, const struct row *row)
{
    struct order order = { row->call, open_them(pool) };
    uint64_t before = used_bytes();
    char *block;
    int right;

    *has_called = 0;
    FAILS_WITH(KITH_ETASK, kith_map(pool, take_call_and_die, &order, &block, 1));
    right = *has_called && are_left(before, row->stays);
    if (!right)
        printf("\n    %s: %s\n", row->name, *has_called ? "wrong" : "could not");
    CU_ASSERT(right);
    close_them(&order.objects);
}

static void what_a_task_took_stays_only_when_it_gave_something(void)
{
    kith_pool pool = near_pool(1, .tries = 1);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(pool, &rows[i]);
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST(what_a_task_took_stays_only_when_it_gave_something),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    has_called = mmap(NULL, sizeof *has_called, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("passed on", tests);
    return kith_finalize() ? 1 : rc;
}
