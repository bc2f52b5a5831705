/* door.h: ZAP (RFC 27 of ZeroMQ): libzmq asks in a socket of the process who may come in; the answer is a
 * number, which it then attaches to each frame of that connection. */
#ifndef KITH_NET_DOOR_H
#define KITH_NET_DOOR_H

#include <stddef.h>
#include <stdint.h>

enum { KITH__CREDENTIALS = 64 };

struct kith__caller { /* who asks: a name and a password by PLAIN, or the public key by CURVE */
    char mechanism[16];
    unsigned char credentials[2][KITH__CREDENTIALS]; /* the end of each is 0 */
    size_t sizes[2];
};

/* The socket of that context; NULL: errno says why. */
void *kith__door_open(void *context);

/* Answers all who ask: known gives the number of each, or -1, and its count is returned. Waits for nothing.
 */
uint64_t kith__door_answer(void *door, int64_t (*known)(void *context, const struct kith__caller *caller),
                           void *context);

/* Takes the same time for each wrong secret. */
int kith__door_same(const void *a, const void *b, size_t size);

#endif
