/* target.c: see target.h. */
#include "config.h"
#include "object/target.h"
#include "base/error.h"
#include "object/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

_Thread_local struct kith__task kith__task;

int kith_fail(int code, const char *format, ...)
{
    va_list ap;

    if (!kith__task.running)
        return kith__report(
            kith__fail(KITH_EINVAL, "kith_fail was called outside of a task, an initializer and a Process"));
    if (code == 0)
        code = KITH_ETASK;
    kith__task.failed = kith__task.special = 1;
    kith__task.code = code;
    va_start(ap, format);
    vsnprintf(kith__task.text, sizeof kith__task.text, format, ap);
    va_end(ap);
    return code;
}

uint64_t kith__task_id(void)
{
    static _Atomic uint32_t threads;

    if (__builtin_expect(kith__task.thread == 0, 0))
        kith__task.thread = atomic_fetch_add(&threads, 1) + 1;
    return (uint64_t)kith__task.thread << 32 | kith__task.depth;
}

size_t kith_arg_size(void)
{
    return kith__task.arg_size;
}

int kith__call_target(kith_target *fn, const void *arg, size_t size)
{
    int rc;

    kith__task.running = 1;
    kith__task.special = kith__task.failed = 0;
    kith__task.taken = atomic_load(&kith__ever_taken);
    kith__task.text[0] = '\0';
    kith__task.arg_size = size;
    rc = fn(arg);
    kith__task.running = 0;
    return kith__task.failed ? kith__task.code : rc;
}
