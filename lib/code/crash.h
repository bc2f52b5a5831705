/* crash.h: what is known of a process that died by a signal of its own making.
 *
 * The dying process leaves the signal, the address and the program counters in shared memory; a healthy
 * one of the same family, which has the same layout, makes a sentence of them
 * (crashtext.h). */
#ifndef KITH_CRASH_H
#define KITH_CRASH_H

#include "code/coverage.h" /* the other thing to do before the end */
#include "code/lateglobals.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { KITH__CRASH_PCS = 32 };

struct kith__crash {
    _Atomic int signal; /* 0: it did not crash; written after code, address, stack and the first pc */
    int code;           /* si_code */
    uint64_t address;   /* of the fault; of a signal that was sent: the sender's pid */
    uint64_t stack;     /* the stack pointer there */
    int no_memory;      /* 1: the system had refused memory to that thread, when it last refused something */
    int count;          /* of pcs: grows while the process can still walk its stack */
    uint64_t pcs[KITH__CRASH_PCS]; /* the first where it happened, then return addresses */
};

/* From now on this process records its crash. The exit status stays that of the signal, core
 * dumps are as without it, and handlers that were there before (those of sanitizers) are called as well. With
 * KITH_ON_CRASH=stop it says so and stops, so that a debugger can look. Stack overflows of other threads than
 * the calling one are not recorded. */
void kith__crash_install(struct kith__crash *record);

#endif
