/* task.c: see task.h. */
#include "config.h"
#include "pool/task.h"
#include "pool/chunk.h"
#include "pool/fault.h"
#include "pool/joblog.h"
#include "pool/random.h"
#include "pool/row.h"
#include "pool/settle.h"
#include "base/error.h"
#include "shm/heap.h"
#include "member/output.h"
#include "base/system.h"
#include "object/memory.h"
#include "object/mix.h"
#include "rpc/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

size_t kith__number_size(int letter)
{
    switch (letter) {
    case 'i': return sizeof(int);
    case 'I': return sizeof(unsigned);
    case 'l': return sizeof(long);
    case 'L': return sizeof(unsigned long);
    case 'q': return sizeof(long long);
    case 'f': return sizeof(float);
    case 'd': return sizeof(double);
    default: return 0;
    }
}

static void tell_fault(struct kith__job *j, uint32_t worker, uint64_t unit)
{
    struct kith__fault_entry e = {
        .unit = unit,
        .end = KITH_END_FAILED,
        .code = kith__task.code,
        .pid = (int32_t)getpid(),
        .worker = (int32_t)worker,
    };

    kith__joblog_failed(e.code);
    kith__job_fault(j, &e, kith__task_text());
    kith__task.failed = kith__task.has_text = 0;
}

/* A function that returns a code has failed when it is not 0, with or without words. */
static int has_failed(int code)
{
    if (code != 0 && !kith__task.failed) {
        kith__task.failed = kith__task.special = 1;
        kith__task.code = code;
        kith__task_says("it returned %d", code);
    }
    return kith__task.failed;
}

/* The end of one that has failed, or has taken memory: 1: it has failed. That is told first, and memory is
 * everybody's before the task counts as done: so a death in between lets nobody keep what was freed. */
static __attribute__((cold)) int end_special(struct kith__job *j, uint32_t worker, uint64_t unit)
{
    int failed = kith__task.failed;

    if (failed)
        tell_fault(j, worker, unit);
    kith__task.special = 0;
    kith__memory_settle(kith__task.taken, !failed);
    kith__failpoint("task: memory settled");
    return failed;
}

static char *element(uint64_t base, uint64_t size, uint64_t ring, uint64_t i)
{
    return (char *)kith__at(base) + size * (ring ? kith__ring_slot(ring, i) : i);
}

/* One loop for each shape: .at before the call, the result only when the task did not fail. The
 * release store keeps the results before it in front of it: a successor may believe them. */
#define LOOP(R, A, COLUMNS, CALL)                                                                       \
    {                                                                                                   \
        const A *x = (const void *)in;                                                                  \
        R *y = (void *)out;                                                                             \
        const int *special = &kith__task.special;                                                       \
        __asm__("" : "+r"(special)); /* keeps the address: to find it again costs three instructions */ \
        for (uint64_t i = 0; i < length; i++, x += (COLUMNS)) {                                         \
            R value;                                                                                    \
            atomic_store_explicit(at, lo + i, memory_order_release);                                    \
            value = CALL;                                                                               \
            if (__builtin_expect(*special, 0) && end_special(j, worker, lo + i)) {                      \
                if (kith__job_halted(j))                                                                \
                    return;                                                                             \
                continue;                                                                               \
            }                                                                                           \
            y[i] = value;                                                                               \
        }                                                                                               \
        return;                                                                                         \
    }

#define SHAPE(r, a, R, A)                                                       \
    case KITH__SHAPE_CODE(r, a, 1): LOOP(R, A, 1, ((R(*)(A))fn)(x[0]))          \
    case KITH__SHAPE_CODE(r, a, 2): LOOP(R, A, 2, ((R(*)(A, A))fn)(x[0], x[1])) \
    case KITH__SHAPE_CODE(r, a, 3): LOOP(R, A, 3, ((R(*)(A, A, A))fn)(x[0], x[1], x[2]))

/* Of handles and numbers: kith_apply has one of them. */
static __attribute__((noinline)) void run_mix(struct kith__job *j, uint32_t worker, kith__anyfn *fn,
                                              uint64_t lo, uint64_t length)
{
    char value[sizeof(uint64_t)];

    for (uint64_t i = lo; i < lo + length; i++) {
        atomic_store_explicit(&j->cells[worker].at, i, memory_order_release);
        kith__mix_call((int)j->shape, fn, element(j->in, j->in_size, j->in_ring, i), value);
        if (__builtin_expect(kith__task.special, 0) && end_special(j, worker, i)) {
            if (kith__job_halted(j))
                return;
            continue;
        }
        memcpy(element(j->out, j->out_size, j->out_ring, i), value, j->out_size);
    }
}

/* Aligned, as its loops run in 2 ns a task: where they lie in a cache line is worth 12 %. */
static __attribute__((aligned(64))) void run_numbers(struct kith__job *j, uint32_t worker, kith__anyfn *fn,
                                                     uint64_t lo, uint64_t length)
{
    _Atomic uint64_t *at = &j->cells[worker].at;
    const char *in = element(j->in, j->in_size, j->in_ring, lo);
    char *out = element(j->out, j->out_size, j->out_ring, lo);

    kith__bring(out);
    switch (j->shape) {
        KITH__SHAPES(SHAPE)
    default: run_mix(j, worker, fn, lo, length);
    }
}

/* The same where the results take the place of the arguments: each is kept before it is written. What must
 * not change places is what one thread does, and death comes between two instructions of it. */
#define LOOP_IN_PLACE(R, A)                                                                  \
    {                                                                                        \
        const A *x = (const void *)element(j->in, sizeof(A), 0, lo);                         \
        R *y = (void *)element(j->out, sizeof(R), 0, lo);                                    \
        for (uint64_t i = 0; i < length; i++) {                                              \
            R value;                                                                         \
            atomic_store_explicit(at, lo + i, memory_order_release);                         \
            value = ((R(*)(A))fn)(x[i]);                                                     \
            if (__builtin_expect(kith__task.special, 0) && end_special(j, worker, lo + i)) { \
                if (kith__job_halted(j))                                                     \
                    return;                                                                  \
                continue;                                                                    \
            }                                                                                \
            keep_result(kept, lo + i, &value, sizeof value);                                 \
            y[i] = value;                                                                    \
            kith__failpoint("task: result written");                                         \
        }                                                                                    \
        return;                                                                              \
    }

static inline void keep_result(struct kith__kept_result *kept, uint64_t unit, const void *value, size_t size)
{
    uint64_t word = 0;

    memcpy(&word, value, size);
    atomic_store_explicit(&kept->value, word, memory_order_relaxed);
    atomic_store_explicit(&kept->unit, unit + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    kith__failpoint("task: result kept");
}

static void run_numbers_in_place(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo,
                                 uint64_t length)
{
    struct kith__kept_result *kept = kith__job_result(j, worker);
    _Atomic uint64_t *at = &j->cells[worker].at;

    switch (j->shape) {
#define SHAPE_IN_PLACE(r, a, R, A) \
    case KITH__SHAPE_CODE(r, a, 1): LOOP_IN_PLACE(R, A)
        KITH__SHAPES(SHAPE_IN_PLACE)
    default:
        run_numbers(j, worker, fn, lo,
                    length); /* a row of arguments, in the place of one result: the only task */
    }
}

/* One call, its arguments side by side at in. */
#define ONCE(R, A, CALL)                   \
    {                                      \
        const A *x = in;                   \
        R value = CALL;                    \
        memcpy(out, &value, sizeof value); \
        return;                            \
    }
#define SHAPE_ONCE(r, a, R, A)                                               \
    case KITH__SHAPE_CODE(r, a, 1): ONCE(R, A, ((R(*)(A))fn)(x[0]))          \
    case KITH__SHAPE_CODE(r, a, 2): ONCE(R, A, ((R(*)(A, A))fn)(x[0], x[1])) \
    case KITH__SHAPE_CODE(r, a, 3): ONCE(R, A, ((R(*)(A, A, A))fn)(x[0], x[1], x[2]))

static void call_numbers(uint32_t shape, kith__anyfn *fn, const void *in, void *out)
{
    switch (shape) {
        KITH__SHAPES(SHAPE_ONCE)
    default: kith__mix_call((int)shape, fn, in, out);
    }
}

/* Where a unit finds its argument, or leaves its result: in a ring side by side with its neighbours, else at
 * its element. */
static char *address_of(const struct kith__job *j, uint64_t base, uint64_t size, uint64_t ring, uint64_t unit)
{
    return (char *)kith__at(base) + size * (ring ? kith__ring_slot(ring, unit) : kith__job_position(j, unit));
}

/* A map of functions of numbers or bytes in an order of its own. Those who know what their tasks cost have
 * few and dear ones. */
static void run_by_cost(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length)
{
    struct kith__kept_result *kept = kith__job_result(j, worker);
    int numbers = j->kind == KITH__JOB_NUMBERS;
    uint64_t value = 0;

    for (uint64_t i = lo; i < lo + length; i++) {
        const char *in = address_of(j, j->in, j->in_size, j->in_ring, i);
        char *out = address_of(j, j->out, j->out_size, j->out_ring, i);

        atomic_store_explicit(&kept->element, kith__job_element(j, i), memory_order_relaxed);
        atomic_store_explicit(&j->cells[worker].at, i, memory_order_release);
        if (numbers)
            call_numbers(j->shape, fn, in, &value);
        else
            has_failed(((kith_map_fn *)fn)(in, out));
        if (__builtin_expect(kith__task.special, 0) && end_special(j, worker, i)) {
            if (kith__job_halted(j))
                return;
            continue;
        }
        if (kith__job_keeps_results(j))
            keep_result(kept, i, &value, j->out_size);
        if (numbers)
            memcpy(out, &value, j->out_size);
    }
}

/* The head would follow any pointer. */
static int check_bytes(const kith_bytes *b)
{
    if (b->size == 0 && !b->data)
        return 1;
    if (b->data && kith__arena_holds(b->data, b->size ? b->size : 1) &&
        kith__heap_check(kith__offset(b->data)) == 0 && kith__heap_size_of(kith__offset(b->data)) >= b->size)
        return 1;
    kith__task.failed = kith__task.special = 1;
    kith__task.code = KITH_EINVAL;
    kith__task_says("its result, %zu bytes at %p, is not memory of kith_alloc: leave it by kith_bytes_set",
                    b->size, b->data);
    return 0;
}

/* Of a call or an item. 1: it has run well, and *b is its result. */
static int call_variable(kith__anyfn *fn, const void *in, kith_bytes *b)
{
    *b = (kith_bytes){ NULL, 0 };
    return !has_failed(((kith_bytes_fn *)fn)(in, b)) && check_bytes(b);
}

static void run_item(struct kith__job *j, uint32_t worker, uint64_t unit, struct kith__item *item)
{
    static const _Atomic uint64_t first; /* each is the only task of its call */
    const struct kith__callee *c = kith__at(item->callee);
    kith__anyfn *fn;

    kith__random_seek(KITH__STREAM_TASK, item->number, &first);
    if (kith__token_resolve(&c->fn, &fn) < 0) {
        kith__task.failed = kith__task.special = 1;
        kith__task.code = KITH_EFUNC;
        kith__task_says("%s", kith_last_error());
    } else if (c->kind == KITH__JOB_NUMBERS)
        call_numbers(c->shape, fn, kith__item_in(item, c), kith__item_out(item, c));
    else if (c->kind == KITH__JOB_VARIABLE)
        call_variable(fn, kith__item_in(item, c), kith__item_out(item, c));
    else
        has_failed(((kith_map_fn *)fn)(kith__item_in(item, c), kith__item_out(item, c)));
    /* Its result may be taken as soon as it is there: what it has printed and sent goes first. A thread
     * prints where the caller does. */
    if (!j->local)
        kith__output_settle();
    if (kith__remote_settle() < 0 && !kith__task.failed) {
        kith__task.failed = kith__task.special = 1;
        kith__task.code = KITH_EPEER;
        kith__task_says("%s", kith_last_error());
    }
    if (__builtin_expect(kith__task.special, 0) && end_special(j, worker, unit))
        return;
    kith__failpoint("row: item run");
    /* It was cancelled: as if that had come in time. Inside of another task nobody kills for it. */
    if (kith__item_done(j, item))
        return;
    if (kith__task.depth == 0)
        kith__die();
    kith__item_begin(item);
}

static void run_row(struct kith__job *j, uint32_t worker, uint64_t lo, uint64_t length)
{
    for (uint64_t i = lo; i < lo + length; i++) {
        struct kith__item *item = kith__row_item(kith__job_row(j), i);

        atomic_store_explicit(&j->cells[worker].at, i, memory_order_release);
        if (kith__item_begin(item))
            run_item(j, worker, i, item);
        kith__failpoint("row: item ended");
        kith__row_tell(j, i);
    }
}

static void run_bytes(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length)
{
    kith_map_fn *call = (kith_map_fn *)fn;

    for (uint64_t i = lo; i < lo + length; i++) {
        atomic_store_explicit(&j->cells[worker].at, i, memory_order_release);
        has_failed(
            call(element(j->in, j->in_size, j->in_ring, i), element(j->out, j->out_size, j->out_ring, i)));
        if (__builtin_expect(kith__task.special, 0) && end_special(j, worker, i) && kith__job_halted(j))
            return;
    }
}

/* The result is stored when its memory is the caller's: before that it goes with this worker, and a
 * pointer to it must not stay. */
static void run_variable(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length)
{
    for (uint64_t i = lo; i < lo + length; i++) {
        kith_bytes b;

        atomic_store_explicit(&kith__job_result(j, worker)->element, kith__job_element(j, i),
                              memory_order_relaxed);
        atomic_store_explicit(&j->cells[worker].at, i, memory_order_release);
        call_variable(fn, address_of(j, j->in, j->in_size, j->in_ring, i), &b);
        if (__builtin_expect(kith__task.special, 0) && end_special(j, worker, i)) {
            if (kith__job_halted(j))
                return;
            continue;
        }
        memcpy(address_of(j, j->out, j->out_size, j->out_ring, i), &b, sizeof b);
    }
}

static void run_with(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length)
{
    kith_map_with_fn *call = (kith_map_with_fn *)fn;
    const void *arg = j->arg ? kith__at(j->arg) : NULL;

    for (uint64_t i = lo; i < lo + length; i++) {
        atomic_store_explicit(&j->cells[worker].at, i, memory_order_release);
        has_failed(call(element(j->in, j->in_size, j->in_ring, i),
                        element(j->out, j->out_size, j->out_ring, i), arg));
        if (__builtin_expect(kith__task.special, 0) && end_special(j, worker, i) && kith__job_halted(j))
            return;
    }
}

/* From lo to hi; its result, if any, goes to its place among those of the job. 1: it has failed. */
static inline int run_block(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t block,
                            uint64_t lo, uint64_t hi, const void *arg)
{
    if (j->kind == KITH__JOB_FOR)
        has_failed(((int (*)(uint64_t, uint64_t, const void *))fn)(lo, hi, arg));
    else if (j->kind == KITH__JOB_SUM)
        *(double *)(void *)element(j->out, j->out_size, 0, block) =
            ((double (*)(uint64_t, uint64_t, const void *))fn)(lo, hi, arg);
    else
        has_failed(((int (*)(uint64_t, uint64_t, const void *, void *))fn)(
            lo, hi, arg, element(j->out, j->out_size, 0, block)));
    return __builtin_expect(kith__task.special, 0) && end_special(j, worker, block);
}

/* Nobody knows what the blocks of a loop cost before they have run. So each worker claims its share of them
 * at once, as if all cost the same, and when others have nothing to do while there is much left of it, the
 * rest goes back, and is claimed by halves. Until then a block costs one look at a word that does not change.
 * Where somebody waits the look is dearer than an empty block, and so the cheaper blocks are, the later comes
 * the next one. */
struct share {
    struct kith__stay *stay;
    struct kith__waiters *idle;
    int64_t began;
    uint64_t look_at; /* blocks done */
};

static const int64_t worth_ns = 20000; /* to wake a sleeper takes as long */
enum { PATIENCE = 16 };

static int is_wanted(struct kith__job *j, struct share *s, uint64_t done, uint64_t left)
{
    int64_t each, next;

    if (left == 0)
        return 0;
    if (atomic_load_explicit(&j->cancelled, memory_order_relaxed) || kith__stay_is_over(s->stay))
        return 1;
    if (done < s->look_at || (!kith__has_waiters(s->idle) && !atomic_load(&j->bored)))
        return 0;
    each = (kith__now_ns() - s->began) / (int64_t)done + 1;
    if (left >= (uint64_t)(worth_ns / each) + 1)
        return kith__somebody_waits(s->idle) || atomic_load(&j->bored);
    next = worth_ns / (4 * each);
    s->look_at = done + (next < 1 ? 1 : next > PATIENCE ? PATIENCE : (uint64_t)next);
    return 0;
}

/* Its share may be most of what there is to see. */
static __attribute__((noinline)) void tell(struct kith__job *j)
{
    kith__faults_tell(j);
    kith__job_progress(j);
}

/* 1: the rest is for others, too. A block begins where the last one has ended: an empty one is as cheap as
 * what stands around it. */
static int run_blocks(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length,
                      struct kith__stay *stay)
{
    const int shared = j->share != 0, tells = stay->tells;
    struct share share = { stay, kith__object_waiters(stay->pool, 0), shared ? kith__now_ns() : 0, 1 };
    const struct kith__parts parts = kith__parts(j->n, j->blocks);
    const void *arg = j->arg ? kith__at(j->arg) : NULL;
    const uint64_t first = j->first + lo;
    _Atomic uint64_t *at = &j->cells[worker].at;

    for (uint64_t done = 0, begin = kith__part_begin(&parts, first), end; done < length; begin = end) {
        end = begin + parts.size + (first + done < parts.rest);
        atomic_store_explicit(at, lo + done, memory_order_release);
        if (run_block(j, worker, fn, lo + done, begin, end, arg) && kith__job_halted(j))
            return 0;
        done++;
        if (tells && (j->progress.began || atomic_load_explicit(&j->fault_count, memory_order_relaxed)))
            tell(j);
        if (shared && is_wanted(j, &share, done, length - done))
            return 1;
    }
    return 0;
}

/* In kith's memory a read maps the 16 pages around it, where they are there already; a write maps one, at
 * four times the price a page (measured: 0.28 and 1.1 µs). So results in place are looked at before they are
 * written: another worker may have made their pages in the last map. */
static __attribute__((noinline)) void map_pages(const char *from, const char *to)
{
    const uintptr_t around = 65536;

    for (const char *p = from; p < to; p = (const char *)(((uintptr_t)p | (around - 1)) + 1))
        (void)*(const volatile char *)p;
}

/* What the tasks have put on queues elsewhere is there when they are done. */
static void settle(struct kith__job *j, uint32_t worker)
{
    int rc = kith__remote_settle();

    if (rc == 0)
        return;
    kith__task.code = rc;
    kith__task_says("%s", kith_last_error());
    tell_fault(j, worker, atomic_load(&j->cells[worker].at));
}

/* Results in kith's memory. */
static int has_places(const struct kith__job *j)
{
    return !j->out_ring && !j->order && !j->local && j->kind != KITH__JOB_ROW;
}

static __attribute__((noinline)) int run_others(struct kith__job *j, uint32_t worker, kith__anyfn *fn,
                                                uint64_t lo, uint64_t length, struct kith__stay *stay)
{
    switch ((enum kith__job_kind)j->kind) {
    case KITH__JOB_NUMBERS: (j->order ? run_by_cost : run_numbers_in_place)(j, worker, fn, lo, length); break;
    case KITH__JOB_BYTES: (j->order ? run_by_cost : run_bytes)(j, worker, fn, lo, length); break;
    case KITH__JOB_VARIABLE: run_variable(j, worker, fn, lo, length); break;
    case KITH__JOB_WITH: run_with(j, worker, fn, lo, length); break;
    case KITH__JOB_ROW: run_row(j, worker, lo, length); break;
    case KITH__JOB_FOR:
    case KITH__JOB_SUM:
    case KITH__JOB_REDUCE: return run_blocks(j, worker, fn, lo, length, stay);
    }
    return 0;
}

/* The tasks that may take a few ns only are known at the first look. */
static inline int run(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length,
                      struct kith__stay *stay)
{
    int wanted = 0;

    errno = 0; /* what was refused before is not why this one crashes: see crash.h */
    kith__task.running = 1;
    kith__task.special = kith__task.failed = kith__task.has_text = 0;
    kith__task.taken = atomic_load_explicit(&kith__ever_taken, memory_order_relaxed);
    kith__task.arg_size = j->arg_size;
    if (__builtin_expect(length * j->out_size >= 4096, 0) && has_places(j))
        map_pages(element(j->out, j->out_size, 0, lo), element(j->out, j->out_size, 0, lo + length));
    if (j->kind == KITH__JOB_NUMBERS && !j->order && !kith__job_keeps_results(j))
        run_numbers(j, worker, fn, lo, length);
    else
        wanted = run_others(j, worker, fn, lo, length, stay);
    settle(j, worker);
    kith__task.running = 0;
    return wanted;
}

/* Apart from run, so that the copy is paid for by those who need it. */
static __attribute__((noinline)) int run_inside(struct kith__job *j, uint32_t worker, kith__anyfn *fn,
                                                uint64_t lo, uint64_t length, struct kith__stay *stay)
{
    struct kith__task outer = kith__task;
    int wanted;

    kith__task.depth++;
    wanted = run(j, worker, fn, lo, length, stay);
    kith__task = outer;
    return wanted;
}

int kith__run(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length,
              struct kith__stay *stay)
{
    if (__builtin_expect(kith__task.running, 0)) /* a task that called a map runs others while it waits */
        return run_inside(j, worker, fn, lo, length, stay);
    return run(j, worker, fn, lo, length, stay);
}
