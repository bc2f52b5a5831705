/* builds.h: whether all ranks run the same builds of the program and its libraries. */
#ifndef KITH_BUILDS_H
#define KITH_BUILDS_H

struct kith__record;
struct kith__rendezvous;

/* What this rank runs, into what it tells all. */
void kith__builds_tell(struct kith__record *r);

/* All ranks call it, and decide the same. KITH_EPEER and a table: another program, or another build of a
 * library that did not come with the system. Other builds of the system's libraries are said in the log, by
 * rank 0. */
int kith__builds_compare(const struct kith__rendezvous *m);

#endif
