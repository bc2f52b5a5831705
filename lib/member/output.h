/* output.h: what this process prints to stdout, and that it gets there. */
#ifndef KITH_OUTPUT_H
#define KITH_OUTPUT_H

/* Writes out what stdout holds, and the streams of C++ (cout has a buffer of its own after
 * sync_with_stdio(false)).
 */
void kith__output_flush(void);

/* After a flush: 0: all has been written, or there is no stdout, which was somebody's wish; else the errno of
 * what was not, or -1 when that was too long ago to know. */
int kith__output_error(void);

/* In a worker or Process: flushes, and notes for the head when something could not be written. Returns that,
 * as kith__output_error. */
int kith__output_settle(void);

/* Notes for the head that output was lost for that reason. */
void kith__output_lost(int error);

/* Whether it has been noted on this node: 0, or KITH_ENOMEM and the sentence. */
int kith__output_check(void);

#endif
