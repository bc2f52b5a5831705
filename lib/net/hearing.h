/* hearing.h: what a peer sends: a frame is checked as a whole, then each of its messages is heard. */
#ifndef KITH_NET_HEARING_H
#define KITH_NET_HEARING_H

#include "net/links.h"

/* A frame with this header, from a peer whose link is up; at: what follows the header. */
void kith__hear_frame(struct kith__proto *p, struct kith__link *l, const struct kith__header *h,
                      const unsigned char *at, int64_t now);

#endif
