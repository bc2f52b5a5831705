/* target.c: see target.h. */
#include "config.h"
#include "object/target.h"
#include "base/error.h"
#include "base/own.h"
#include "object/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

_Thread_local struct kith__task kith__task;

static void keep_text(const char *format, va_list ap)
{
    kith__task.has_text = 1;
    vsnprintf(kith__own_text(KITH__OWN_WORDS), KITH__TASK_TEXT, format, ap);
}

void kith__task_says(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    keep_text(format, ap);
    va_end(ap);
}

const char *kith__task_text(void)
{
    return kith__task.has_text ? kith__own_text(KITH__OWN_WORDS) : "";
}

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
    keep_text(format, ap);
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

void kith__task_begin(size_t size)
{
    kith__task.running = 1;
    kith__task.special = kith__task.failed = kith__task.has_text = 0;
    kith__task.taken = atomic_load(&kith__ever_taken);
    kith__task.arg_size = size;
}

int kith__task_end(int rc)
{
    kith__task.running = 0;
    return kith__task.failed ? kith__task.code : rc;
}

int kith__call_target(kith_target *fn, const void *arg, size_t size)
{
    kith__task_begin(size);
    return kith__task_end(fn(arg));
}
