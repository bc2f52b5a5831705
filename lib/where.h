/* where.h: where in the job this process is; the questions are in kith.h. */
#ifndef KITH_WHERE_H
#define KITH_WHERE_H

#include "kith.h"

/* Once the ranks have met; before it, this is the only one. Children inherit it. */
void kith__where_set(int rank, int size);

/* Tells the other nodes that kith_on_fault was called. */
void kith__where_handler(void);

#endif
