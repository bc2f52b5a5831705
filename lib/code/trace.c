/* trace.c: see trace.h. Called when a crash is reported. */
#include "config.h"
#include "code/trace.h"
#include "base/module.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static kith__trace_fn *by_dwarf;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    void *module = kith__module("trace"), *p = module ? dlsym(module, KITH__TRACE_FN) : NULL;

    memcpy(&by_dwarf, &p, sizeof p);
}

int kith__trace(const uint64_t *pcs, int count, struct kith__frame *frames, int room)
{
    uint64_t exact[KITH__TRACE_PCS];
    int used = 0;

    pthread_once(&once, load);
    count = count < KITH__TRACE_PCS ? count : KITH__TRACE_PCS;
    for (int i = 0; i < count; i++)
        exact[i] = pcs[i] - (i > 0); /* a return address may be the first byte of what follows the call */
    if (by_dwarf)
        used = by_dwarf(exact, count, frames, room);
    for (; used < count && used < room && !by_dwarf; used++)
        kith__frame_by_symbol(exact[used], &frames[used]);
    return used;
}
