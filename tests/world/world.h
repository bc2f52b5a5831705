/* world.h: what the parts of test_world_sim share: the pool and its calls (calls.c, singles.c), what each
 * task does (tasks.c), and objects that these use (things.c). */
#ifndef WORLD_H
#define WORLD_H

#include "../check.h"
#include "../sim/sim.h"

enum { UNITS = 300, CALLS = 6, ITEMS = 4096, MOST_NODES = 1024 };
enum { ELSE, HOLDING, GETTING, TAKING, CALLING }; /* what clients do */
enum kind {
    BYTES,
    IN_PLACE,
    SUM,
    REDUCE,
    LOOP,
    CANCELLED,
    ANY_SIZE,
    AT_ONCE, /* many maps, of which none is waited for before the last one has begun */
    SINGLE,
    GIVEN_UP, /* and what comes after it: some of it is dropped */
    ONE_BY_ONE,
    AS_THEY_COME,
    KINDS
};

enum { MUCH = 40 }; /* numbers of a result that has a block of its own */

struct play {
    kith_pool pool;
    uint32_t branches;
    int opened, closed, next, fails, halt, tries, nested;
    int sizes_inside; /* tasks have results of any size from calls of theirs */
    uint32_t wide;    /* nodes where some unit has run */
    unsigned char has_run[MOST_NODES];
    int gives_up; /* a task has given up a call of its own, with who runs tasks of that */
    uint64_t units;
    struct {
        enum kind kind;
        int ended;  /* and well, but for what was to fail */
        int partly; /* the rest of it was given up */
        int sizes;  /* results of it have any size */
        uint32_t ran[UNITS];
        unsigned char over[UNITS]; /* of what ends one by one: its result was taken */
    } calls[CALLS];
};

struct counts { /* in all runs */
    uint64_t units, elsewhere, items, calls, cancelled, at_once, tasks, tasks_cancelled, nested;
    uint64_t cancelled_inside, sizes_inside, iterated_inside; /* calls of tasks */
    uint32_t widest;        /* the most nodes of one run where some unit has run */
    uint64_t away, unknown; /* calls from another node than the pool's; of which nothing is known */
};

extern struct play play;
extern struct weather world;
extern struct counts counted;
extern int stopping;

void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
int somebody_dies(void); /* 1: or may, so what it was doing is not done */

/* ---- things.c: a Queue, a Lock and a Value, each at home on some node */

void open_things(void);
void close_things(void); /* when no task runs any more: starts who looks what has become of them */
void check_things(void);
void use_things(struct client *c);
void takes_items(struct client *c, void *arg); /* from the Queue, as long as somebody may put */
uint32_t home_of_items(void);

/* ---- tasks.c */

struct context { /* of a call of blocks */
    uint32_t call, at;
};

int fails(uint64_t unit);
uint32_t count_failing(uint64_t lo, uint64_t n);
int runs_once(void); /* 1: nothing is begun again, and what has begun ends before its call does */
double argument(uint32_t call, uint64_t unit);
double result_of(double x);
int read_argument(double x, uint32_t *call,
                  uint64_t *unit); /* and what each task does: 0; it fails with that */
int with_bytes(const void *in, void *out);
double with_number(double x);
double adds(uint64_t lo, uint64_t hi, const void *arg);
int counts(uint64_t lo, uint64_t hi, const void *arg, void *part);
void add_counts(void *total, const void *part);
int loops(uint64_t lo, uint64_t hi, const void *arg);

/* ---- nested.c */

void call_again(int depth); /* a task does, so deep */

/* ---- calls.c */

struct part { /* units of a call */
    uint32_t call;
    uint64_t lo, n;
};

/* 1: who has made the call for this process, on the pool's node, is gone or silent: nothing is known of it,
 * but that what has a result has a right one. */
int is_unknown(uint32_t call, int64_t rc);
int is_begun(uint32_t call, int64_t rc); /* 0: it is none, as there is nobody to make it */

struct part all_of(uint32_t call);
int is_whole(const struct part *p); /* 1: all of it was to be done, when it has ended */
void check_faults(const struct part *p, int64_t rc);
void check_results(const struct part *p, const double *y, int in_place, int all);
void fill(const struct part *p, double *x, double *y);
void make_call(uint32_t call);
void check_units(void);

/* ---- sizes.c: results of any size */

int with_any_size(const void *in, kith_bytes *out);
int with_some_size(const void *in, kith_bytes *out);              /* which tells of what it was made */
double take_size(const kith_bytes *got, uint64_t unit, int some); /* checks it; its number; 0: it has none */
void map_sizes(uint32_t call);
void check_sizes(const struct part *p, kith_bytes *got, int all); /* and frees them */

/* ---- async.c */

void map_at_once(uint32_t call);

/* ---- singles.c */

void single_tasks(uint32_t call);
void iterate(uint32_t call);

#endif
