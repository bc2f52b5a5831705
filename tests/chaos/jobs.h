/* jobs.h: the joinable Queue of a history, by priority: a job whose taker dies is given out again. */
#ifndef CHAOS_JOBS_H
#define CHAOS_JOBS_H

#include "dice.h"

void open_jobs(void);

/* Puts some jobs, or takes some and does them. */
void use_jobs(struct dice *d);

/* At the end, when nobody uses it any more: does what is left, and each job that was put was done. */
void end_jobs(void);

#endif
