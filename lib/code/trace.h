/* trace.h: names for program counters. */
#ifndef KITH_TRACE_H
#define KITH_TRACE_H

#include <stdint.h>

struct kith__frame {
    uint64_t pc;
    int inlined;                 /* into the frame behind it */
    int known;                   /* function is a name, not a library and an offset */
    int line;                    /* 0: not known */
    char function[96], file[96]; /* file: "" not known; without its folders */
};

enum { KITH__TRACE_PCS = 32 };

/* Fills frames, innermost first, for count program counters of this process's layout, of which the first is
 * where something happened and the others are return addresses. Inlined functions have frames of their own.
 * With files and lines when kith-trace.so is there and the code has debug information. Returns how many. */
int kith__trace(const uint64_t *pcs, int count, struct kith__frame *frames, int room);

/* 1: the frame is the C library's, or a sanitizer's that stands before it. */
int kith__frame_is_system(const struct kith__frame *frame);

/* ---- between trace.c and the module: frames.c is part of both */

/* kith__trace_by_dwarf of the module: frames for pcs, none of which is a return address. 0 when it fails. */
typedef int kith__trace_fn(const uint64_t *pcs, int count, struct kith__frame *frames, int room);
#define KITH__TRACE_FN "kith__trace_by_dwarf"

void kith__frame_by_symbol(uint64_t pc, struct kith__frame *frame);

#endif
