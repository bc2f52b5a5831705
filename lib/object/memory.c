/* memory.c: kith_alloc and kith_free: blocks of the heap as pointers of this process. */
#include "config.h"
#include "shm/arena.h"
#include "base/error.h"
#include "member/members.h"
#include "shm/heap.h"

void *kith_alloc(size_t size)
{
    uint64_t block;

    if (!kith__base || kith__me == 0) {
        kith__report(kith__not_in_job("kith_alloc was called"));
        return NULL;
    }
    if ((block = kith__heap_alloc(size, 0)) == 0) {
        kith__report(KITH_ENOMEM);
        return NULL;
    }
    return kith__at(block);
}

int kith_free(void *p)
{
    if (!p)
        return 0;
    if (!kith__base || kith__me == 0)
        return kith__report(kith__not_in_job("kith_free was called"));
    if (!kith__arena_holds(p, 1) || kith__heap_check(kith__offset(p)) < 0)
        return kith__report(
            kith__fail(KITH_EINVAL,
                       "kith_free was given %p, which kith_alloc did not give, or which is free already", p));
    kith__heap_free(kith__offset(p));
    return 0;
}
