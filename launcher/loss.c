/* loss.c: see loss.h. Called by job.c. */
#include "config.h"
#include "loss.h"
#include "log.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* How long mpirun may take when all is in order, when a rank is lost, when others wait for rank 0 to say why,
 * and MPI; and from one of our signals to the next: the third SIGTERM within five seconds ends it at once. */
enum { ORDER_MS = 3000, LOST_MS = 1500, OTHERS_MS = 3000, ANSWER_MS = 10000, FINALIZE_MS = 15000 };
static const int after_ms[] = { 3000, 400, 3000 };
enum { TERMS = sizeof after_ms / sizeof after_ms[0] };

static void end_in(struct loss *l, int ms, long long now)
{
    if (l->signals == 0 && (l->due == 0 || now + ms < l->due))
        l->due = now + ms;
}

/* A host may be lost while rank 0 is in MPI_Finalize, which then waits for it for ever. */
static void head_ends(struct loss *l, int status, const char *how, long long now)
{
    l->told = 1;
    l->status = status;
    l->lost = strcmp(how, "lost") == 0;
    if (strcmp(how, "soon") == 0)
        end_in(l, FINALIZE_MS, now);
    else
        end_in(l, l->lost ? LOST_MS : ORDER_MS, now);
}

static void head_gone(struct loss *l, const char *host, long long now)
{
    l->gone = 1;
    if (!l->told) {
        l->status = EXIT_BY_SIGNAL + SIGKILL;
        l->explained = 1;
        log_line("rank 0 on %s was killed, or has left by _exit: the job ends with it", host);
    }
    end_in(l, l->lost ? LOST_MS : ORDER_MS, now);
}

/* Its host is lost when all that it had to say has been waited for. */
static void other_gone(struct loss *l, long rank, const char *host, long size, long long now)
{
    l->ended++;
    if (l->gone || l->told)
        return;
    if (!l->stands && l->due == 0) {
        if (l->other != rank)
            l->other_status = 0;
        l->other = rank;
        end_in(l, OTHERS_MS, now);
    } else if (l->stands && l->ended == size - 1) {
        end_in(l, ANSWER_MS, now);
    } else {
        log_info("rank %ld on %s is gone, and the job goes on", rank, host);
    }
}

void loss_note(struct loss *l, long rank, const char *host, const char *text, long long now)
{
    char how[8] = "";
    int status;
    long size;

    if (rank == 0 && strcmp(text, "stands") == 0) {
        l->stands = 1;
    } else if (sscanf(text, "gone %ld", &size) == 1 && rank == 0) {
        head_gone(l, host, now);
    } else if (sscanf(text, "gone %ld", &size) == 1) {
        other_gone(l, rank, host, size, now);
    } else if (sscanf(text, "ends %3d %7s", &status, how) >= 1 && rank == 0) {
        head_ends(l, status, how, now);
    } else if (sscanf(text, "ends %3d", &status) == 1 && !l->stands && l->other == 0) {
        l->other = rank;
        l->other_status = status;
    }
}

/* Why we end it, unless rank 0 has said so. */
static void tell_why(struct loss *l)
{
    if (l->gone || l->told)
        return;
    l->told = l->explained = 1;
    l->status = l->stands ? EXIT_LOST : l->other_status ? l->other_status : EXIT_LOST;
    if (l->stands)
        log_line("rank 0 is lost, and its host with it: the job ends");
    else
        log_line("rank %ld ended before all ranks had started, so the job was ended", l->other);
}

int loss_signal(struct loss *l, long long now)
{
    if (l->due == 0 || now < l->due)
        return 0;
    if (l->signals == 0)
        tell_why(l);
    l->due = l->signals < TERMS ? now + after_ms[l->signals] : LLONG_MAX;
    return l->signals++ < TERMS ? SIGTERM : SIGKILL;
}

int loss_wait(const struct loss *l, long long now)
{
    if (l->due == 0 || l->due == LLONG_MAX)
        return -1;
    return l->due > now ? (int)(l->due - now) : 0;
}

int loss_status(const struct loss *l, int status)
{
    if (!l->told && !l->gone)
        return status;
    return l->status == 0 && !l->lost && l->signals == 0 ? status : l->status;
}
