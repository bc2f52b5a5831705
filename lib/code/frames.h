/* frames.h: a frame of a stack, and what can be said of it without debug information. In the library and in
 * the module (trace.h). */
#ifndef KITH_FRAMES_H
#define KITH_FRAMES_H

#include <stdint.h>

struct kith__frame {
    uint64_t pc;
    int inlined;                 /* into the frame behind it */
    int known;                   /* function is a name, not a library and an offset */
    int line;                    /* 0: not known */
    char function[96], file[96]; /* file: "" not known; without its folders */
};

void kith__frame_by_symbol(uint64_t pc, struct kith__frame *frame);

/* 1: the frame is the C library's, or a sanitizer's that stands before it. */
int kith__frame_is_system(const struct kith__frame *frame);

#endif
