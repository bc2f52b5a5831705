/* actors.h: those who make the calls of a history: threads of the head, and Processes. */
#ifndef CHAOS_ACTORS_H
#define CHAOS_ACTORS_H

#include "dice.h"
#include "world.h"

#include <pthread.h>

struct actors {
    pthread_t threads[THREADS];
    kith_process processes[PROCESSES];
};

/* Starts all but the first one, which is who calls, by play. */
void start_actors(struct actors *a);
void play(int actor);

/* Waits for them, and ends some Processes before they are done. */
void end_actors(struct actors *a, struct dice *d);

/* Leaves the threads alone. */
void leave_actors(struct actors *a);

#endif
