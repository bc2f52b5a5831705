/* pipe.h: Pipes for kith's own processes: nothing of this is a fault of the program, so nothing is reported.
 */
#ifndef KITH_PIPE_H
#define KITH_PIPE_H

#include "kith.h"

#include <stdint.h>

/* One that ends when nobody holds either end any more: nobody else could close it when those who use it have
 * died. 0; a code. */
int kith__pipe_open_own(kith_pipe ends[2]);

/* As kith_pipe_give. */
int kith__pipe_give(kith_pipe end, kith_process to);

/* Waits as long as it takes. 0; a code. */
int kith__pipe_pass(kith_pipe end, const void *message, uint64_t size);

/* The next message becomes *bytes, from malloc, NULL for one of no bytes. Waits likewise. 0; a code. */
int kith__pipe_take(kith_pipe end, char **bytes, uint64_t *size);

/* As kith__pipe_pass and then kith__pipe_take, in one request. number: not 0, and another one for each
 * message: one with the number of the last is not sent, as it was. 0; KITH_ETIMEDOUT: it is not sent, as it
 * is large, or as there is no room now: the two do it; KITH_ENOMEM: it may have been sent: to be tried again
 * with that number; another code. */
int kith__pipe_swap(kith_pipe end, uint64_t number, const void *message, uint64_t message_size, char **bytes,
                    uint64_t *size);

/* Closes an end of one that is at home here. */
void kith__pipe_shut(kith_pipe end);

#endif
