/* error.c: see error.h. */
#include "config.h"
#include "base/error.h"
#include "base/log.h"
#include "base/own.h"

#include <errno.h>
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#endif
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SENTENCE = KITH__OWN_TEXT, FAILED_HANDLES = 64, CALLERS = 32 };

/* The sentences of constructors that failed, by the number in the handle. Old ones give way. */
static struct {
    uint32_t number;
    char text[256];
} failed[FAILED_HANDLES];
static uint32_t failed_count;
static pthread_mutex_t failed_mutex = PTHREAD_MUTEX_INITIALIZER;

static _Atomic int in_head = 1, faults; /* who has forgotten kith_init must hear of it, too */
static void print_and_exit(int code, const char *message);
static void (*_Atomic on_fault)(int code, const char *message) = print_and_exit;
static _Atomic uint32_t *_Atomic handler_word; /* where all processes see that kith_on_fault was called */
static void (*_Atomic tell_others)(void);

static const char unknown[] = "unknown code";

const char *kith_strerror(int code)
{
    switch ((enum kith_code)code) {
    case KITH_ETIMEDOUT: return "the timeout expired";
    case KITH_ETOOBIG: return "the item is larger than the room for it";
    case KITH_EEND: return "there is no more";
    case KITH_EOWNERDEAD: return "the former owner died";
    case KITH_EBROKEN: return "broken: a participant died or gave up";
    case KITH_ECANCELLED: return "cancelled";
    case KITH_ERUNNING: return "it is still running";
    case KITH_EMISSING: return "there is no such key or element";
    case KITH_EINVAL: return "wrong argument";
    case KITH_ENOMEM: return "out of memory or another resource";
    case KITH_ESTALE: return "the object was closed, or never existed";
    case KITH_ETASK: return "a task failed";
    case KITH_EPEER: return "a process or node that is needed is gone";
    case KITH_ETYPE: return "the object has another type";
    case KITH_ESIZE: return "the size differs";
    case KITH_ENOTINIT: return "kith_init was not called";
    case KITH_EFUNC: return "the function cannot be found in the other process";
    case KITH_EOWNER: return "only the owner may do that";
    }
    return code >= 0 ? "success" : unknown;
}

const char *kith_last_error(void)
{
    return kith__own_text(KITH__OWN_SENTENCE);
}

static char *keep(const char *format, va_list ap)
{
    char *last = kith__own_text(KITH__OWN_SENTENCE);

    vsnprintf(last, SENTENCE, format, ap);
    return last;
}

int kith__fail(int code, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    keep(format, ap);
    va_end(ap);
    return code;
}

int kith__fail_errno(int otherwise, const char *format, ...)
{
    int error = errno;
    char *last;
    size_t used;
    va_list ap;

    va_start(ap, format);
    last = keep(format, ap);
    va_end(ap);
    used = strlen(last);
    snprintf(last + used, SENTENCE - used, ": %s", strerror(error));
    switch (error) {
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case EAGAIN: return KITH_ENOMEM;
    default: return otherwise;
    }
}

void kith__end_alone(void)
{
    static void *_Atomic the_one; /* of whom this is kith__owned */
    void *before = NULL;

    if (!atomic_compare_exchange_strong(&the_one, &before, (void *)kith__owned) && before != kith__owned)
        for (;;)
            pause();
}

static kith__caller_text_fn *_Atomic caller_text;

void kith__error_names_callers(kith__caller_text_fn *fn)
{
    atomic_store(&caller_text, fn);
}

/* 1: it is the call that is wrong, not the machine, a task or a peer. */
static int is_of_the_call(int code)
{
    return code == KITH_EINVAL || code == KITH_ESTALE || code == KITH_ETYPE || code == KITH_ESIZE ||
           code == KITH_EFUNC || code == KITH_EOWNER;
}

/* Which call of the program it was; "" if that is not known. */
static void name_caller(char *buf, size_t room)
{
    kith__caller_text_fn *fn = atomic_load(&caller_text);
    uint64_t pcs[CALLERS];
    int count = 0;

    buf[0] = '\0';
#if __has_include(<execinfo.h>)
    void *stack[CALLERS];

    count = backtrace(stack, CALLERS);
    for (int i = 0; i < count; i++)
        pcs[i] = (uintptr_t)stack[i];
#endif
    if (fn && count > 0 && fn(pcs, count, buf, room) <= 0)
        buf[0] = '\0';
}

static void print_and_exit(int code, const char *message)
{
    char caller[256] = "";

    kith__end_alone();
    fflush(stdout);
    if (is_of_the_call(code))
        name_caller(caller, sizeof caller);
    kith__tell("%s%s%s%s", message, *caller ? " [called in " : "", caller, *caller ? "]" : "");
    exit(1);
}

static void ignore(int code, const char *message)
{
    (void)code;
    (void)message;
}

void kith__fault_handler_told(void)
{
    _Atomic uint32_t *word = atomic_load(&handler_word);

    if (word && atomic_load(&in_head))
        atomic_store(word, atomic_load(&on_fault) != print_and_exit);
}

void kith__fault_handler_word(_Atomic uint32_t *word)
{
    atomic_store(&handler_word, word);
}

void kith__fault_handler_others(void (*fn)(void))
{
    atomic_store(&tell_others, fn);
}

void kith_on_fault(void (*fn)(int code, const char *message))
{
    void (*tell)(void) = atomic_load(&tell_others);

    atomic_store(&on_fault, fn ? fn : ignore);
    kith__fault_handler_told();
    if (tell && atomic_load(&in_head))
        tell();
}

void kith__error_is_head(int is_head)
{
    atomic_store(&in_head, is_head);
}

int kith__fault_count(void)
{
    return atomic_load(&faults);
}

int64_t kith__report64(int64_t rc)
{
    void (*fn)(int, const char *) = atomic_load(&on_fault);

    if (!kith__is_fault(rc) || !atomic_load(&in_head) || kith__own_role)
        return rc;
    if (fn != ignore) /* who asked for codes deals with faults, they do not spoil the exit status */
        atomic_fetch_add(&faults, 1);
    if (kith_last_error()[0] == '\0')
        kith__fail((int)rc, "%s", kith_strerror((int)rc));
    fn((int)rc, kith_last_error());
    return rc;
}

/* A failed handle: the top bit, the number of its sentence, the code. */
uint64_t kith__failed_handle(int code)
{
    uint32_t number;

    pthread_mutex_lock(&failed_mutex);
    number = ++failed_count;
    failed[number % FAILED_HANDLES].number = number;
    snprintf(failed[number % FAILED_HANDLES].text, sizeof failed[0].text, "%.255s", kith_last_error());
    pthread_mutex_unlock(&failed_mutex);
    return UINT64_C(1) << 63 | (uint64_t)number << 16 | (uint64_t)-code;
}

int kith__handle_code(uint64_t id)
{
    uint32_t number = (uint32_t)(id >> 16);
    int code;

    if (!(id >> 63))
        return 0;
    code = -(int)(id & 0xffff);
    if (code == 0 || kith_strerror(code) == unknown)
        return kith__fail(KITH_ESTALE, "this is not a handle: no object was opened into it");
    pthread_mutex_lock(&failed_mutex);
    if (failed[number % FAILED_HANDLES].number == number)
        kith__fail(code, "%s", failed[number % FAILED_HANDLES].text);
    else
        kith__fail(code, "the object was never made: %s", kith_strerror(code));
    pthread_mutex_unlock(&failed_mutex);
    return code;
}

#undef kith_check /* which takes any handle */
int kith_check(uint64_t id)
{
    if (id == 0)
        return kith__fail(KITH_ESTALE, "the handle is zero: no object was opened into it");
    return kith__handle_code(id);
}

int kith__check_variable(enum kith__env v)
{
    char text[SENTENCE];

    return kith__env_is_valid(v, text, sizeof text) ? 0 : kith__fail(KITH_EINVAL, "%s", text);
}
