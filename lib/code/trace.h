/* trace.h: names for program counters. */
#ifndef KITH_TRACE_H
#define KITH_TRACE_H

#include "code/frames.h"

enum { KITH__TRACE_PCS = 32 };

/* Fills frames, innermost first, for count program counters of this process's layout, of which the first is
 * where something happened and the others are return addresses. Inlined functions have frames of their own.
 * With files and lines when kith-trace.so is there and the code has debug information. Returns how many. */
int kith__trace(const uint64_t *pcs, int count, struct kith__frame *frames, int room);

/* ---- between trace.c and the module: frames.c is part of both */

/* kith__trace_by_dwarf of the module: frames for pcs, none of which is a return address. 0 when it fails. */
typedef int kith__trace_fn(const uint64_t *pcs, int count, struct kith__frame *frames, int room);
#define KITH__TRACE_FN "kith__trace_by_dwarf"

#endif
