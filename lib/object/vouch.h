/* vouch.h: how one process names another, of any node, as one that has something in an object: as the holder
 * of an end of a Pipe, as a producer of a Queue.
 *
 * An object is told of a death once, and whoever is named to it after that would stay for ever. Nor can who
 * names it look once more afterwards: it may die before. So it is decided in the object's guard, which who
 * tells of a death enters, too, whether this is still to come:
 *
 * - It is for a process of this node as long as that is up: its janitor begins afterwards.
 * - Of one of another node, and with KITH_TRANSPORT=net of this one, its agent tells. This is asked before
 *   (KITH__NODE_VOUCH): it notes that the process has something here, and says how many deaths it has told
 *   us so far. That of the process is none of these. Of those since, the last ones are known by their serial
 *   numbers; should there be more of them, it is asked again, and so on: each time so many have ended within
 *   one round trip.
 * - A node that has ended tells nothing any more: its processes have ended.
 */
#ifndef KITH_VOUCH_H
#define KITH_VOUCH_H

#include "object/class.h"

enum { KITH__ASK_AGAIN = 1 }; /* of a method that names: nothing was changed */

/* Names p to the object by that method. Its result of 0, or a code. Reports nothing. */
int64_t kith__name_process(uint64_t id, enum kith__kind kind, unsigned method, kith_process p);

/* In the guard, first, by such a method: whom it names: as a holder; .member 0: it has ended. 0; else it is
 * the method's result: KITH__ASK_AGAIN, or a code. */
int kith__named(const struct kith__args *in, struct kith__caller *who);

/* For the agent: it has heard of the death of who, of any node; .member 0: that node has ended. Tells the
 * objects, as kith__objects_died_but. */
void kith__death_told(const struct kith__caller *who, kith__hears_later *later, void *context);

#endif
