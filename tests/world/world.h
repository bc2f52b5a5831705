/* world.h: what the parts of test_world_sim share: the pool and its calls (calls.c, singles.c), what each
 * task does (tasks.c), and objects that these use (things.c). */
#ifndef WORLD_H
#define WORLD_H

#include "../check.h"
#include "../sim/sim.h"

enum { UNITS = 300, CALLS = 6, ITEMS = 4096 };
enum { ELSE, HOLDING, GETTING, TAKING, CALLING }; /* what clients do */
enum kind {
    BYTES,
    IN_PLACE,
    SUM,
    REDUCE,
    LOOP,
    CANCELLED,
    SINGLE,
    GIVEN_UP,
    ONE_BY_ONE,
    AS_THEY_COME,
    KINDS
};

struct play {
    kith_pool pool;
    uint32_t branches;
    int opened, next, fails, halt, tries;
    uint64_t units;
    struct {
        enum kind kind;
        int ended;  /* and well, but for what was to fail */
        int partly; /* the rest of it was given up */
        uint32_t ran[UNITS];
        unsigned char over[UNITS]; /* of single tasks: its result was taken */
    } calls[CALLS];
};

struct counts { /* in all runs */
    uint64_t units, elsewhere, items, calls, cancelled, tasks, tasks_cancelled;
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
uint32_t count_failing(void);
int runs_once(void); /* 1: nothing is begun again, and what has begun ends before its call does */
double argument(uint32_t call, uint64_t unit);
double result_of(double x);
int with_bytes(const void *in, void *out);
double with_number(double x);
double adds(uint64_t lo, uint64_t hi, const void *arg);
int counts(uint64_t lo, uint64_t hi, const void *arg, void *part);
void add_counts(void *total, const void *part);
int loops(uint64_t lo, uint64_t hi, const void *arg);

/* ---- calls.c */

int is_whole(void); /* 1: all of a call that has ended was to be done */
void make_call(uint32_t call);
void check_units(void);

/* ---- singles.c */

void single_tasks(uint32_t call);
void iterate(uint32_t call);

#endif
