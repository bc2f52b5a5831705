/* action.h: what a task does. It is drawn by who calls, who so knows how the task must end. */
#ifndef CHAOS_ACTION_H
#define CHAOS_ACTION_H

#include <stdint.h>

/* FAIL to HANG fail; those behind depend on others. PERIL: its own calls into its pool may end its worker.
 * FAULTY: none; the model's note of a task that has failed. */
enum action { WELL, SLOW, CHURN, POST, FAIL, CODE, CRASH, LEAVE, HANG, SPAWN, BELOW, OWN, PERIL, FAULTY };

/* Beside the code of a fault: what the task called was ended by others. */
enum { BROKEN_OFF = 77 };

/* What a task knows of its pool, and of a queue to POST to. */
struct place {
    int pool, life, queue, queue_life;
};

/* How a run that crashes dies; the codes of one that fails and of one that returns one; the status of one
 * that leaves. */
int crash_signal(uint32_t run);
int fail_code(uint32_t run);
int return_code(uint32_t run);
int leave_status(uint32_t run);

/* Does it, as that run of all in the history. at: NULL when action does not need it. 0: it is done well; else
 * the code with which it has failed. */
int act(enum action action, uint32_t run, const struct place *at);

#endif
