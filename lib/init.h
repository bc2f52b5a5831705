/* init.h: what the job's start and end share with the rest. */
#ifndef KITH_INIT_H
#define KITH_INIT_H

/* In a process that the fork server made: exit() in a task ends it without the head's handlers. */
void kith__init_child(void (*leave)(int status));

#endif
