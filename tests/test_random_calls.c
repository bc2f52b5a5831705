/* test_random_calls.c: calls of all functions of all objects, drawn at random, with handles of any kind: of
 * the right class, of another one, closed by somebody else a moment ago, of another node or process, zero, of
 * a constructor that has failed, and just any number. Nobody checks what comes out, but that it is a result
 * or a code, that no task counts as failed, that nobody crashes or waits for ever, and that the job still
 * works afterwards.
 *
 * The actors are threads of the head, Processes, and tasks. They share the handles of what they open in an
 * Array, which is also what makes them meet. Half of the calls are those of the public functions; the others
 * are methods of the classes themselves (object/class.h), with arguments that no public function would send.
 * Left out is what is meant to end or to lend something for good: the requests of one agent to another about
 * deaths, the start of Processes by request, and the parts of Pools that go to other nodes.
 *
 * Not called: kith_init_ranks, another way to begin; kith_seed, which comes before that; kith_fail, since a
 * task that fails is a defect here. tests/docs.sh compares with lib/kith.map.
 *
 * All calls have timeouts, with one exception: who has waited at a Condition has its lock again before it
 * goes on, however long that takes. Two actors that have each other's wait for ever, as they would in any
 * program, until somebody closes the Conditions, and the RLocks that some of these were given.
 *
 * KITH_TEST_SEED=n draws the same, though not at the same moments. KITH_TEST_LONG=1: for longer. On several
 * nodes (tests/cluster/suites.sh): mpirun tests/test_random_calls job SEED. */
#include "config.h"
#include "check.h"
#include "anyjob.h"
#include "killer.h"
#include "base/module.h"
#include "object/class.h"
#include "object/process.h"
#include "random/actor.h"
#include "random/pools.h"
#include "shm/heap.h"

#include <dlfcn.h>
#include <pthread.h>

enum { THREADS = 2, PROCESSES = THREADS_ONLY ? 0 : 2, TASK_STEPS = 10 };

static double seconds; /* of one storm */
static uint64_t seed;

/* ---- open and close */

static int sleeps_a_while(const void *arg)
{
    nap_us(*(const int *)arg);
    return 0;
}

/* Whatever these handles name. */
static int tries_to_use(kith_queue q, int us, kith_lock l, kith_value v)
{
    nap_us(us);
    if (kith_lock_acquire(l, 1) == 0)
        kith_lock_release(l);
    kith_add(v, 1);
    return kith_queue_size(q) < 0;
}

static uint64_t start_process(struct actor *a)
{
    int us = draw(a, 2) ? (int)draw(a, 3000) : 1000000, node = (int)draw(a, (uint64_t)kith_nodes());

    if (us < 3000 && draw(a, 2))
        return kith_start(tries_to_use, (kith_queue){ some(a, QUEUE) }, us, (kith_lock){ some(a, LOCK) },
                          (kith_value){ some(a, VALUE) })
            .id;
    if (us < 3000 && draw(a, 2))
        return kith_process_start(sleeps_a_while, KITH_ARG(us)).id;
    return kith_process_start_with(sleeps_a_while, KITH_ARG(us), .node = KITH_NODE(node), .daemon = 1).id;
}

/* .tries: a worker that crashes is not to be overlooked. */
static uint64_t open_pool(struct actor *a)
{
    if (a->is_task)
        return 0;
    switch (draw(a, 8)) {
    case 0: return kith_pool_open(-1).id;
    case 1:
    case 2:
    case 3: return kith_pool_open_with(1, .tries = 1).id;
    default: return kith_pool_open_with(1, .threads = 1).id;
    }
}

static uint64_t open_pipe(struct actor *a, const char *name)
{
    kith_pipe ends[2];
    int rc = name         ? kith_pipe_open_with(ends, .one_way = 1, .name = name)
             : draw(a, 2) ? kith_pipe_open_with(ends, .one_way = 1)
                          : kith_pipe_open(ends);

    seen(rc, "kith_pipe_open");
    return ends[draw(a, 2)].id;
}

/* A few names, so that others open the same; and none at all. */
static uint64_t open_named(struct actor *a, enum thing what)
{
    static const char *const names[] = { "one", "two", "" };
    const char *name = names[draw(a, 50) == 0 ? 2 : draw(a, 2)];
    int64_t x = 5;

    switch (what) {
    case QUEUE: return kith_queue_named(name, draw(a, 8) == 0).id;
    case SORTED: return kith_queue_open_with(2, .order = KITH_LIFO, .name = name).id;
    case PIPE: return open_pipe(a, name);
    case SEM: return kith_sem_open_with(2, .name = name).id;
    case LOCK: return kith_lock_named(name).id;
    case RLOCK: return kith_rlock_named(name).id;
    case EVENT: return kith_event_named(name).id;
    case COND: return kith_cond_named(name).id;
    case BARRIER: return kith_barrier_open_with(2, .name = name).id;
    case VALUE: return kith_value_open_with('l', &x, sizeof x, .name = name).id;
    case ARRAY: return kith_array_open_with('l', 16, .name = name, .raw = draw(a, 8) == 0).id;
    case DICT: return kith_dict_named(name).id;
    case LIST: return kith_list_named(name).id;
    case NS: return kith_ns_named(name).id;
    default: return 0;
    }
}

static uint64_t open_one(struct actor *a, enum thing what)
{
    int64_t x = 5;

    switch (what) {
    case QUEUE: return kith_queue_open(draw(a, 3)).id;
    case SORTED: return kith_queue_open_with(draw(a, 3), .order = (int)draw(a, 3), .joinable = 1).id;
    case PIPE: return open_pipe(a, NULL);
    case SEM: return kith_sem_open(draw(a, 2) ? 2 : 100).id;
    case LOCK: return kith_lock_open().id;
    case RLOCK: return kith_rlock_open().id;
    case EVENT: return kith_event_open().id;
    case COND:
        return draw(a, 2) ? kith_cond_open().id : kith_cond_open_with(.lock = SOME(a, kith_rlock, RLOCK)).id;
    case BARRIER: return kith_barrier_open(1 + (int)draw(a, 3)).id;
    case VALUE:
        return draw(a, 2) ? kith_value_open('l', &x, sizeof x).id : kith_value_open('b', "0123456789", 10).id;
    case ARRAY:
        return draw(a, 4) ? kith_array_open('l', 16).id : kith_array_open_with('b', 16, .size = 10).id;
    case DICT: return kith_dict_open().id;
    case LIST: return kith_list_open().id;
    case NS: return kith_ns_open().id;
    case SHARE: return kith_share(a->bytes, 1 + draw(a, LARGEST)).id;
    case PROCESS: return start_process(a);
    case POOL: return open_pool(a);
    case RESULT: return begin_call(a);
    case ITER: return open_iter(a);
    case THINGS: break;
    }
    return 0;
}

static void open_some(struct actor *a)
{
    enum thing what = (enum thing)draw(a, THINGS);
    int64_t id;

    if ((what == PROCESS || what == POOL) && draw(a, 8) > 0) /* these cost most */
        return;
    id = (int64_t)(what < SHARE && draw(a, 4) == 0 ? open_named(a, what) : open_one(a, what));
    if (what >= RESULT)
        keep(a, what, (uint64_t)id);
    if (id != 0)
        TRY(kith_array_store(a->table, 'l', what * EACH + draw(a, EACH), &id, 1));
}

static void close_some(struct actor *a)
{
    switch ((enum thing)draw(a, THINGS)) {
    case QUEUE: TRY(kith_queue_close(SOME(a, kith_queue, QUEUE))); break;
    case SORTED: TRY(kith_queue_close(SOME(a, kith_queue, SORTED))); break;
    case PIPE: TRY(kith_pipe_close(SOME(a, kith_pipe, PIPE))); break;
    case SEM: TRY(kith_sem_close(SOME(a, kith_sem, SEM))); break;
    case LOCK: TRY(kith_lock_close(SOME(a, kith_lock, LOCK))); break;
    case RLOCK: TRY(kith_rlock_close(SOME(a, kith_rlock, RLOCK))); break;
    case EVENT: TRY(kith_event_close(SOME(a, kith_event, EVENT))); break;
    case COND: TRY(kith_cond_close(SOME(a, kith_cond, COND))); break;
    case BARRIER: TRY(kith_barrier_close(SOME(a, kith_barrier, BARRIER))); break;
    case VALUE: TRY(kith_value_close(SOME(a, kith_value, VALUE))); break;
    case ARRAY: TRY(kith_array_close(SOME(a, kith_array, ARRAY))); break;
    case DICT: TRY(kith_dict_close(SOME(a, kith_dict, DICT))); break;
    case LIST: TRY(kith_list_close(SOME(a, kith_list, LIST))); break;
    case NS: TRY(kith_ns_close(SOME(a, kith_ns, NS))); break;
    case SHARE: TRY(kith_shared_close(SOME(a, kith_shared, SHARE))); break;
    case PROCESS: TRY(kith_process_close(SOME(a, kith_process, PROCESS))); break;
    case POOL:
        if (!a->is_task && draw(a, 2))
            TRY(kith_pool_close(SOME(a, kith_pool, POOL)));
        else if (!a->is_task)
            TRY(kith_pool_terminate(SOME(a, kith_pool, POOL)));
        break;
    case RESULT: TRY(kith_result_drop(SOME(a, kith_result, RESULT))); break;
    case ITER: TRY(kith_iter_close(SOME(a, kith_iter, ITER))); break;
    case THINGS: break;
    }
}

/* ---- the public functions */

static void use_queue(struct actor *a)
{
    kith_queue q = SOME(a, kith_queue, draw(a, 2) ? QUEUE : SORTED);

    switch (draw(a, 15)) {
    case 0: TRY(kith_queue_put(q, a->bytes, size(a), timeout(a))); break;
    case 1: TRY(kith_queue_put_priority(q, a->bytes, size(a), (int)draw(a, 66) - 1, timeout(a))); break;
    case 2: TRY(kith_queue_get(q, a->bytes, size(a), timeout(a))); break;
    case 3: TRY(kith_queue_next(q, timeout(a))); break;
    case 4: TRY(kith_queue_put_many(q, a->bytes, 8, draw(a, 100), timeout(a))); break;
    case 5: TRY(kith_queue_get_many(q, a->bytes, 8, draw(a, 100), timeout(a))); break;
    case 6:
        if (draw(a, 10) == 0)
            TRY(draw(a, 2) ? kith_queue_shutdown(q) : kith_queue_shutdown_now(q));
        break;
    case 7: TRY(kith_queue_producers(q, (int)draw(a, 4))); break;
    case 8: TRY(kith_queue_producer(q, SOME(a, kith_process, PROCESS))); break;
    case 9: TRY(kith_queue_done(q)); break;
    case 10: TRY(kith_queue_task_done(q)); break;
    case 11: TRY(kith_queue_join(q, timeout(a))); break;
    case 12: TRY(kith_queue_size(q)); break;
    case 13: TRY(kith_queue_empty(q)); break;
    default: TRY(kith_queue_get(q, a->bytes, LARGEST, timeout(a)));
    }
}

static void use_pipe(struct actor *a)
{
    kith_pipe end = SOME(a, kith_pipe, PIPE);

    if (draw(a, 2))
        end.id ^= KITH__HANDLE_PART;
    switch (draw(a, 6)) {
    case 0: TRY(kith_pipe_send(end, a->bytes, size(a), timeout(a))); break;
    case 1: TRY(kith_pipe_recv(end, a->bytes, size(a), timeout(a))); break;
    case 2: TRY(kith_pipe_recv(end, a->bytes, LARGEST, timeout(a))); break;
    case 3: TRY(kith_pipe_next(end, timeout(a))); break;
    case 4: TRY(kith_pipe_poll(end, timeout(a))); break;
    default: TRY(kith_pipe_give(end, SOME(a, kith_process, PROCESS)));
    }
}

static void use_locks(struct actor *a)
{
    switch (draw(a, 9)) {
    case 0: TRY(kith_lock_acquire(SOME(a, kith_lock, LOCK), timeout(a))); break;
    case 1: TRY(kith_lock_release(SOME(a, kith_lock, LOCK))); break;
    case 2: TRY(kith_lock_locked(SOME(a, kith_lock, LOCK))); break;
    case 3: TRY(kith_rlock_acquire(SOME(a, kith_rlock, RLOCK), timeout(a))); break;
    case 4: TRY(kith_rlock_release(SOME(a, kith_rlock, RLOCK))); break;
    case 5: TRY(kith_rlock_locked(SOME(a, kith_rlock, RLOCK))); break;
    case 6: TRY(kith_sem_acquire(SOME(a, kith_sem, SEM), timeout(a))); break;
    case 7: TRY(kith_sem_release(SOME(a, kith_sem, SEM))); break;
    default: TRY(kith_sem_value(SOME(a, kith_sem, SEM)));
    }
}

static int is_enough(void *arg)
{
    struct actor *a = arg;

    return draw(a, 3) == 0;
}

static void use_meetings(struct actor *a)
{
    kith_event e = SOME(a, kith_event, EVENT);
    kith_cond c = SOME(a, kith_cond, COND);
    kith_barrier b = SOME(a, kith_barrier, BARRIER);

    switch (draw(a, 15)) {
    case 0: TRY(kith_event_set(e)); break;
    case 1: TRY(kith_event_clear(e)); break;
    case 2: TRY(kith_event_is_set(e)); break;
    case 3: TRY(kith_event_wait(e, timeout(a))); break;
    case 4: TRY(kith_cond_acquire(c, timeout(a))); break;
    case 5: TRY(kith_cond_release(c)); break;
    case 6: TRY(kith_cond_wait(c, timeout(a))); break;
    case 7: TRY(kith_cond_notify(c, (int)draw(a, 4) - 1)); break;
    case 8: TRY(kith_cond_notify_all(c)); break;
    case 9: TRY(kith_barrier_wait(b, timeout(a))); break;
    case 10: TRY(kith_barrier_abort(b)); break;
    case 11: TRY(kith_barrier_reset(b)); break;
    case 12: TRY(kith_barrier_waiting(b)); break;
    case 13: TRY(kith_cond_wait_for(c, draw(a, 9) ? is_enough : NULL, a, timeout(a))); break;
    default: TRY(kith_barrier_broken(b));
    }
}

static void use_value(struct actor *a)
{
    kith_value v = SOME(a, kith_value, VALUE);
    int64_t x = 7, old[2];
    unsigned char *y = a->bytes;

    memcpy(old, y, sizeof old);
    switch (draw(a, 6)) {
    case 0: TRY(kith_value_load(v, type(a), y, size(a))); break;
    case 1: TRY(kith_value_store(v, type(a), y, size(a))); break;
    case 2: TRY(kith_value_update(v, 'l', (int)draw(a, 10), &x, old, sizeof x)); break;
    case 3: TRY(kith_value_compare_exchange(v, 'l', old, &x, sizeof x)); break;
    case 4: TRY(kith_value_lock(v, timeout(a))); break;
    default: TRY(kith_value_unlock(v));
    }
}

static void use_array(struct actor *a)
{
    kith_array array = SOME(a, kith_array, ARRAY);
    size_t at = (size_t)number(a), n = draw(a, 20);
    int64_t x = 7, old[2];

    memcpy(old, a->bytes, sizeof old);
    switch (draw(a, 10)) {
    case 0: TRY(kith_array_load(array, type(a), at, a->bytes, n)); break;
    case 1: TRY(kith_array_store(array, type(a), at, a->bytes, n)); break;
    case 2: TRY(kith_array_update(array, 'l', at, (int)draw(a, 10), &x, old)); break;
    case 3: TRY(kith_array_compare_exchange(array, 'l', at, old, &x)); break;
    case 4: TRY(kith_array_length(array)); break;
    case 5: kith_array_here(array); break;
    case 6: TRY(kith_array_lock(array, timeout(a))); break;
    case 7: TRY(kith_array_load_structs(array, at, a->bytes, size(a) % 100, n)); break;
    case 8: TRY(kith_array_store_structs(array, at, a->bytes, size(a) % 100, n)); break;
    default: TRY(kith_array_unlock(array));
    }
}

static int changes_it(struct kith_entry *entry, void *arg)
{
    struct actor *a = arg;

    entry->size = draw(a, entry->room + 2); /* now and then more than there is room */
    entry->exists = (int)draw(a, 3) > 0;
    return draw(a, 8) == 0;
}

static void look_at(struct kith_view *view)
{
    struct kith_item item;

    TRY(kith_view_len(view));
    while (kith_view_next(view, &item) > 0)
        ;
    kith_view_rewind(view);
    kith_view_free(view);
}

/* From another Dict, or from something that has other keys, or none. */
static void merge(struct actor *a, kith_dict d)
{
    struct kith_view *view = draw(a, 4)   ? kith_dict_view(SOME(a, kith_dict, DICT))
                             : draw(a, 2) ? kith_list_view(SOME(a, kith_list, LIST), 0, INT64_MAX)
                                          : kith_ns_view(SOME(a, kith_ns, NS));

    TRY(kith_dict_merge(d, view));
    kith_view_free(view);
}

static void use_dict(struct actor *a)
{
    kith_dict d = SOME(a, kith_dict, DICT);
    uint64_t key = draw(a, 30), n = 1 + draw(a, sizeof key);
    size_t key_size = sizeof key;
    int64_t x = 7, old;

    switch (draw(a, 14)) {
    case 0:
    case 1:
    case 2: TRY(kith_dict_set(d, &key, n, a->bytes, size(a))); break;
    case 3: TRY(kith_dict_get(d, &key, n, a->bytes, size(a))); break;
    case 4: TRY(kith_dict_setdefault(d, &key, n, a->bytes, 8, a->bytes, size(a))); break;
    case 5: TRY(kith_dict_has(d, &key, n)); break;
    case 6: TRY(kith_dict_del(d, &key, n)); break;
    case 7: TRY(kith_dict_pop(d, &key, n, a->bytes, size(a))); break;
    case 8: TRY(kith_dict_popitem(d, &key, &key_size, a->bytes, size(a))); break;
    case 9: TRY(draw(a, 4) ? kith_dict_len(d) : kith_dict_clear(d)); break;
    case 10: look_at(kith_dict_view(d)); break;
    case 11: TRY(kith_dict_compute(d, &key, n, (int)draw(a, 10), 'l', &x, &old, sizeof x)); break;
    case 12: merge(a, d); break;
    default: TRY(kith_dict_update(d, &key, n, size(a), changes_it, a, timeout(a)));
    }
}

static void use_list(struct actor *a)
{
    kith_list l = SOME(a, kith_list, LIST);
    int64_t at = number(a), x = 7, old;

    switch (draw(a, 16)) {
    case 0:
    case 1: TRY(kith_list_append(l, a->bytes, size(a))); break;
    case 2: TRY(kith_list_extend(l, a->bytes, 8, draw(a, 5))); break;
    case 3: TRY(kith_list_get(l, at, a->bytes, size(a))); break;
    case 4: TRY(kith_list_set(l, at, a->bytes, size(a))); break;
    case 5: TRY(kith_list_insert(l, at, a->bytes, size(a))); break;
    case 6: TRY(kith_list_pop(l, at, a->bytes, LARGEST)); break;
    case 7: TRY(kith_list_del(l, at)); break;
    case 8: TRY(kith_list_remove(l, a->bytes, size(a))); break;
    case 9: TRY(kith_list_index(l, a->bytes, size(a))); break;
    case 10: TRY(kith_list_count(l, a->bytes, size(a))); break;
    case 11: TRY(draw(a, 4) ? kith_list_len(l) : kith_list_clear(l)); break;
    case 12: TRY(draw(a, 2) ? kith_list_reverse(l) : kith_list_sort(l, NULL, timeout(a))); break;
    case 13: look_at(kith_list_view(l, at, number(a))); break;
    case 14: TRY(kith_list_compute(l, at, (int)draw(a, 10), 'l', &x, &old, sizeof x)); break;
    default: TRY(kith_list_update(l, at, size(a), changes_it, a, timeout(a)));
    }
}

static void use_ns(struct actor *a)
{
    static const char *const names[] = { "a", "b", "c", "", "name", NULL };
    const char *name = names[draw(a, sizeof names / sizeof names[0])];
    kith_ns ns = SOME(a, kith_ns, NS);
    int64_t x = 7, old;

    switch (draw(a, 7)) {
    case 0: TRY(kith_ns_set(ns, name, a->bytes, size(a))); break;
    case 1: TRY(kith_ns_get(ns, name, a->bytes, size(a))); break;
    case 2: TRY(kith_ns_has(ns, name)); break;
    case 3: TRY(kith_ns_del(ns, name)); break;
    case 4: look_at(kith_ns_view(ns)); break;
    case 5: TRY(kith_ns_compute(ns, name, (int)draw(a, 10), 'l', &x, &old, sizeof x)); break;
    default: TRY(kith_ns_update(ns, name, size(a), changes_it, a, timeout(a)));
    }
}

static void use_process(struct actor *a)
{
    kith_process p = SOME(a, kith_process, PROCESS);
    char text[80];
    int code;

    switch (draw(a, 8)) {
    case 0: TRY(kith_process_join(p, timeout(a))); break;
    case 1: TRY(kith_process_exitcode(p, &code)); break;
    case 2: TRY(kith_process_alive(p)); break;
    case 3: TRY(kith_process_pid(p)); break;
    case 4: TRY(kith_process_name(p, text, 1 + draw(a, sizeof text))); break;
    case 5: TRY(kith_process_terminate(p)); break;
    case 6: TRY(kith_process_kill(p)); break;
    default: TRY(kith_processes(&p, draw(a, 2)));
    }
}

static void use_share(struct actor *a)
{
    kith_shared s = SOME(a, kith_shared, SHARE);

    if (draw(a, 2))
        TRY(kith_shared_size(s));
    else
        kith_shared_data(s);
}

/* Of all of them at once. */
static void wait_for_some(struct actor *a)
{
    struct kith_waitable list[8];
    size_t n = draw(a, 9);

    for (size_t i = 0; i < n; i++) {
        switch (draw(a, 10)) {
        case 0: list[i] = kith_on(SOME(a, kith_pipe, PIPE)); break;
        case 1: list[i] = kith_on(SOME(a, kith_process, PROCESS)); break;
        case 2: list[i] = kith_on(SOME(a, kith_sem, SEM)); break;
        case 3: list[i] = kith_on(SOME(a, kith_lock, LOCK)); break;
        case 4: list[i] = kith_on(SOME(a, kith_rlock, RLOCK)); break;
        case 5: list[i] = kith_on(SOME(a, kith_event, EVENT)); break;
        case 6: list[i] = kith_on(SOME(a, kith_queue, SORTED)); break;
        case 7: list[i] = kith_on(SOME(a, kith_result, RESULT)); break;
        default: list[i] = kith_on(SOME(a, kith_queue, QUEUE));
        }
        if (draw(a, 50) == 0)
            list[i].kind = (int)draw(a, 128);
        if (list[i].kind == 'f')
            list[i].kind = 'q'; /* any number may be a descriptor of somebody else's */
    }
    TRY(kith_wait(list, n, timeout(a)));
}

/* A thread gives memory back once, as it may be somebody else's after that; and no name is freed but its own.
 */
static void use_memory(struct actor *a)
{
    char name[32];
    char *p = kith_alloc(size(a));
    kith_bytes bytes = { NULL, 0 };

    if (p) {
        TRY(kith_free(p + 1));
        TRY(kith_free(p + 63));
    }
    TRY(kith_free(p));
    TRY(kith_free(a));
    kith_alloc_named(draw(a, 2) ? "grid" : "board", 1000 * (1 + (draw(a, 8) == 0)));
    snprintf(name, sizeof name, "of %d", (int)gettid());
    TRY(kith_free(kith_alloc_named(draw(a, 8) ? name : "", size(a))));
    TRY(kith_bytes_set(&bytes, draw(a, 4) ? a->bytes : NULL, size(a)));
    TRY(kith_bytes_free(&bytes, 1));
}

/* What needs no object. */
static void ask_around(struct actor *a)
{
    kith_process list[4] = { kith_self(), kith_parent() };

    TRY(kith_processes(list, draw(a, 5)));
    TRY(kith_process_alive(list[draw(a, 2)]));
    TRY(kith_arg_size());
    TRY(kith_rank() + kith_size() + kith_node() + kith_nodes() + kith_cpu_count() + kith_usable_cpus());
    TRY(kith_log_on((int)number(a)));
    TRY(kith_log_level(draw(a, 2) ? KITH_LOG_ERROR : 0));
    kith_log(KITH_LOG_DEBUG, "%s on %s: %s", kith_name(), kith_host(), kith_strerror((int)number(a)));
    kith_log_to(NULL);
    kith_worker_state(8 * draw(a, 3));
    REQUIRE(kith_uniform(0, 1) < 1 && kith_random() != kith_random());
}

static void (*const uses[])(struct actor *a) = { use_queue,    use_queue, use_pipe,   use_locks,
                                                 use_meetings, use_value, use_array,  use_dict,
                                                 use_list,     use_ns,    use_share,  use_process,
                                                 use_result,   use_iter,  use_memory, wait_for_some };

/* ---- the methods themselves */

static const struct {
    enum kith__kind kind;
    enum thing thing;
} objects[] = {
    { KITH__FIFO_KIND, QUEUE },  { KITH__SORTED_KIND, SORTED },   { KITH__PIPE_KIND, PIPE },
    { KITH__SEM_KIND, SEM },     { KITH__LOCK_KIND, LOCK },       { KITH__RLOCK_KIND, RLOCK },
    { KITH__EVENT_KIND, EVENT }, { KITH__COND_KIND, COND },       { KITH__BARRIER_KIND, BARRIER },
    { KITH__VALUE_KIND, VALUE }, { KITH__ARRAY_KIND, ARRAY },     { KITH__DICT_KIND, DICT },
    { KITH__LIST_KIND, LIST },   { KITH__NS_KIND, NS },           { KITH__SHARE_KIND, SHARE },
    { KITH__NAMED_KIND, ARRAY }, { KITH__PROCESS_KIND, PROCESS },
};

/* What begins or ends a Process; and who says that it fetches what is shared and does not keeps all others of
 * its node waiting, as long as it lives. */
static int is_left_out(enum kith__kind kind, unsigned method)
{
    const char *name = kith__classes[kind]->methods[method].name;

    if (kind == KITH__SHARE_KIND)
        return strcmp(name, "fetch") == 0 || strcmp(name, "start") == 0 || strcmp(name, "join") == 0;
    return kind == KITH__PROCESS_KIND &&
           (method == KITH__PROCESS_START || method == KITH__PROCESS_AWAIT || method == KITH__PROCESS_SIGNAL);
}

static void call_method(struct actor *a)
{
    unsigned i = (unsigned)draw(a, sizeof objects / sizeof objects[0]);
    enum kith__kind kind = objects[i].kind;
    unsigned method =
        KITH__FIRST_METHOD + (unsigned)draw(a, (uint64_t)kith__classes[kind]->count - KITH__FIRST_METHOD);
    struct kith__args in = { .bytes = a->bytes,
                             .size = size(a),
                             .number = draw(a, 2) ? (uint64_t)number(a) : any_number(a) };
    struct kith__result out = { 0 };
    uint64_t id = some(a, objects[i].thing);

    if (!is_left_out(kind, method))
        seen(kith__invoke(kind == KITH__PIPE_KIND || kind == KITH__SORTED_KIND ? id & ~KITH__HANDLE_PART : id,
                          kind, method, &in, &out, (int)draw(a, MOST_MS)),
             kith__classes[kind]->methods[method].name);
}

/* Those of a node which one may ask without harm: where to place, and who is vouched for. Through the agent.
 */
static void ask_node(struct actor *a)
{
    uint32_t node = (uint32_t)draw(a, (uint64_t)kith_nodes());
    struct kith__args in = { .number = draw(a, (uint64_t)kith_nodes()) << 32 | draw(a, 40) };

    if (kith_nodes() == 1 && !kith__shared->through_net)
        return;
    seen(kith__ask_node(node, KITH__NODE_KIND, draw(a, 2) ? KITH__NODE_VOUCH : KITH__NODE_PLACE, &in),
         "a node");
}

/* ---- actors */

static void act(struct actor *a)
{
    uint64_t what = draw(a, 100);

    if (what < 10)
        open_some(a);
    else if (what < 13)
        close_some(a);
    else if (what < 15)
        use_pool(a);
    else if (what < 16)
        ask_node(a);
    else if (what < 17)
        ask_around(a);
    else if (what < 60)
        uses[draw(a, sizeof uses / sizeof uses[0])](a);
    else
        call_method(a);
}

/* In a pool of threads it goes on as its caller does. */
static int acts_too(const void *in, void *out)
{
    const struct task *t = in;
    struct actor *a = calloc(1, sizeof *a);

    *(int *)out = 1;
    if (!a)
        return 0;
    a->table = t->table;
    a->dice = dice_of(t->seed, 1, 2);
    a->is_task = 1;
    for (int i = 0; i < (kith_worker() < 0 ? 0 : TASK_STEPS); i++)
        act(a);
    free(a);
    return 0;
}

struct cue {
    kith_array table;
    uint64_t seed, who;
    double seconds;
};

static int acts(const void *arg)
{
    const struct cue *cue = arg;
    struct actor *a = calloc(1, sizeof *a);
    double until = kith_time() + cue->seconds;

    REQUIRE(a);
    a->table = cue->table;
    a->dice = dice_of(cue->seed, cue->who, 0);
    for (size_t i = 0; i < sizeof a->bytes; i++)
        a->bytes[i] = (unsigned char)draw(a, 256);
    while (kith_time() < until)
        act(a);
    free(a);
    return 0;
}

static void *acts_in_thread(void *arg)
{
    acts(arg);
    return NULL;
}

/* ---- the Conditions and RLocks of a node, when all have done enough */

struct conds {
    int count;
    uint64_t ids[100];
};

static void collect(struct kith__object *o, void *context)
{
    struct conds *conds = context;

    if (conds->count < 100)
        conds->ids[conds->count++] = kith__object_id(o);
}

static void close_conds(void)
{
    struct conds conds = { .count = 0 }, rlocks = { .count = 0 };

    kith__objects_each(KITH__COND_KIND, collect, &conds);
    for (int i = 0; i < conds.count; i++)
        TRY(kith_cond_close((kith_cond){ conds.ids[i] }));
    kith__objects_each(KITH__RLOCK_KIND, collect, &rlocks);
    for (int i = 0; i < rlocks.count; i++)
        TRY(kith_rlock_close((kith_rlock){ rlocks.ids[i] }));
}

/* On another node; until it is killed. */
static int closes_conds(const void *arg)
{
    nap_us((long)(1e6 * *(const double *)arg));
    while (1) {
        close_conds();
        nap_us(20000);
    }
    return 0;
}

/* ---- all of it */

static void end_thread(pthread_t thread)
{
    void *nothing;

    while (pthread_tryjoin_np(thread, &nothing) != 0) {
        close_conds();
        nap_us(20000);
    }
}

/* It may have been hit by somebody's kill; what else ends it is a defect. */
static void has_ended_well(kith_process p)
{
    int code = 0, rc;

    while ((rc = kith_process_join(p, 20)) == KITH_ETIMEDOUT)
        close_conds();
    if (rc == 0)
        rc = kith_process_exitcode(p, &code);
    REQUIRE(rc == 0 || rc == KITH_ESTALE);
    REQUIRE(code == 0 || code == -SIGTERM || code == -SIGKILL);
}

static void storm(void)
{
    struct cue cues[THREADS + PROCESSES];
    kith_process p[PROCESSES + 1], *helpers = calloc((size_t)kith_nodes(), sizeof *helpers);
    pthread_t threads[THREADS];
    kith_array table;

    REQUIRE(helpers);
    for (int k = 1; k < kith_nodes(); k++)
        helpers[k] =
            kith_process_start_with(closes_conds, KITH_ARG(seconds), .node = KITH_NODE(k), .daemon = 1);
    REQUIRE(kith_check(table = kith_array_open('l', THINGS * EACH)) == 0);
    for (int i = 0; i < THREADS + PROCESSES; i++)
        cues[i] = (struct cue){ table, seed, (uint64_t)i, seconds };
    for (int i = 0; i < PROCESSES; i++)
        p[i] = kith_process_start_with(acts, KITH_ARG(cues[i]), .node = KITH_NODE(i % kith_nodes()));
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, acts_in_thread, &cues[PROCESSES + i]) == 0);
    for (int i = 0; i < THREADS; i++)
        end_thread(threads[i]);
    for (int i = 0; i < PROCESSES; i++)
        has_ended_well(p[i]);
    for (int k = 1; k < kith_nodes(); k++)
        TRY(kith_process_kill(helpers[k]));
    free(helpers);
}

/* What it was is of no interest to the job that goes on. */
static void play(void)
{
    kith_on_fault(NULL);
    storm();
    REQUIRE(kith__heap_audit() == 0);
    work(successor);
}

static void play_in_child(void)
{
    alarm(check_rest());
    REQUIRE(kith_init(NULL, NULL) == 0);
    play();
    REQUIRE(kith_finalize() == 0);
}

static void in_shared_memory(void)
{
    CU_ASSERT_EQUAL(check_fork(play_in_child), 0);
}

static void through_the_agent(void)
{
    void *module = kith__module("net");

    if (!module || !dlsym(module, "kith_net_transport"))
        SKIP("kith was built for one node only");
    setenv("KITH_TRANSPORT", "net", 1);
    CU_ASSERT_EQUAL(check_fork(play_in_child), 0);
    unsetenv("KITH_TRANSPORT");
}

static struct test tests[] = {
    TEST(in_shared_memory),
    TEST(through_the_agent),
    TEST_END,
};

int main(int argc, char **argv)
{
    seconds = getenv("KITH_TEST_LONG") ? 15 : 0.7;
    if (argc > 1 && strcmp(argv[1], "job") == 0) {
        seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
        REQUIRE(kith_init(&argc, &argv) == 0);
        play();
        return kith_finalize();
    }
    seed = check_seed();
    return run_tests("random_calls", tests);
}
