/* progress.h: how far a call has come, on stderr, for who has asked for it: by kith_pool_progress, or
 * KITH_PROGRESS=1.
 *
 * The thread that takes the steps of a call shows its progress as well, so nothing else has to run for it,
 * and the workers know nothing of it. Only the head's own calls are shown, rank 0's of several: those of
 * tasks and Processes are parts of what these do, or would come from all sides.
 *
 * It goes the way of the log. A program that has a function for the log gets lines there; else, on a
 * terminal, a bar is drawn in place of those. Unlike the log it has no level: it was asked for.
 */
#ifndef KITH_PROGRESS_H
#define KITH_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct kith__job;
struct kith__pool;

struct kith__progress { /* of a call; zeros: it is not shown */
    int64_t began, at;  /* ns: the call; when it is to be shown next */
    uint32_t as_bar;    /* on a terminal, else in lines */
    uint32_t shown;     /* how often */
};

struct kith__way {
    const char *name;           /* of the function */
    uint64_t done, all, failed; /* all: 0: it is not known */
};

/* A call begins in p. */
void kith__progress_begin(struct kith__progress *s, const struct kith__pool *p);

/* Shows it when it is time to: when it wants to be called again, in ns; -1: never. */
int64_t kith__progress_show(struct kith__progress *s, const struct kith__way *w);

/* The call has ended: what was drawn or said before gets an end. */
void kith__progress_end(struct kith__progress *s, const struct kith__way *w);

/* The program exits, perhaps with calls under way: from now on nothing is shown. */
void kith__progress_quit(void);

/* The same as show and end, of a call with a job. */
int64_t kith__job_progress(struct kith__job *j);
void kith__job_progress_end(struct kith__job *j);

/* What is shown after so many ns, in buf: a line, or as many columns of one as a terminal has. others: calls
 * that are under way as well. */
void kith__progress_line(const struct kith__way *w, int64_t ns, char *buf, size_t room);
void kith__progress_bar(const struct kith__way *w, int64_t ns, int others, int columns, char *buf,
                        size_t room);
void kith__progress_sum(const struct kith__way *w, int64_t ns, char *buf, size_t room); /* at the end */

#endif
