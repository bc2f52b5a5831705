/* board.h: the jobs of a pool, where they are posted, and who is inside of them. A job is a range of units
 * [0, units) with a cursor. Workers claim parts of it (claim.h), which of the jobs turn.h says; what becomes
 * of their claims when they die, settle.h. What another node is to run: grant.h.
 */
#ifndef KITH_BOARD_H
#define KITH_BOARD_H

#include "code/crash.h"
#include "shm/guard.h"
#include "kith.h"
#include "object/class.h"
#include "code/token.h"
#include "member/wait.h"
#include "pool/progress.h"
#include "pool/stats.h"

enum { KITH__POSTS = 64, KITH__POST_TABLES = 13, KITH__DEPTH = 64, KITH__KEPT = 3 };

#define KITH__AT_NONE UINT64_MAX

enum kith__job_kind {
    KITH__JOB_NUMBERS,
    KITH__JOB_BYTES,
    KITH__JOB_VARIABLE, /* results are struct kith_bytes */
    KITH__JOB_WITH,
    KITH__JOB_FOR,
    KITH__JOB_SUM,
    KITH__JOB_REDUCE,
    KITH__JOB_ROW /* see row.h: each unit is a call of its own */
};

static inline int kith__is_map(uint32_t kind) /* else over a range: its units are blocks */
{
    return kind <= KITH__JOB_WITH;
}

struct kith__cell {    /* a worker's part of a job; only it, or its successor, writes done */
    kith__word intent; /* lo << 16 | length << 1 | confirmed */
    kith__word before; /* .done when the claim was made */
    kith__word done;
    _Atomic uint64_t at; /* unit being run, KITH__AT_NONE before the first */
    kith__word tries; /* of the first unit of a claim from the returned ranges: times it was tried before */
    kith__word kept[KITH__KEPT]; /* cursors that were found, each of another worker: see keep in claim.c */
} __attribute__((aligned(64)));

/* Of a map of numbers whose results take the place of its arguments: a worker's last one, kept before it is
 * written there. So who settles a dead worker's claim writes it (again), where to call the function again
 * would be to call it with its own result. */
struct kith__kept_result {
    kith__word unit; /* + 1; 0: none */
    kith__word value;
    _Atomic uint64_t element; /* of the unit that is run, when the job has an order: for its random numbers */
} __attribute__((aligned(64)));

struct kith__range {
    kith__word lo, length, tries;
};

struct kith__granted { /* what a process of another node runs */
    kith__word epoch;  /* its name: never used again */
    kith__word lo, length, tries;
    kith__word holder; /* node << 32 | serial number of that process */
};

/* Nothing is begun any more, and the poster is gone, or waits for what was begun. */
enum kith__cancelled { KITH__NOT_CANCELLED, KITH__ABANDONED, KITH__HALTED };

struct kith__fault_entry { /* a block of the heap; the head of a list hangs in the job */
    kith__word next;
    uint64_t unit;
    int32_t end, code, signal, pid, worker;
    uint32_t node;            /* + 1, of that worker; 0: this one */
    struct kith__crash crash; /* of KITH_END_SIGNALLED, here */
    char text[];              /* ends with 0 */
};

enum kith__ring { KITH__RING_IN, KITH__RING_OUT, KITH__RINGS };

struct kith__job {
    /* written before it is posted, then only read */
    uint64_t seq;     /* which job of its pool, from 1 */
    uint64_t root;    /* the one in whose task it was posted, or the root of that; 0 and then .seq: none */
    int32_t priority; /* see turn.h */
    uint32_t kind, shape, columns, workers, tries, depth; /* workers: cells */
    uint32_t windowed;                                    /* 1: data goes through rings, piece by piece */
    uint32_t in_place;                                    /* out is in */
    uint32_t others; /* the cell of what other nodes do, where they take part */
    uint32_t local;  /* its tasks run in the poster's process: in, out and arg may lie anywhere there */
    uint32_t poster; /* member */
    int32_t halt;    /* failures after which the rest is cancelled; 0: see kith.h; < 0: never */
    uint64_t chunk;  /* asked for; 0: found at run time */
    uint64_t share;  /* of a loop without .chunk: blocks of a claim; 0: it has none */
    uint64_t n, units, room; /* room: how many ranges .returned has */
    /* Of a part of another job: its unit 0 is .first there. Of a range: how many blocks all of it has; .n is
     * that of all, too. Random numbers, and where a block begins, are those of the whole. */
    uint64_t first, blocks;
    /* What a part is called to users: the number of the whole job, of its first unit, of this pool's first
     * worker. */
    uint64_t whole, named;
    uint32_t first_worker;
    uint64_t grants; /* how many granted ranges there is room for */
    uint64_t in, in_size, out, out_size;
    uint64_t in_ring, out_ring; /* elements that fit there, in turn; 0: all of them, in place */
    uint64_t arg, arg_size;
    uint64_t call;     /* for the random numbers */
    uint64_t order;    /* a block: which element each unit is, the dearest first; 0: the unit of its number */
    uint32_t gathered; /* 1: that is an element of the whole, of which this is a part: data in place lies by
                          unit */
    uint64_t brought, bringing; /* bytes of results of any size, and of how many units, from other nodes */
    struct kith__token fn;
    char name[64];             /* "": not known yet, see kith__job_name */
    uint64_t told;             /* of fault_count, while the call goes on; the poster's */
    int64_t tell_at;           /* ns: not before that */
    int64_t posted_at;         /* ns; of a pool with branches */
    _Atomic uint32_t told_end; /* 1: its branches know that it is halted */
    _Atomic uint32_t is_ended; /* 1: what of it is under way is ended, too */
    uint32_t is_awaited; /* the poster's: one task, and a thread that waits for it, and wakes a sleeper for it
                            if nobody else comes */
    uint32_t is_unheard; /* the poster's: likewise, and nobody who was awake could be told of it */
    uint32_t is_part;
    _Atomic uint32_t here;            /* 1: it is for workers of this node only */
    _Atomic uint64_t timed, timed_ns; /* of a part: units of which it is known what they took; and how long */
    struct kith__progress progress;   /* the poster's */

    /* where claims meet; alone, since it goes from CPU to CPU with each of them */
    kith__word cursor __attribute__((aligned(64))); /* position << 16 | worker + 1 of the last claimer */

    _Atomic uint64_t limit __attribute__((aligned(64))); /* units before it have their input */
    kith__word cancelled;                                /* enum kith__cancelled */
    _Atomic uint32_t eager;                              /* the poster waits for any progress */
    _Atomic uint32_t bored;          /* 1: the poster, who works on it, too, has found nothing to claim */
    _Atomic uint32_t some_succeeded; /* 1: it is known; for a job without .halt */
    kith__word returned_count, granted_count;

    struct kith__guard guard __attribute__((aligned(64))); /* of returned, granted and faults */
    kith__word faults, fault_count;
    kith__word kept[KITH__RINGS]; /* blocks that stay for the next job in this post: its small rings */
    struct kith__waiters waiters; /* the poster */
    struct {
        uint64_t room[8];
    } small[KITH__RINGS] __attribute__((aligned(64))); /* rings that fit there, and contexts of loops: no
                                                block has to be found */
    struct kith__cell cells[]; /* workers, then as many results, then room ranges, then grants granted ones */
};

/* A number for a number: more than that has no room there. */
static inline int kith__job_keeps_results(const struct kith__job *j)
{
    return j->in_place && j->kind == KITH__JOB_NUMBERS && (j->shape & 0xff0000ff) == 1;
}

static inline uint64_t kith__job_element(const struct kith__job *j, uint64_t unit)
{
    return j->order ? ((const uint64_t *)kith__at(j->order))[unit] : unit;
}

/* Where arguments and results in place have those of unit. */
static inline uint64_t kith__job_position(const struct kith__job *j, uint64_t unit)
{
    return j->gathered ? unit : kith__job_element(j, unit);
}

static inline struct kith__kept_result *kith__job_result(struct kith__job *j, uint32_t worker)
{
    return (struct kith__kept_result *)(void *)&j->cells[j->workers] + worker;
}

static inline struct kith__range *kith__job_returned(struct kith__job *j)
{
    return (struct kith__range *)(void *)kith__job_result(j, j->workers);
}

static inline struct kith__granted *kith__job_granted(struct kith__job *j)
{
    return (struct kith__granted *)(void *)&kith__job_returned(j)[j->room];
}

/* Where a ring has unit. Most are as long as their job. */
static inline uint64_t kith__ring_slot(uint64_t ring, uint64_t unit)
{
    return unit < ring ? unit : unit % ring;
}

/* A bit for each slot of the ring of results, behind it: the unit there has failed. Set before that unit
 * counts as done, cleared by who copies results out; zeros when the job is posted. For a fault itself there
 * may be no memory. */
static inline _Atomic uint64_t *kith__job_marks(const struct kith__job *j)
{
    return kith__at(j->out + ((j->out_ring * j->out_size + 7) & ~UINT64_C(7)));
}

static inline uint64_t kith__job_marks_size(uint64_t ring)
{
    return (ring + 63) / 64 * 8;
}

struct kith__death {            /* how the former process of a lane ended */
    _Atomic uint32_t unsettled; /* 1: its claims are still in its cells */
    int32_t pid, status, over_limit, over_memory;
    char why[KITH__OOM_TEXT]; /* "": not known */
    struct kith__crash crash;
};

struct kith__lane {                         /* one worker of a pool; its process may change */
    _Atomic uint32_t member;                /* 0: it has ended for good */
    _Atomic uint32_t state;                 /* enum kith__lane_state */
    _Atomic uint32_t depth;                 /* jobs that it is inside of */
    uint32_t init_failures;                 /* one after the other; the fork server's */
    _Atomic uint64_t touching[KITH__DEPTH]; /* kith__touch of these: they are not reused */
    _Atomic int64_t began[KITH__DEPTH];     /* ns since 1970: of the claim in each of these, for joblog.h */
    uint64_t tasks;                         /* run by this process */
    _Atomic uint64_t condemned; /* kith__touch of a job whose task is to be ended, with this worker, when it
                                   is the outermost that it is inside of */
    _Atomic uint64_t condemned_unit; /* + 1; 0: whichever it is at */
    /* Of its process alone: the root that it last worked for; and p->offers as it last looked for a job, with
     * the enum kith__rivals of what it found. */
    uint64_t last_root, seen;
    uint32_t rivals;
    struct kith__death death;
    struct kith__record record __attribute__((aligned(64)));
} __attribute__((aligned(64)));

enum kith__lane_state {
    KITH__LANE_STARTING,
    KITH__LANE_READY,
    KITH__LANE_LEAVING, /* in the exit function of the pool */
    KITH__LANE_ENDED,
    KITH__LANE_LATE /* the system has no process for it; it is asked again and again */
};

enum kith__lane_event {
    KITH__LANE_BEGINS,      /* its process runs */
    KITH__LANE_INITIALIZED, /* and has come through the initializer */
    KITH__LANE_LEAVES,      /* it has come to its end by itself: the exit function begins */
    KITH__LANE_HAS_LEFT,    /* and is over: it ends as any other does */
    KITH__LANE_REFUSED,     /* the system has had no process for it for long */
    KITH__LANE_DIED,        /* its process has ended, and gets a successor */
    KITH__LANE_ENDS         /* or none */
};

enum kith__pool_state { KITH__POOL_OPEN, KITH__POOL_CLOSING, KITH__POOL_TERMINATED, KITH__POOL_BROKEN };

enum kith__pool_event { KITH__POOL_CLOSE, KITH__POOL_TERMINATE, KITH__POOL_BREAK };

/* Where a job is posted. They lie in tables of 64, 128, 256 ..., each of which comes when all before are
 * full, and stays: so as many calls are under way as there is memory for, and most pools have one table. A
 * cache line each: the calls that tasks make come and go often, each worker's in posts of its own. */
struct kith__post {
    _Atomic uint64_t job;       /* a block, kept for the next use */
    _Atomic uint64_t announced; /* its seq while it is posted */
    _Atomic uint32_t poster;    /* the member that it belongs to; 0: free */
    _Atomic int32_t priority;   /* these two of its job, for who looks for one */
    _Atomic uint64_t root;
    _Atomic uint32_t kept;    /* 1: for the calls of its poster's tasks, between these, too: see inner.h */
    _Atomic uint32_t visited; /* 1: a worker that is not the poster has entered the job, or tried to */
} __attribute__((aligned(64)));

struct kith__pool_functions { /* its own */
    struct kith__token init, exit;
};

struct kith__trunk {                    /* of what pool of another node a pool is a branch: see branch.h */
    uint64_t pool;                      /* its handle; 0: it is none */
    uint32_t foreman;                   /* the member that has opened it: it ends with that */
    uint32_t first_worker, all_workers; /* the number of its first worker there; how many there are in all */
};

/* Calls besides that of a job in which there is something to do: none as important, one as important, or one
 * more so. */
enum kith__rivals { KITH__RIVALS_NONE, KITH__RIVALS_EQUAL, KITH__RIVALS_HIGHER };

struct kith__pool {          /* the body of its object */
    _Atomic uint32_t state;  /* enum kith__pool_state; it only grows */
    _Atomic uint32_t killed; /* 1: the fork server kills its workers */
    _Atomic uint32_t gone;   /* 1: what it refers to is being freed. Under the object's guard */
    uint32_t workers, limit_ms, tries, tasks_per_worker, pinned, serial;
    uint32_t grants;     /* ranges of a job that other nodes may have at a time; 0: none takes part */
    uint32_t loops_here; /* 1: those of kith_for, who gives no result, stay on this node */
    uint32_t caller;     /* 1: who waits for a call works on it, too; see kith__pool_hands */
    uint32_t threads;    /* the member whose threads its workers are; 0: they are processes */
    int32_t halt;
    uint64_t chunk;
    _Atomic uint64_t init_arg; /* a block */
    uint64_t init_arg_size;
    uint32_t has_init, init_limit_ms; /* 0: no limit */
    struct kith__death
        init_death; /* .unsettled: of the first process that ended in the initializer; the fork server's */
    uint32_t init_worker;
    uint32_t has_exit, exit_limit_ms; /* 0: no limit */
    struct kith__death
        exit_death; /* .unsettled: of the first process that ended in the exit function; the fork server's */
    uint32_t exit_worker;
    _Atomic uint32_t exit_deaths; /* how many did; likewise */
    _Atomic uint64_t functions;   /* a block: struct kith__pool_functions; 0: it has none */
    uint64_t memory;              /* of a worker; 0: no limit */
    _Atomic uint32_t progress;    /* 1: that of calls is shown */
    uint64_t id;                  /* its handle */
    _Atomic uint64_t
        lanes; /* a block: struct kith__lane[workers]; written before others come, and at the end */
    _Atomic uint64_t seq;        /* jobs ever posted */
    _Atomic uint64_t offers;     /* how often there was something to claim in a job that had nothing */
    _Atomic uint64_t busy;       /* bit t: table t may have jobs that are posted */
    _Atomic uint32_t free_from;  /* a hint: posts before it were in use when last looked at */
    _Atomic uint32_t fork_error; /* errno: no worker can be forked, and so the pool is broken */
    kith__word posts[KITH__POST_TABLES]; /* blocks: the tables; 0 from the first on that is not there yet */
    kith__word init_fault;               /* a struct kith__fault_entry: why the initializer failed */
    kith__word exit_faults, exit_count;  /* a list of those: why exit functions did; how many did in all */
    _Atomic uint64_t branches;           /* a block: see branch.h; 0: it has workers here only */
    struct kith__trunk trunk;
};

static inline struct kith__pool *kith__pool_body(struct kith__object *o)
{
    return (struct kith__pool *)(void *)&o->body;
}

/* Cells of a job. Behind those of the lanes comes the agent's, where other nodes take part, and the last one
 * is the poster's: only the thread that waits for the call has claims there. If it dies the job is withdrawn,
 * so nobody settles them. */
static inline uint32_t kith__pool_hands(const struct kith__pool *p)
{
    return p->workers + (p->grants > 0) + p->caller;
}

/* That of a worker. */
static inline struct kith__pool *kith__pool_of(const struct kith__member *m)
{
    return kith__pool_body(kith__object_slot(atomic_load(&m->object)));
}

static inline struct kith__lane *kith__lane(const struct kith__pool *p, uint32_t worker)
{
    return (struct kith__lane *)kith__at(atomic_load_explicit(&p->lanes, memory_order_relaxed)) + worker;
}

/* Of a pool that has some. */
static inline struct kith__pool_functions *kith__pool_functions(const struct kith__pool *p)
{
    return kith__at(atomic_load_explicit(&p->functions, memory_order_relaxed));
}

/* Table t begins with post 64 * (2^t - 1). */
static inline uint32_t kith__post_table_of(uint32_t post)
{
    return 31 - (uint32_t)__builtin_clz(post / KITH__POSTS + 1);
}

static inline uint32_t kith__post_table_first(uint32_t t)
{
    return KITH__POSTS * ((UINT32_C(1) << t) - 1);
}

static inline uint32_t kith__post_words(uint32_t t)
{
    return UINT32_C(1) << t;
}

/* The words in front of its posts, which begin with a cache line. */
static inline uint32_t kith__post_head(uint32_t t)
{
    return (kith__post_words(t) + 7) & ~UINT32_C(7);
}

/* Its first words: bit i: the i-th of its posts is posted. The posts stand behind them. */
static inline _Atomic uint64_t *kith__post_table(const struct kith__pool *p, uint32_t t)
{
    return kith__at(atomic_load_explicit(&p->posts[t], memory_order_acquire));
}

/* One of a table that is there. */
static inline struct kith__post *kith__post(const struct kith__pool *p, uint32_t post)
{
    uint32_t t = kith__post_table_of(post);
    _Atomic uint64_t *behind = kith__post_table(p, t) + kith__post_head(t);

    return (struct kith__post *)(void *)behind + (post - kith__post_table_first(t));
}

static inline uint64_t kith__post_table_size(uint32_t t)
{
    return kith__post_head(t) * sizeof(uint64_t) +
           kith__post_words(t) * (KITH__POSTS * sizeof(struct kith__post));
}

/* How many there are. */
static inline uint32_t kith__posts(const struct kith__pool *p)
{
    uint32_t t = 0;

    while (t < KITH__POST_TABLES && atomic_load(&p->posts[t]) != 0)
        t++;
    return kith__post_table_first(t);
}

/* The block of its job; NULL: it never had one. */
static inline struct kith__job *kith__post_job(const struct kith__post *post)
{
    uint64_t block = atomic_load(&post->job);

    return block ? kith__at(block) : NULL;
}

enum { KITH__TOUCH_BITS = 20 };

static inline uint64_t kith__touch(uint64_t seq, uint32_t post)
{
    return seq << KITH__TOUCH_BITS | (post + 1);
}

static inline uint32_t kith__touched_post(uint64_t touch)
{
    return (uint32_t)(touch & ((1 << KITH__TOUCH_BITS) - 1)) - 1;
}

/* The only ways in which these states change, by the tables in board.c. 1: it has another state now. */
int kith__lane_move(struct kith__lane *lane, enum kith__lane_event event);
int kith__pool_move(struct kith__pool *p, enum kith__pool_event event);

/* ---- for the poster */

/* What lane is at is to be ended, with its worker: the fork server does that. unit: KITH__AT_NONE: any. */
void kith__lane_condemn(struct kith__lane *lane, uint64_t touch, uint64_t unit);
/* 1: it is at what it was condemned for, in the outermost job that it is inside of. */
int kith__lane_is_condemned(const struct kith__pool *p, uint32_t worker);

/* In the guard of the pool o: a job of it that is this process's to fill in, with cells and an empty cursor.
 * NULL and a code in *rc. */
struct kith__job *kith__job_take(struct kith__object *o, uint32_t *post, int *rc);
/* Likewise one that stays this process's when its call is over, and that workers look at from now on. */
struct kith__job *kith__job_keep(struct kith__object *o, uint32_t *post, int *rc);
void kith__job_post(struct kith__pool *p, struct kith__job *j,
                    uint32_t post); /* with nothing to claim before its limit is raised */
/* For workers that are busy with other calls, who have looked when there was nothing yet. */
static inline void kith__pool_offers(struct kith__pool *p)
{
    atomic_fetch_add(&p->offers, 1);
}

/* And wakes workers; of one that is awaited none that sleeps: see .is_unheard. */
void kith__job_raise(struct kith__job *j, struct kith__object *pool, uint64_t limit);
void kith__job_withdraw(struct kith__pool *p,
                        uint32_t post);                   /* all its units are done, or nobody will do them */
void kith__job_hide(struct kith__pool *p, uint32_t post); /* workers do not find it any more */
int kith__job_untouched(const struct kith__pool *p,
                        uint32_t post); /* no worker looks at it any more, and no other node has some of it */
/* What a dead one had decided to change in it is done. In the pool's guard. */
void kith__job_finish(const struct kith__pool *p, uint32_t post);
int kith__jobs_have_work(const struct kith__pool *p); /* 1: some call is under way */
/* Too many tasks have failed: nothing is begun any more. */
static inline int kith__job_halted(const struct kith__job *j)
{
    return atomic_load_explicit(&j->cancelled, memory_order_relaxed) == KITH__HALTED;
}

/* ---- for a worker */

int kith__job_enter(struct kith__pool *p, struct kith__lane *lane, uint32_t post,
                    uint64_t seq); /* that one: 1, or 0 */
void kith__job_leave(struct kith__lane *lane, struct kith__job *j);

#endif
