/* pipes.h: a Pipe between an actor and a Process of its own: whoever dies, the other one learns of it. */
#ifndef CHAOS_PIPES_H
#define CHAOS_PIPES_H

#include "dice.h"

void talk(struct dice *d);

#endif
