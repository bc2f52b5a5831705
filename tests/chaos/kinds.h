/* kinds.h: the kinds of calls into a pool: what their tasks are told, what they give, and what must be there
 * when the call is back. */
#ifndef CHAOS_KINDS_H
#define CHAOS_KINDS_H

#include "dice.h"
#include "model.h"

/* Each draws and makes a call c, whose pool is chosen, and checks what comes out. below: a task makes it, so
 * it is small. */
void map_ints(struct call *c, int below, struct dice *d);
void starmap_longs(struct call *c, int below, struct dice *d);
void map_doubles(struct call *c, int below, struct dice *d);
void map_bytes(struct call *c, int below, struct dice *d);
void map_nothing(struct call *c, struct dice *d);
void range_call(struct call *c, int below, struct dice *d);

/* An actor's call into the present life of that pool, if there was one. */
enum kind { INTS, LONGS, DOUBLES, BYTES, RANGE, NOTHING };
void make_call(int pool, enum kind kind, struct dice *d);

/* A task's own call, into its own pool or another one; life as in choose_pool. 0 when all came out as it
 * must, also with faults. */
int make_call_below(int pool, int life, int no_deaths, struct dice *d);

/* The task of map_ints: of a number without a action it gives play_int_gives. */
int play_int(int x);
int play_int_gives(int x);

#endif
