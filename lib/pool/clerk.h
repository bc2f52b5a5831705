/* clerk.h: who makes calls that do not wait, for a process of another node: a Process of kith's beside the
 * pools, which is sent orders (order.h) at any time, makes each as that process would, and sends back each
 * outcome as soon as it is there. So any number of calls goes through one of them. */
#ifndef KITH_CLERK_H
#define KITH_CLERK_H

/* The target of its Process: end of a Pipe, on which it speaks as line.h says. It ends with who has the other
 * end, and what it has begun is cancelled then. */
int kith__clerk(const void *end);

#endif
