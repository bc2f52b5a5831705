/* grant.h: ranges of a job that other nodes run.
 *
 * One process of the job's node speaks for all other nodes (its agent), and has a cell as if it were a
 * worker. A grant is a claim of that cell that moves, in one commit, to the job's list of granted ranges;
 * then the cell is free for the next one. There it stays, under a name that is never used again (its epoch),
 * until it is settled by that name: what was done counts, what was not goes back. Who comes with a name that
 * is not there any more comes too late, whatever it has: so each unit's result is taken once.
 *
 * What its holder has goes back when that has died, or its node is lost; the units may run a second time.
 * (Not those of a dead one where .tries is 1: these have failed.) In a row (row.h) a grant is one item, which
 * runs as long as it is granted: what goes back is queued again, but for what was condemned, which ends
 * thereby. All of these but the last are called by that one process. That process's own death is the end of
 * its node.
 */
#ifndef KITH_GRANT_H
#define KITH_GRANT_H

#include "pool/board.h"

struct kith__grant {
    uint64_t epoch, lo, length;
    uint64_t tries; /* of its first unit: how often it was begun before */
};

/* Claims up to most units of j in that cell, for who, under the name epoch. 1, or 0: nothing is left to claim
 * now, or other nodes have as many ranges as j has room for. */
int kith__grant_make(struct kith__job *j, uint32_t cell, uint64_t most, const struct kith__caller *who,
                     uint64_t epoch, struct kith__grant *g);

/* 1: it is not settled, and who has it. Only then its results may be taken, before it is settled. */
int kith__grant_find(struct kith__job *j, uint64_t epoch, const struct kith__caller *who,
                     struct kith__grant *g);

/* 1: who has some of j: one of those. */
int kith__grant_next(struct kith__job *j, const struct kith__caller *who, struct kith__grant *g);

/* Its first done units are done, the others go back; tries: of the first of those. 1; 0: it was settled
 * before, or given back. Wake workers when some have gone back, and _retired is called for the poster. */
int kith__grant_settle(struct kith__job *j, uint32_t cell, uint64_t epoch, uint64_t done, uint64_t tries);

/* What who has goes back, with no try used; who->member 0: what that node has. Returns how many ranges. */
uint32_t kith__grants_give_back(struct kith__job *j, uint32_t cell, const struct kith__caller *who);

/* How many units of j who has. */
uint64_t kith__grants_of(struct kith__job *j, const struct kith__caller *who);

/* For anybody: 1: another node has that unit. */
int kith__grant_has(struct kith__job *j, uint64_t unit);

#endif
