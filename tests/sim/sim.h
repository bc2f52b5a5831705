/* sim.h: nodes in one process: each has an arena and the engine of its agent; its processes are
 * stacks in the test (strand.h), of which one runs at a time, and which call kith as any program does. Time
 * and network are the test's (protocol/weather.h), what happens next is drawn: so a seed is a run, and
 * repeats it exactly.
 *
 * A client is a process with one thread. It gives way when it waits, and now and then at a failpoint. At each
 * failpoint it may die, as by SIGKILL: in a guard, in the middle of a request, with an answer in its hand.
 * Clients besides those that a test starts are what the fork server of their node would fork: workers of
 * pools, foremen with their threads, and a janitor after each death, who may die, too. When one thread of a
 * process dies the others do.
 *
 * With more than some nodes each of them is a small one (KITH_MEM), so that a thousand of them have room.
 */
#ifndef SIM_H
#define SIM_H

#include "../protocol/bytes.h"
#include "../protocol/weather.h"

#include "kith.h"

struct client;

struct weather {
    uint32_t nodes;
    int deaths;      /* 1: clients may die; n: each n times as rarely */
    int losses;      /* 1: a node may be lost */
    int through_net; /* 1: calls go through the agents, at home too */
    int stops;       /* 1: nodes may come late, or stop for a while */
    int workers; /* 1: those of pools are clients, which do what a worker does; else the test plays them */
};

/* What a client does; it ends when that returns. */
typedef void program(struct client *c, void *arg);

/* Once, before anything else: the process keeps to one CPU, on which threads, where there are some, hand over
 * to each other quickly. */
void sim_init(void);

void sim_begin(const struct weather *w);
void sim_end(void); /* all clients have ended, those of kith, too; nothing is left in the arenas of the nodes
                       that live */

struct client *sim_start(uint32_t node, program *fn, void *arg);

/* Lets the world go on until no client of the test is left, nor a janitor, or for so long: 1: none is. */
int sim_run(int64_t ms);

void sim_draw_weather(void); /* after sim_begin: which faults the network has, often none */

/* A run for each seed from 1 to count, or for those of KITH_TEST_SEED, n or first-last; says which has
 * failed.
 */
void sim_seeds(void (*once)(uint64_t seed), uint64_t count);

/* What the dead had not given to anybody may be left on their node: so many blocks for each. */
void sim_may_leave(uint64_t blocks);

void sim_settle(int64_t ms); /* lets it go on in any case: what is on its way arrives */

void sim_show(void);                           /* what each client waits for, on stdout */
void sim_calm(void);                           /* the network is a good one from here on, and nobody dies */
void sim_processes_stay(void);                 /* until somebody signals them */
void sim_cut(uint32_t a, uint32_t b, int yes); /* in calm weather: the connection, which breaks or is back */
void sim_kill(struct client *c);
void sim_spare(struct client *c); /* it dies with its node only */

/* Who has passed the first of these failpoints (NULL: who is the next) and comes to the other one dies there.
 * Its janitor comes so much later. */
void sim_kill_at(const char *first, const char *step, int64_t janitor_ms);
void sim_kill_after(int times); /* not there, but when it has passed that step so often */
void sim_lose(uint32_t node);   /* the node is gone, with all who run there */

/* ---- for programs */

void sim_rest(int64_t ms); /* of the calling client */
uint32_t sim_number(const struct client *c);
uint32_t sim_node(const struct client *c);
int sim_is_lost(uint32_t node);
int64_t sim_now_ms(void);
uint64_t sim_trace(void); /* a number for all that has happened: the same for the same seed */

/* How many clients of living nodes run that way: .doing as it says itself. */
void sim_doing(struct client *c, int what);
int sim_count(int what);

extern uint64_t sim_died; /* clients, in all runs, but for those on lost nodes */
extern struct client *sim_current;

/* As the head of a node, on the thread of the test: what does not wait. */
void sim_enter(uint32_t node);
void sim_leave(void);

#endif
