/* far.h: for tests of objects: opens them on another node when KITH_TEST_FAR is set and there is one. */
#ifndef KITH_FAR_H
#define KITH_FAR_H

#include "check.h"

#include <stdlib.h>
#include <string.h>

enum far_kind {
    FAR_QUEUE,
    FAR_SEM,
    FAR_VALUE,
    FAR_ARRAY,
    FAR_LOCK,
    FAR_RLOCK,
    FAR_EVENT,
    FAR_DICT,
    FAR_LIST,
    FAR_NS,
    FAR_COND,
    FAR_BARRIER
};

struct far_wish {
    kith_queue answer;
    enum far_kind kind;
    size_t number; /* of a Queue the bound, of a Value the size, of an Array its elements, else units or
                      parties */
    int is_bounded;
    int type, raw;       /* of a Value or an Array */
    int order, joinable; /* of a Queue */
    kith_rlock lock;     /* of a Condition; 0: its own */
    size_t each;         /* of an Array of bytes: the size of an element */
    char init[512];
};

static inline uint64_t far_open_here(const struct far_wish *w)
{
    switch (w->kind) {
    case FAR_SEM: return kith_sem_open_with((int)w->number, .bounded = w->is_bounded).id;
    case FAR_VALUE: return kith_value_open_with(w->type, w->init, w->number, .raw = w->raw).id;
    case FAR_ARRAY: return kith_array_open_with(w->type, w->number, .raw = w->raw, .size = w->each).id;
    case FAR_LOCK: return kith_lock_open().id;
    case FAR_RLOCK: return kith_rlock_open().id;
    case FAR_EVENT: return kith_event_open().id;
    case FAR_DICT: return kith_dict_open().id;
    case FAR_LIST: return kith_list_open().id;
    case FAR_NS: return kith_ns_open().id;
    case FAR_COND: return kith_cond_open_with(.lock = w->lock).id;
    case FAR_BARRIER: return kith_barrier_open((int)w->number).id;
    case FAR_QUEUE: break;
    }
    return kith_queue_open_with(w->number, .order = w->order, .joinable = w->joinable).id;
}

static inline int far_open_there(const void *arg)
{
    const struct far_wish *wish = arg;
    uint64_t id = far_open_here(wish);

    return kith_put(wish->answer, id) < 0;
}

static inline uint64_t far_open(struct far_wish wish)
{
    kith_process p;
    uint64_t id = 0;

    if (!getenv("KITH_TEST_FAR") || kith_nodes() == 1)
        return far_open_here(&wish);
    wish.answer = kith_queue_open(0);
    p = kith_process_start_with(far_open_there, KITH_ARG(wish), .node = KITH_NODE(1));
    kith_get(wish.answer, &id);
    kith_process_join(p, KITH_FOREVER);
    kith_process_close(p);
    kith_queue_close(wish.answer);
    return id;
}

static inline kith_queue far_queue_open(size_t bound)
{
    return (kith_queue){ far_open((struct far_wish){ .kind = FAR_QUEUE, .number = bound }) };
}

static inline kith_queue far_sorted_open(size_t bound, int order, int joinable)
{
    return (kith_queue){ far_open(
        (struct far_wish){ .kind = FAR_QUEUE, .number = bound, .order = order, .joinable = joinable }) };
}

static inline kith_sem far_sem_open(int units, int is_bounded)
{
    struct far_wish wish = { .kind = FAR_SEM, .number = (size_t)units, .is_bounded = is_bounded };

    return (kith_sem){ far_open(wish) };
}

static inline kith_value far_value_open(int type, const void *init, size_t size, int raw)
{
    struct far_wish wish = { .kind = FAR_VALUE, .type = type, .raw = raw, .number = size };

    memcpy(wish.init, init, size);
    return (kith_value){ far_open(wish) };
}

static inline kith_lock far_lock_open(void)
{
    return (kith_lock){ far_open((struct far_wish){ .kind = FAR_LOCK }) };
}

static inline kith_rlock far_rlock_open(void)
{
    return (kith_rlock){ far_open((struct far_wish){ .kind = FAR_RLOCK }) };
}

static inline kith_event far_event_open(void)
{
    return (kith_event){ far_open((struct far_wish){ .kind = FAR_EVENT }) };
}

struct far_ends {
    kith_queue answer;
    int one_way;
    kith_pipe ends[2];
};

static inline int far_ends_there(const void *arg)
{
    struct far_ends wish = *(const struct far_ends *)arg;

    kith_pipe_open_with(wish.ends, .one_way = wish.one_way);
    return kith_put(wish.answer, wish) < 0;
}

/* Where far objects are. */
static inline int far_node(void)
{
    return getenv("KITH_TEST_FAR") && kith_nodes() > 1 ? KITH_NODE(1) : KITH_HERE;
}

static inline int far_pipe_open(kith_pipe ends[2], int one_way)
{
    struct far_ends wish = { .one_way = one_way };
    kith_process p;

    if (far_node() == KITH_HERE)
        return kith_pipe_open_with(ends, .one_way = one_way);
    wish.answer = kith_queue_open(0);
    p = kith_process_start_with(far_ends_there, KITH_ARG(wish), .node = far_node());
    kith_get(wish.answer, &wish);
    kith_process_join(p, KITH_FOREVER);
    kith_process_close(p);
    kith_queue_close(wish.answer);
    ends[0] = wish.ends[0];
    ends[1] = wish.ends[1];
    return kith_check(ends[0]);
}

static inline kith_array far_array_open(int type, size_t n, int raw)
{
    return (kith_array){ far_open(
        (struct far_wish){ .kind = FAR_ARRAY, .type = type, .raw = raw, .number = n }) };
}

static inline kith_array far_structs_open(size_t each, size_t n)
{
    return (kith_array){ far_open(
        (struct far_wish){ .kind = FAR_ARRAY, .type = 'b', .number = n, .each = each }) };
}

static inline kith_cond far_cond_open(void)
{
    return (kith_cond){ far_open((struct far_wish){ .kind = FAR_COND }) };
}

static inline kith_cond far_cond_open_with(kith_rlock lock)
{
    return (kith_cond){ far_open((struct far_wish){ .kind = FAR_COND, .lock = lock }) };
}

static inline kith_barrier far_barrier_open(int parties)
{
    return (kith_barrier){ far_open((struct far_wish){ .kind = FAR_BARRIER, .number = (size_t)parties }) };
}

/* The exit code of a Process, when it has ended: asked for, else that it was killed is in the status of the
 * job. */
static inline int code_of(kith_process p)
{
    int code = 1000;

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
    return code;
}

static inline kith_dict far_dict_open(void)
{
    return (kith_dict){ far_open((struct far_wish){ .kind = FAR_DICT }) };
}

static inline kith_list far_list_open(void)
{
    return (kith_list){ far_open((struct far_wish){ .kind = FAR_LIST }) };
}

static inline kith_ns far_ns_open(void)
{
    return (kith_ns){ far_open((struct far_wish){ .kind = FAR_NS }) };
}

#endif
