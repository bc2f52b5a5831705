/* container.h: where root is the usual user. Also for the command kith. */
#ifndef KITH_CONTAINER_H
#define KITH_CONTAINER_H

/* How one can tell that this is a container, a namespace or a machine of a CI service, where uid 0 can do no
 * harm; NULL when it is none. */
const char *kith__container(void);

#endif
