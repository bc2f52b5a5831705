/* job.h: runs mpirun, passes signals on to it and its words on to people. */
#ifndef KITH_JOB_H
#define KITH_JOB_H

#include "line.h"
#include "mpi.h"
#include "mpirun_messages.h"
#include "request.h"

/* Runs the line with the program m->path, waits for its end and returns the exit status of the job: its own,
 * 128 + signal when it died by one or was ended by one that was sent to kith, or one of log.h. w tells what
 * was found out. r: as it was asked for; with .tag and .survives each rank is "kith rank", see frame.h; its
 * lines are told apart; the job ends as loss.h decides. */
int job_run(const struct mpi *m, const struct line *line, struct mpirun_messages *w, const struct request *r);

#endif
