/* crowd.h: several Results of this process, for which a thread waits together: with no others
 * (kith_results_wait), or with other things (kith_wait).
 *
 *     do {
 *         kith__crowd_join;                     // before each look
 *         kith__crowd_look at each; if enough have ended, leave the loop
 *         if one was met, begin anew            // it may have ended unseen, as we did not stand there yet
 *         kith__crowd_help;
 *     } while (kith__wait_sleep is 0);
 *     kith__crowd_leave; kith__crowd_end;
 */
#ifndef KITH_CROWD_H
#define KITH_CROWD_H

#include "pool/feed.h"

enum { KITH__CROWD_FEEDS = 64 }; /* a process has one for each pool and level of tasks */

struct kith__crowd {
    const kith_result *list;
    size_t n;
    struct kith__feed *feeds[KITH__CROWD_FEEDS];
    int count, others; /* others: there are more feeds than that */
};

/* Of the i-th: 1 when it has ended, 0 when not, or why it cannot be waited for. *met becomes 1 when it is
 * waited for in a set that was not known before. */
int kith__crowd_look(struct kith__crowd *c, size_t i, int *met);
void kith__crowd_join(struct kith__crowd *c, struct kith__wait *w);
void kith__crowd_leave(struct kith__crowd *c, struct kith__wait *w);
void kith__crowd_end(struct kith__crowd *c);

/* What a worker can do for them itself. polls: it does not wait, and leaves to others what they will do at
 * once. 0; a code. */
int kith__crowd_help(struct kith__crowd *c, int polls);

#endif
