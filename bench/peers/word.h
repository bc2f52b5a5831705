/* word.h: what a futex alone gives: a word in shared memory that one process sets and another one waits for.
 * Who waits looks 2000 times, then sleeps; who sets it makes the call only when somebody sleeps. */
#ifndef WORD_H
#define WORD_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../bench.h"

enum { LOOKS = 2000 };

static inline void word_await(_Atomic uint32_t *word, uint32_t value, _Atomic int *asleep)
{
    uint32_t seen;

    for (int i = 0; i < LOOKS; i++)
        if (atomic_load(word) == value)
            return;
    while ((seen = atomic_load(word)) != value) {
        atomic_store(asleep, 1);
        if (atomic_load(word) == seen)
            syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
        atomic_store(asleep, 0);
    }
}

static inline void word_set(_Atomic uint32_t *word, uint32_t value, _Atomic int *asleep)
{
    atomic_store(word, value);
    if (atomic_load(asleep))
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Zeros, the same in all children. */
static inline void *shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        die("no shared memory");
    return p;
}

#endif
