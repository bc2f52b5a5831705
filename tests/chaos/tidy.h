/* tidy.h: at the end of a history nothing of it is left. */
#ifndef CHAOS_TIDY_H
#define CHAOS_TIDY_H

/* Before kith_init: which files are open. Behind it: what kith itself needs. */
void remember_files(void);
void remember_blocks(void);

/* Before kith_finalize: empties the Queues, ends all, and looks what is left in shared memory. */
void tidy_up(void);

/* Behind it: neither files nor shared memory are left. */
void look_after_the_end(void);

#endif
