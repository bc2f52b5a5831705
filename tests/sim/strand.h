/* strand.h: what a client runs on: one stack of many, of which one runs at a time until it gives way.
 *
 * To the library a strand is a thread: it has variables of its own (all that are _Thread_local), values of
 * keys, whose destructors run at its end, mutexes and condition variables; who waits for one gives way, and a
 * robust mutex of a strand that has died has a dead owner. Those of KITH__OF_PROCESS are of whatever process
 * is in place. But all strands are contexts of the test's own thread, as a change from one to the other is
 * some hundred times quicker than from thread to thread. Where a sanitizer or valgrind looks on, which know
 * stacks by their threads, they are threads.
 *
 * The linker lets the library call the functions of mutexes, conditions and keys that are here, and the
 * pthread_self and kith__maps_hold of sim.c: sim_ldflags of local.mk.
 */
#ifndef SIM_STRAND_H
#define SIM_STRAND_H

#include <stdatomic.h>
#include <stdint.h>

struct strand;

/* wait: what one does that waits for a mutex, again and again; sleep: until the word has another value. */
void strands_init(void (*wait)(void), void (*sleep)(_Atomic uint32_t *word, uint32_t value));

/* The variables of KITH__OF_PROCESS: they are copied to image; or exchanged with what is there. */
uint64_t process_size(void);
void process_read(void *image);
void process_exchange(void *image);
/* 1: at is one of them; *offset: its place. */
int is_of_process(const volatile void *at, uint64_t *offset);

struct strand *strand_begin(void (*run)(void *arg), void *arg);
void strand_go(struct strand *s);       /* from the test: until it gives way, or ends */
void strand_give_way(struct strand *s); /* from itself */
void strand_die(struct strand *s);      /* from itself, which has nothing more to do: run returns then */
void strand_end(struct strand *s);      /* its run has returned */

/* What is between these addresses is taken away. */
void strands_forget(const void *from, uint64_t size);

#endif
