/* error.h: codes, the sentence of the last failure, the fault handler. */
#ifndef KITH_ERROR_H
#define KITH_ERROR_H

#include "base/env.h"
#include "kith.h"

#include <stdatomic.h>

/* Keeps the sentence for kith_last_error of this thread and returns code. The
 * innermost failure speaks: whoever passes a code on does not call it again. */
int kith__fail(int code, const char *format, ...) KITH_PRINTF(2, 3);

/* The same with ": strerror(errno)" behind the sentence; the code follows from errno
 * (ENOMEM, ENOSPC, EMFILE, EAGAIN … KITH_ENOMEM, else otherwise). */
int kith__fail_errno(int otherwise, const char *format, ...) KITH_PRINTF(2, 3);

/* Each public function returns through this: a fault in the head goes to the fault
 * handler. Conditions, 0 and counts pass. */
int64_t kith__report64(int64_t rc);
static inline int kith__report(int rc)
{
    return (int)kith__report64(rc);
}
static inline int kith__is_fault(int64_t rc)
{
    return rc <= KITH_EINVAL;
}

/* A handle that holds code, and the code that a handle holds (0: it holds none). The sentence
 * of the constructor is kept with it, and comes back with every use of the handle. */
uint64_t kith__failed_handle(int code);
int kith__handle_code(uint64_t id);

/* One thread ends the program: exit is not made for two, and one sentence is enough. The first one comes
 * back, again within exit; the others wait for the end. */
void kith__end_alone(void);

int kith__fault_count(void); /* faults that were reported to the handler: the status of kith_finalize */
/* Where the other processes see that kith_on_fault was called: a word that they share, NULL while there is
 * none. _told writes it as it is now; kith_on_fault does so itself. */
void kith__fault_handler_word(_Atomic uint32_t *word);
void kith__fault_handler_told(void);
void kith__fault_handler_others(
    void (*fn)(void)); /* what kith_on_fault calls then, in the head. NULL: nothing */
void kith__error_is_head(
    int is_head); /* 1 in the head, and in any program before kith_init: there faults go to the handler */

/* KITH_EINVAL when a variable that takes words is none of them. */
int kith__check_variable(enum kith__env v);

/* What the message of a fault says of the call: fn describes who made it (code/crashtext.h). */
typedef int kith__caller_text_fn(const uint64_t *pcs, int count, char *buf, size_t room);
void kith__error_names_callers(kith__caller_text_fn *fn);

#endif
