/* test_claims.c: kills a worker, or a party of a Queue, at each single step at which a death could matter,
 * and counts.
 *
 * The hook is set before kith_init, so all processes inherit it. It counts the steps of the process that is
 * to be the victim, in memory that all share; at the chosen one it kills that process, once. A first run
 * without a victim tells how many steps there are. */
#include "config.h"
#include "check.h"
#include "member/members.h"
#include "shm/guard.h"
#include "shm/heap.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { TASKS = 40 };

static struct shared {
    _Atomic int armed; /* 1: workers are victims, 2: Processes */
    _Atomic int seen, target, killed;
    _Atomic int runs[TASKS];
} * shared;

static _Thread_local int busy;

static void hook(const char *step)
{
    uint32_t victim = shared->armed == 1 ? KITH__WORKER : KITH__PROCESS;

    if (busy || !shared->armed || kith__me == 0 || atomic_load(&kith__member(kith__me)->role) != victim)
        return;
    busy = 1;
    if (atomic_fetch_add(&shared->seen, 1) == shared->target && !atomic_exchange(&shared->killed, 1))
        raise(SIGKILL);
    busy = 0;
    (void)step;
}

static int run(int x)
{
    atomic_fetch_add(&shared->runs[x], 1);
    return x * 3 + 1;
}

static int fail_at_seven(int x)
{
    return x == 7 ? kith_fail(70, "seven") : run(x);
}

static void arm(int kind, int target)
{
    shared->seen = shared->killed = 0;
    shared->target = target;
    for (int i = 0; i < TASKS; i++)
        shared->runs[i] = 0;
    atomic_store(&shared->armed, kind);
}

enum where {
    COPIED,
    SHARED,
    IN_PLACE
}; /* the arguments and results: the head's own; kith's; kith's, and one array for both */

static int *array(enum where where)
{
    return where == COPIED ? malloc(TASKS * sizeof(int)) : kith_alloc(TASKS * sizeof(int));
}

static void give_back(enum where where, int *in, int *out)
{
    if (where == COPIED) {
        free(in);
        free(out);
    } else {
        PASS(kith_free(in));
        if (out != in)
            PASS(kith_free(out));
    }
}

/* One map with a death at step target. 0: there was no such step. */
static int map_with_death(int target, size_t chunk, int (*fn)(int), enum where where)
{
    kith_pool pool = kith_pool_open_with(2, .chunk = chunk, .tries = 3);
    int *in = array(where), *out = where == IN_PLACE ? in : array(where);
    int twice = 0, wrong = 0, killed, unchanged = where == IN_PLACE ? 7 : -1;

    for (int i = 0; i < TASKS; i++) {
        out[i] = -1;
        in[i] = i;
    }
    arm(1, target);
    if (fn == run)
        PASS(kith_map(pool, fn, in, out, TASKS));
    else {
        struct kith_fault fault;

        FAILS_WITH(KITH_ETASK, kith_map(pool, fn, in, out, TASKS));
        CU_ASSERT(kith_last_fault(&fault, 0) == 0 && fault.task == 7 && fault.end == KITH_END_FAILED);
        CU_ASSERT(kith_last_fault(&fault, 1) ==
                  KITH_EEND); /* told once, also when its worker dies after that */
    }
    PASS(kith_pool_close(pool));
    atomic_store(&shared->armed, 0);
    killed = shared->killed;
    for (int i = 0; i < TASKS; i++) {
        int failed = fn != run && i == 7;

        wrong += out[i] != (failed ? unchanged : i * 3 + 1) || (!failed && shared->runs[i] == 0);
        twice += shared->runs[i] > 1;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(twice <= killed); /* of one death at most the task that it fell on is run again */
    if (wrong || twice > killed)
        printf("\n    death at step %d, chunk %zu: %d wrong, %d twice\n", target, chunk, wrong, twice);
    give_back(where, in, out);
    return killed;
}

static int fail_from_seven(int x)
{
    return x >= 7 ? kith_fail(70, "%d", x) : run(x);
}

/* So many failures that the rest is not begun, with a death at step target. */
static int halt_with_death(int target, size_t chunk, int (*fn)(int), enum where where)
{
    kith_pool pool = kith_pool_open_with(2, .chunk = chunk, .tries = 3, .halt = 4);
    int *in = array(where), *out = array(where), wrong = 0, faults = 0, lost = 0;
    struct kith_fault f;

    for (int i = 0; i < TASKS; i++) {
        out[i] = -1;
        in[i] = i;
    }
    arm(1, target);
    FAILS_WITH(KITH_ETASK, kith_map(pool, fn, in, out, TASKS));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "the rest was cancelled"));
    for (; kith_last_fault(&f, (size_t)faults) == 0; faults++)
        wrong += f.task < 7 || f.end != KITH_END_FAILED;
    CU_ASSERT(faults >= 4 && faults <= 4 + 2);
    PASS(kith_pool_close(pool));
    atomic_store(&shared->armed, 0);
    for (int i = 0; i < TASKS; i++) {
        lost += shared->runs[i] && out[i] == -1;
        wrong += out[i] != -1 && (!shared->runs[i] || out[i] != i * 3 + 1);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(lost <= shared->killed); /* what the dead one was in is not begun again */
    if (wrong)
        printf("\n    death at step %d, chunk %zu: %d wrong\n", target, chunk, wrong);
    give_back(where, in, out);
    return shared->killed;
}

static int one_death(int target, size_t chunk, int (*fn)(int), enum where where)
{
    return (fn == fail_from_seven ? halt_with_death : map_with_death)(target, chunk, fn, where);
}

static void every_step(size_t chunk, int (*fn)(int), enum where where)
{
    struct kith__heap_stats before, after;
    int step = 0;

    one_death(1 << 30, chunk, fn, where);
    kith__heap_stats(&before);
    /* Two workers share the steps, so the last ones may not come; a few misses in a row are the end. */
    for (int misses = 0; misses < 5; step += SANITIZED ? 13 : 1)
        misses = one_death(step, chunk, fn, where) ? 0 : misses + 1;
    CU_ASSERT(step > 30);
    PASS(kith__heap_audit());
    /* Blocks of the dead are taken back by janitors, a moment later. */
    for (int i = 0; i < 3000; i++) {
        kith__heap_stats(&after);
        if (after.used_blocks <= before.used_blocks)
            break;
        usleep(10000);
    }
    CU_ASSERT(after.used_blocks <= before.used_blocks);
}

static void a_worker_dies_at_every_step_of_single_claims(void)
{
    every_step(1, run, SHARED);
}
static void a_worker_dies_at_every_step_of_long_claims(void)
{
    every_step(7, run, SHARED);
}
static void a_worker_dies_at_every_step_with_copied_arguments(void)
{
    every_step(3, run, COPIED);
}
static void a_worker_dies_at_every_step_of_telling_a_fault(void)
{
    every_step(2, fail_at_seven, SHARED);
}
static void a_worker_dies_at_every_step_of_telling_a_fault_of_a_copied_result(void)
{
    every_step(2, fail_at_seven, COPIED);
}

static void a_worker_dies_at_every_step_of_the_end_of_a_call_that_fails(void)
{
    every_step(1, fail_from_seven, SHARED);
    every_step(5, fail_from_seven, COPIED);
}

static void a_worker_dies_at_every_step_where_results_take_the_place_of_arguments(void)
{
    every_step(3, run, IN_PLACE);
    every_step(3, fail_at_seven, IN_PLACE);
}

static int run_bytes(const void *in, void *out)
{
    int x = *(const int *)in;

    *(int *)out = run(x);
    return 0;
}

/* What a function did to its argument nobody can undo: it is not called again. */
static int change_with_death(int target, size_t chunk)
{
    kith_pool pool = kith_pool_open_with(2, .chunk = chunk, .tries = 3);
    int *at = array(IN_PLACE), wrong = 0, faults = 0, rc;
    struct kith_fault f;

    for (int i = 0; i < TASKS; i++)
        at[i] = i;
    arm(1, target);
    rc = kith_map(pool, run_bytes, at, at, TASKS);
    for (; rc && kith_last_fault(&f, (size_t)faults) == 0; faults++)
        wrong += f.end != KITH_END_SIGNALLED || shared->runs[f.task] > 1;
    CU_ASSERT(rc == (faults ? KITH_ETASK : 0) && faults <= shared->killed);
    PASS(kith_pool_close(pool));
    atomic_store(&shared->armed, 0);
    for (int i = 0; i < TASKS; i++)
        wrong += (at[i] != i * 3 + 1 && !(faults && (int)f.task == i)) || shared->runs[i] > 1;
    CU_ASSERT_EQUAL(wrong, 0);
    if (wrong)
        printf("\n    death at step %d: %d wrong\n", target, wrong);
    give_back(IN_PLACE, at, at);
    return shared->killed;
}

static void bytes_that_a_dead_worker_was_changing_are_not_changed_again(void)
{
    int step = 0;

    for (int misses = 0; misses < 5; step += SANITIZED ? 13 : 1)
        misses = change_with_death(step, 3) ? 0 : misses + 1;
    CU_ASSERT(step > 30);
}

/* The first block is dear, so that the other worker has nothing to do, and what is left of its share goes
 * back. */
static int run_block(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)hi;
    (void)arg;
    if (lo == 0)
        usleep(2000);
    atomic_fetch_add(&shared->runs[lo], 1);
    return 0;
}

static int loop_with_death(int target)
{
    kith_pool pool = kith_pool_open_with(2, .tries = 3);
    int twice = 0, missing = 0, killed;

    arm(1, target);
    PASS(kith_for(pool, run_block, NULL, 0, TASKS));
    PASS(kith_pool_close(pool));
    atomic_store(&shared->armed, 0);
    killed = shared->killed;
    for (int i = 0; i < TASKS; i++) {
        missing += shared->runs[i] == 0;
        twice += shared->runs[i] > 1;
    }
    CU_ASSERT(missing == 0 && twice <= killed);
    if (missing || twice > killed)
        printf("\n    death at step %d: %d missing, %d twice\n", target, missing, twice);
    return killed;
}

static void a_worker_dies_at_every_step_of_a_loop(void)
{
    int step = 0;

    for (int misses = 0; misses < 5; step += SANITIZED ? 7 : 1)
        misses = loop_with_death(step) ? 0 : misses + 1;
    CU_ASSERT(step > 10);
}

struct party {
    kith_queue queue;
    int from, count;
    size_t size;
};

static void fill(unsigned char *item, size_t size, int number)
{
    for (size_t i = 0; i < size; i++)
        item[i] = (unsigned char)(number + (int)i);
    memcpy(item, &number, sizeof number);
}

static int putter(const void *arg)
{
    const struct party *p = arg;
    unsigned char *item = malloc(p->size);

    for (int i = 0; i < p->count; i++) {
        fill(item, p->size, p->from + i);
        if (kith_queue_put(p->queue, item, p->size, SOON) < 0)
            return 1;
    }
    free(item);
    return 0;
}

static int taker(const void *arg)
{
    const struct party *p = arg;
    unsigned char *item = malloc(p->size);
    int number;

    for (int i = 0; i < p->count; i++) {
        if (kith_queue_get(p->queue, item, p->size, SOON) != (int64_t)p->size)
            return 1;
        memcpy(&number, item, sizeof number);
        atomic_fetch_add(&shared->runs[number], 1);
    }
    free(item);
    return 0;
}

/* Takes what is left; checks that each item is whole. */
static void drain(struct party *p)
{
    unsigned char *item = malloc(p->size), *want = malloc(p->size);
    int number;

    while (kith_queue_get(p->queue, item, p->size, 0) == (int64_t)p->size) {
        memcpy(&number, item, sizeof number);
        CU_ASSERT_FATAL(number >= 0 && number < TASKS);
        fill(want, p->size, number);
        CU_ASSERT(memcmp(item, want, p->size) == 0);
        atomic_fetch_add(&shared->runs[number], 1);
    }
    free(item);
    free(want);
}

/* A putter or taker dies at step target: no item is torn, none is there twice, at most one is lost with its
 * taker, and those of the putter end where it died. 0: there was no such step. */
static int queue_with_death(int target, size_t size, int (*victim)(const void *))
{
    struct party p = { kith_queue_open(0), 0, TASKS, size };
    int code = -1000, whole = 0, twice = 0, killed;
    kith_process v;

    arm(0, target);
    if (victim == taker)
        putter(&p);
    atomic_store(&shared->armed, 2);
    v = kith_process_start(victim, KITH_ARG(p));
    PASS(kith_process_join(v, 2 * SOON));
    atomic_store(&shared->armed, 0);
    PASS(kith_process_exitcode(v, &code));
    killed = shared->killed;
    CU_ASSERT_EQUAL(code, killed ? -SIGKILL : 0);
    drain(&p);
    for (int i = 0; i < TASKS; i++) {
        whole += shared->runs[i] == 1;
        twice += shared->runs[i] > 1;
    }
    CU_ASSERT_EQUAL(twice, 0);
    if (victim == taker)
        CU_ASSERT(whole >= TASKS - killed);
    for (int i = 1; victim == putter && i < TASKS; i++)
        CU_ASSERT(shared->runs[i] <= shared->runs[i - 1]);
    PASS(kith_process_close(v));
    PASS(kith_queue_put(p.queue, &size, sizeof size, 1000)); /* it is sound */
    PASS(kith_queue_close(p.queue));
    return killed;
}

static void every_queue_step(size_t size, int (*victim)(const void *))
{
    struct kith__heap_stats before, after;
    int step = 0, stride = getenv("KITH_TEST_LONG") ? 1 : SANITIZED ? 41 : 5;

    queue_with_death(1 << 30, size, victim);
    kith__heap_stats(&before);
    while (queue_with_death(step, size, victim))
        step += stride;
    CU_ASSERT(step > 50);
    PASS(kith__heap_audit());
    for (int i = 0; i < 3000; i++) {
        kith__heap_stats(&after);
        if (after.used_blocks <= before.used_blocks)
            break;
        usleep(10000);
    }
    CU_ASSERT(after.used_blocks <= before.used_blocks);
}

static void a_putter_dies_at_every_step(void)
{
    every_queue_step(600, putter);
}
static void a_taker_dies_at_every_step(void)
{
    every_queue_step(600, taker);
}
static void a_putter_of_large_items_dies_at_every_step(void)
{
    every_queue_step(20000, putter);
}
static void a_taker_of_large_items_dies_at_every_step(void)
{
    every_queue_step(20000, taker);
}

static struct test tests[] = {
    TEST_LIKE(a_worker_dies_at_every_step_of_single_claims, "_TestPool.test_map_chunksize"),
    TEST_LIKE(a_worker_dies_at_every_step_of_long_claims, "_TestPool.test_map_chunksize"),
    TEST(a_worker_dies_at_every_step_with_copied_arguments),
    TEST(a_worker_dies_at_every_step_of_telling_a_fault),
    TEST(a_worker_dies_at_every_step_of_telling_a_fault_of_a_copied_result),
    TEST(a_worker_dies_at_every_step_of_the_end_of_a_call_that_fails),
    TEST(a_worker_dies_at_every_step_where_results_take_the_place_of_arguments),
    TEST(bytes_that_a_dead_worker_was_changing_are_not_changed_again),
    TEST(a_worker_dies_at_every_step_of_a_loop),
    TEST(a_putter_dies_at_every_step),
    TEST(a_taker_dies_at_every_step),
    TEST(a_putter_of_large_items_dies_at_every_step),
    TEST(a_taker_of_large_items_dies_at_every_step),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith__failpoint_hook = hook;
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("claims", tests);
    return kith_finalize() ? 1 : rc;
}
