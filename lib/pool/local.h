/* local.h: numbers by which handles name what belongs to one process: 24 bits of slot, 16 of generation. A
 * number is never 0, and an old one names nothing. Whoever has the table protects it. */
#ifndef KITH_LOCAL_H
#define KITH_LOCAL_H

#include <stddef.h>
#include <stdint.h>

struct kith__locals {
    void **things;
    uint16_t *generations;
    size_t *unused;
    size_t count, room, unused_count;
};

enum { KITH__LOCAL_BITS = 40 };

/* 0 or KITH_ENOMEM. */
int kith__local_take(struct kith__locals *t, void *thing, uint64_t *number);
void *kith__local_find(const struct kith__locals *t, uint64_t number); /* NULL: there is none (any more) */
void kith__local_let_go(struct kith__locals *t, uint64_t number);

/* This process, in the 8 bits above a number. */
uint64_t kith__local_process(void);
/* 0 when a handle, made of these two, is one of this process; noun: "Result". */
int kith__local_usable(uint64_t id, const char *noun);

#endif
