/* bell.h: how those are woken who cannot sleep on a word of their own: the fork server and the agent of a
 * node, and threads that wait for descriptors of the program, too. Programs close descriptors that they did
 * not open, and use the numbers for files of their own. So the fork server sleeps on a word in the arena. The
 * others have to poll, and have a descriptor for a bell; who finds that the other end of it is not there any
 * more asks the fork server to ring, which runs no code of the program's. */
#ifndef KITH_BELL_H
#define KITH_BELL_H

#include <stdint.h>

/* In the head, before it forks the fork server. 0 or KITH_ENOMEM. */
int kith__bell_make(void);
/* Their numbers, of the agent and of the pollers, for another family; which a rank takes that moves in with
 * it. */
void kith__bell_numbers(int fds[2]);
void kith__bell_take(const int fds[2]);
void kith__bell_close(void);

/* The fork server looks through the members. Any process of the node, and handlers of signals. */
void kith__server_ring(void);

/* For the fork server: sleeps until somebody rings, unless somebody has since kith__server_rung gave seen, at
 * most ms, or until a signal. */
uint32_t kith__server_rung(void);
void kith__server_sleep(uint32_t seen, int ms);

/* The agent looks through its requests. Any process of the node. */
void kith__agent_ring(void);
void kith__bells_ring_for_others(void); /* in the fork server: for those who could not */

/* For the agent: what to poll, for POLLIN; and to be called before it looks at what the bell was rung for. */
int kith__agent_bell(void); /* its number; in processes that run no code of the program's, and at the start */
void kith__agent_bell_heard(void);

/* All threads of the node that poll are woken. */
void kith__pollers_ring(void);

/* For one that is about to poll: a descriptor of its own that is readable when somebody has rung since this
 * call, or since _heard. -1: there is none, so it has to look now and then. It is closed when it is not
 * needed any more. */
int kith__pollers_bell(void);
void kith__pollers_bell_heard(int fd);

#endif
