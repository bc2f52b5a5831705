/* worker.c: see worker.h. */
#include "config.h"
#include "pool/worker.h"
#include "pool/chunk.h"
#include "pool/claim.h"
#include "pool/fault.h"
#include "pool/inner.h"
#include "member/bell.h"
#include "pool/joblog.h"
#include "base/error.h"
#include "base/log.h"
#include "base/own.h"
#include "shm/heap.h"
#include "member/output.h"
#include "pool/random.h"
#include "pool/row.h"
#include "pool/state.h"
#include "base/system.h"
#include "object/memory.h"
#include "object/setup.h"
#include "pool/settle.h"
#include "pool/task.h"
#include "pool/turn.h"

#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

/* Which worker of which pool this is: a process, with all its threads, or a thread, which may be in such a
 * process. */
struct role {
    struct kith__object *pool; /* NULL: of none */
    uint32_t worker;
    struct kith__state state;
};

static struct role of_process;
#define of_thread ((struct role *)kith__own_role)

static struct role *my_role(void)
{
    if (of_thread)
        return of_thread;
    return of_process.pool ? &of_process : NULL;
}

int kith__worker_number(void)
{
    const struct role *at = my_role();

    return at ? (int)(at->worker + kith__pool_body(at->pool)->trunk.first_worker) : -1;
}

int kith__worker_is_thread(void)
{
    return of_thread != NULL;
}

struct kith__state *kith__worker_state(void)
{
    struct role *at = my_role();

    return at ? &at->state : NULL;
}

struct kith__lane *kith__my_lane(const struct kith__object *o, uint32_t *worker)
{
    const struct role *at = of_thread && of_thread->pool == o ? of_thread : &of_process;

    if (!o || at->pool != o)
        return NULL;
    *worker = at->worker;
    return kith__lane(kith__pool_body(at->pool), at->worker);
}

void kith__worker_cpus(const struct kith__pool *p, uint32_t worker, uint32_t *from, uint32_t *to)
{
    *from = worker * kith__shared->cpu_count / p->workers;
    *to = (worker + 1) * kith__shared->cpu_count / p->workers;
}

void kith__worker_bind(const struct kith__pool *p, uint32_t worker)
{
    uint32_t from, to;

    kith__worker_cpus(p, worker, &from, &to);
    if (p->pinned && p->workers <= kith__shared->cpu_count)
        kith__bind(from, to);
}

/* A worker that is a process would have been killed by now. */
static int is_over(const struct kith__pool *p)
{
    return p->threads && atomic_load_explicit(&p->state, memory_order_relaxed) >= KITH__POOL_TERMINATED;
}

/* Of one unit at least, as what is behind .at goes back when the job is halted. */
static void unknown_function(struct kith__job *j, uint32_t worker, uint64_t lo, uint64_t length)
{
    for (uint64_t i = lo; i < lo + length && !(i > lo && kith__job_halted(j)); i++) {
        struct kith__fault_entry e = {
            .unit = i,
            .end = KITH_END_FAILED,
            .code = KITH_EFUNC,
            .pid = (int32_t)getpid(),
            .worker = (int32_t)worker,
        };

        atomic_store_explicit(&j->cells[worker].at, i, memory_order_release);
        kith__joblog_failed(e.code);
        kith__job_fault(j, &e, kith_last_error());
    }
}

/* Not in the middle of a task that waits for others: it may be that nobody else is there to run those. */
static int wears_out(const struct kith__pool *p, const struct kith__lane *lane)
{
    return p->tasks_per_worker && atomic_load_explicit(&lane->depth, memory_order_relaxed) <= 1;
}

static int is_worn(const struct kith__pool *p, const struct kith__lane *lane)
{
    return wears_out(p, lane) && lane->tasks >= p->tasks_per_worker;
}

/* More is left than we can take: two more of us should look. So the wake-ups spread as a tree. */
static void call_others(struct kith__object *o, const struct kith__job *j)
{
    for (int i = 0; i < 2; i++)
        if ((atomic_load_explicit(&j->cursor, memory_order_relaxed) >> 16 < atomic_load(&j->limit) ||
             atomic_load(&j->returned_count) > 0) &&
            kith__has_waiters(kith__object_waiters(o, 0)))
            kith__wake_any(kith__object_waiters(o, 0));
}

/* Whoever gives tasks one by one needs some 0.1 µs for each: to look once more costs less than to go to rest,
 * and to be woken, for each of them. 1: there is something to claim now. */
static int linger(const struct kith__job *j)
{
    for (int i = 0; i < 64 && j->kind == KITH__JOB_ROW && !atomic_load(&j->cancelled); i++) {
        if (atomic_load_explicit(&j->cursor, memory_order_relaxed) >> 16 < atomic_load(&j->limit))
            return 1;
        kith__pause();
    }
    return 0;
}

/* Of a share: what is behind .at. */
static void give_back(struct kith__object *o, struct kith__lane *lane, uint32_t worker, struct kith__job *j,
                      uint64_t end)
{
    lane->tasks -= end - (atomic_load_explicit(&j->cells[worker].at, memory_order_relaxed) + 1);
    kith__retire_part(j, worker);
    kith__fence(); /* who is about to rest sees what has gone back, or is seen here */
    call_others(o, j);
    if (atomic_load(&j->bored) && atomic_exchange(&j->bored, 0))
        kith__wake_all(&j->waiters);
}

/* How many units from lo on a worker that gives back the others has run. */
static uint64_t run_of(const struct kith__job *j, uint32_t worker, uint64_t lo)
{
    return atomic_load_explicit(&j->cells[worker].at, memory_order_relaxed) + 1 - lo;
}

/* Of who works on a job. */
struct shift {
    struct kith__stay stay;
    struct kith__object *o;
    struct kith__pool *pool;
    struct kith__lane *lane;
    uint32_t worker;
    struct kith__job *job;
    enum kith__why why;
    kith__anyfn *fn;
    int found; /* 0: fn is known; a code: it is not */
    struct kith__pace pace;
    uint64_t untimed; /* units since the last look at the clock */
    struct kith__chunk learned;
    int asks_clock;
    int is_limited; /* 1: its worker wears out, or is a thread, which sees the end of the pool for itself */
    uint64_t fixed; /* length of a claim; 0: as it has learned */
    uint64_t lo, length; /* the claim */
};

static void begin_shift(struct shift *s)
{
    struct kith__job *j = s->job;

    s->fixed = j->share ? j->share : j->chunk;
    s->is_limited = s->pool->threads != 0 || wears_out(s->pool, s->lane);
    /* Who waits for a single task, or a loop that is short, does not wait for a look at the clock as well.
     * Whoever has a part is asked what its units cost. */
    s->asks_clock = j->is_part || (j->units > 1 && !j->share);
    kith__pace_begin(&s->pace, s->lane);
    s->found = j->kind == KITH__JOB_ROW ? 0 : kith__token_resolve(&j->fn, &s->fn);
    if (j->kind != KITH__JOB_ROW)
        kith__random_seek_task(
            j->call, j->order ? &kith__job_result(j, s->worker)->element : &j->cells[s->worker].at, j->first);
    kith__stay_begin(&s->stay, s->o, s->lane, j, s->why != KITH__FOR_ANY, s->pace.then);
    s->stay.tells = s->why == KITH__TELLS;
    kith__turn = (struct kith__turn){ s->o, j->root, j->priority };
}

static uint64_t most(const struct shift *s)
{
    const struct kith__job *j = s->job;
    uint64_t size = s->fixed;

    if (size == 0)
        size = kith__chunk_next(&s->learned,
                                j->units - (atomic_load_explicit(&j->cursor, memory_order_relaxed) >> 16),
                                j->workers);
    if (size > KITH__CHUNK_MOST)
        size = KITH__CHUNK_MOST;
    if (s->is_limited && wears_out(s->pool, s->lane) && size > s->pool->tasks_per_worker - s->lane->tasks)
        size = s->pool->tasks_per_worker - s->lane->tasks;
    return size;
}

/* 1: s has a claim. */
static inline int make_claim(struct shift *s)
{
    struct kith__job *j = s->job;

    if (!kith__claim(j, s->worker, most(s), &s->lo, &s->length))
        return 0;
    kith__pace_claim(&s->pace, s->lo, s->length);
    if (j->kind == KITH__JOB_ROW)
        s->pace.callee = kith__row_item(kith__job_row(j), s->lo)->callee;
    return 1;
}

static inline int run_it(struct shift *s)
{
    if (s->found == 0)
        return kith__run(s->job, s->worker, s->fn, s->lo, s->length, &s->stay);
    unknown_function(s->job, s->worker, s->lo, s->length);
    return 0;
}

/* What the log takes is no work: claims would become smaller by it, and lines more. */
static __attribute__((noinline)) int run_logged(struct shift *s)
{
    struct kith__joblog_claim logged;
    int stopped;

    kith__joblog_begin(&logged, s->lane);
    stopped = run_it(s);
    s->pace.then +=
        kith__joblog_end(&logged, s->job, s->worker, s->lo, s->length, stopped || kith__job_halted(s->job));
    return stopped;
}

/* 1: it was stopped in the middle: what is behind .at is for others. */
static inline int run_claim(struct shift *s)
{
    return __builtin_expect(kith__joblog_on, 0) ? run_logged(s) : run_it(s);
}

static __attribute__((noinline)) void look_at_clock(struct shift *s)
{
    struct kith__job *j = s->job;
    int64_t ns = kith__pace_look(&s->pace, j);

    if (j->is_part) { /* before the last of them is done, and the poster looks at these */
        atomic_fetch_add_explicit(&j->timed_ns, (uint64_t)ns, memory_order_relaxed);
        atomic_fetch_add_explicit(&j->timed, s->untimed, memory_order_relaxed);
    }
    s->untimed = 0;
    if (!j->chunk && !j->share)
        kith__chunk_learn(&s->learned, s->length, ns);
}

static inline void retire_claim(struct shift *s, int stopped)
{
    struct kith__job *j = s->job;

    if (__builtin_expect(kith__job_halted(j), 0))
        kith__retire_part(j, s->worker);
    else if (__builtin_expect(stopped, 0))
        give_back(s->o, s->lane, s->worker, j, s->lo + s->length);
    else
        kith__retire(j, s->worker, s->length);
}

/* After it was run. */
static inline void end_claim(struct shift *s, int stopped)
{
    uint64_t run = stopped || kith__job_halted(s->job) ? run_of(s->job, s->worker, s->lo) : s->length;

    kith__bring(&s->job->cursor); /* it travels while what was done is told */
    if (!s->job->local)
        kith__output_settle(); /* it stands before what the head prints when it has their results */
    s->lane->tasks += s->length;
    s->untimed += run;
    if ((kith__pace_is_due(&s->pace, run) && s->asks_clock) || stopped)
        look_at_clock(s);
    retire_claim(s, stopped);
    if (s->why == KITH__TELLS) {
        kith__faults_tell(s->job);
        kith__job_progress(s->job);
    }
}

void kith__work_on(struct kith__object *o, struct kith__lane *lane, uint32_t worker, struct kith__job *j,
                   enum kith__why why)
{
    struct kith__pool *p = kith__pool_body(o);
    struct shift s = { .o = o, .pool = p, .lane = lane, .worker = worker, .job = j, .why = why };
    struct kith__turn outer = kith__turn;
    int claims = 0;

    begin_shift(&s);
    while (!(s.is_limited && (is_worn(p, lane) || is_over(p))) && !(claims && kith__stay_is_over(&s.stay))) {
        if (!make_claim(&s)) {
            if (why == KITH__FOR_ANY && claims && linger(j))
                continue;
            break;
        }
        if (!claims++)
            call_others(o, j);
        end_claim(&s, run_claim(&s));
        if (j->units == 1)
            break;
    }
    kith__turn = outer;
    if (claims && (j->units > 1 || kith__job_halted(j))) /* a single one was told of as it was retired */
        kith__retired(j);
    kith__pace_end(&s.pace, j);
}

/* One of the pool's own functions. 0; what it has failed with, and kith__task_text says why. */
static int call_own(const struct kith__pool *p, const struct kith__token *t)
{
    kith__anyfn *fn;
    int rc;

    if ((rc = kith__token_resolve(t, &fn)) < 0)
        kith__task_says("%s", kith_last_error());
    else
        rc = kith__call_target((kith_target *)fn, p->init_arg ? kith__at(p->init_arg) : NULL,
                               p->init_arg_size);
    kith__memory_settle(kith__task.taken, rc == 0);
    if (rc != 0 && !kith__task.has_text)
        kith__task_says("it returned %d", rc);
    if (!p->threads)
        kith__output_settle();
    return rc;
}

/* A block of this process with the fault of such a function; 0: no memory. */
static uint64_t own_fault(uint32_t worker, int code)
{
    uint64_t block = kith__heap_alloc(sizeof(struct kith__fault_entry) + KITH__TASK_TEXT, kith__me);
    struct kith__fault_entry *e;

    if (!block)
        return 0;
    e = kith__at(block);
    memset(e, 0, sizeof *e);
    e->end = KITH_END_FAILED;
    e->code = code;
    e->pid = (int32_t)getpid();
    e->worker = (int32_t)worker;
    snprintf(e->text, KITH__TASK_TEXT, "%s", kith__task_text());
    return block;
}

int kith__worker_initialize(struct kith__object *o, uint32_t worker)
{
    struct kith__pool *p = kith__pool_body(o);
    int rc = p->has_init ? call_own(p, &kith__pool_functions(p)->init) : 0;

    if (rc != 0)
        kith__pool_keep_init_fault(o, own_fault(worker, rc));
    return rc;
}

int kith__worker_exit(struct kith__object *o, uint32_t worker)
{
    struct kith__pool *p = kith__pool_body(o);
    int rc = p->has_exit ? call_own(p, &kith__pool_functions(p)->exit) : 0;

    if (rc != 0)
        kith__pool_keep_exit_fault(o, own_fault(worker, rc), 1);
    return rc;
}

/* It has come to its end by itself. */
static void leave(struct kith__object *o, struct kith__lane *lane, uint32_t worker)
{
    const struct kith__pool *p = kith__pool_body(o);

    if (!p->has_exit || atomic_load(&p->state) > KITH__POOL_CLOSING)
        return;
    kith__lane_move(lane, KITH__LANE_LEAVES);
    kith__server_ring(); /* it looks at the time of a process from now on */
    kith__worker_exit(o, worker);
    kith__failpoint("worker: exit function run");
    kith__lane_move(lane, KITH__LANE_HAS_LEFT);
}

/* Of a worker process: for who chooses a node. */
static void be_busy(uint32_t busy)
{
    if (!of_thread)
        atomic_store_explicit(&kith__member(kith__me)->busy, busy, memory_order_relaxed);
}

/* Nothing to do: sleeps until there is, and enters it. NULL: the pool ends. turn: the last job was one task,
 * and the caller's turn is next. */
static struct kith__job *rest(struct kith__object *o, struct kith__lane *lane, int turn)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__wait w;
    struct kith__job *j;
    uint32_t post;

    if (kith__wait_begin(&w, kith__object_waiters(o, 0), KITH_FOREVER) < 0)
        return NULL;
    w.give_way = turn;
    w.hasty = 1; /* most often the wake-up was for us alone */
    be_busy(0);
    while (!(j = kith__job_find(p, lane, &post)))
        if (atomic_load(&p->state) != KITH__POOL_OPEN || kith__wait_sleep(&w) < 0)
            break;
    kith__wait_end(&w, 1);
    be_busy(1);
    return j;
}

/* 0; what the initializer has failed with. */
static int begin(struct kith__object *o, struct kith__lane *lane, uint32_t worker)
{
    int rc;

    lane->tasks = 0;
    kith__record_begin(&lane->record);
    atomic_store(&lane->condemned, 0);
    kith__lane_move(lane, KITH__LANE_BEGINS);
    if (!of_thread && kith__setup_limit_memory(kith__member(kith__me)->memory) < 0)
        kith__log(KITH_LOG_ERROR, "worker %u runs without its .memory: %s", worker, kith_last_error());
    if ((rc = kith__worker_initialize(o, worker)) != 0)
        return rc;
    kith__record_ready(&lane->record);
    kith__lane_move(lane, KITH__LANE_INITIALIZED);
    be_busy(1);
    kith__wake_all(kith__object_waiters(o, 1));
    return 0;
}

/* Until the pool ends, or the worker is worn out. */
static void work(struct kith__object *o, struct kith__lane *lane, uint32_t worker)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__job *j;
    uint32_t post;
    int turn = 0;

    while (!is_worn(p, lane) && !is_over(p)) {
        if (!(j = kith__job_find(p, lane, &post)) && !(j = rest(o, lane, turn)))
            return;
        kith__work_on(o, lane, worker, j, KITH__FOR_ANY);
        turn = j->units == 1;
        kith__job_leave(lane, j);
    }
}

int kith__worker_main(struct kith__object *o, uint32_t worker)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__lane *lane = kith__lane(p, worker);

    of_process.pool = o;
    of_process.worker = worker;
    kith__random_seek(KITH__STREAM_WORKER,
                      kith__member(kith__me)->number << 16 | (worker + p->trunk.first_worker), NULL);
    kith__settle(p, worker);
    if (begin(o, lane, worker) != 0)
        return 1;
    work(o, lane, worker);
    kith__inner_end(o);
    leave(o, lane, worker);
    return 0;
}

/* In a process worker its number is that of the member; here the process has other things to do. */
static void become(struct role *role)
{
    static const _Atomic uint64_t first;

    kith__own_role = role;
    kith__random_seek(KITH__STREAM_WORKER,
                      (kith__pool_body(role->pool)->id & UINT32_MAX) << 16 | role->worker, &first);
}

void kith__worker_thread(struct kith__object *o, uint32_t worker)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__lane *lane = kith__lane(p, worker);
    struct role role = { .pool = o, .worker = worker };

    become(&role);
    if (begin(o, lane, worker) == 0) {
        work(o, lane, worker);
        leave(o, lane, worker);
    } else
        kith__pool_move(p, KITH__POOL_BREAK);
    kith__own_role = NULL;
    kith__state_free(&role.state);
    kith__lane_move(lane, KITH__LANE_ENDS);
    atomic_store(&lane->member, 0);
    kith__fence();
    kith__wake_all(kith__object_waiters(o, 1));
}
