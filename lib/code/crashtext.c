/* crashtext.c: the sentence about a crash (crashtext.h), made in a healthy process of the same family. */
#include "config.h"
#include "code/crashtext.h"
#include "code/image.h"
#include "code/trace.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 64, CALLERS = 6, STACK = 1 << 20 };

#define NULL_ZONE 4096 /* what is below is a NULL pointer, and an offset in what it should lead to */

#define NULL_INDEX_ZONE (UINT64_C(1) << 32)

struct text {
    char *buf;
    size_t room, used;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *format, ...)
{
    size_t left = t->used < t->room ? t->room - t->used : 0;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(left ? t->buf + t->used : NULL, left, format, ap);
    va_end(ap);
    t->used += n > 0 ? (size_t)n : 0;
}

/* ---- the signal */

static const char *signal_name(int sig)
{
    switch (sig) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    case SIGABRT: return "SIGABRT";
    case SIGSYS: return "SIGSYS";
    default: return "a signal";
    }
}

static const char *arithmetic(int code)
{
    switch (code) {
    case FPE_INTDIV: return "integer division by zero";
    case FPE_INTOVF: return "integer overflow";
    case FPE_FLTDIV: return "division by zero";
    case FPE_FLTOVF: return "overflow";
    case FPE_FLTUND: return "underflow";
    case FPE_FLTINV: return "invalid operation";
    default: return "arithmetic error";
    }
}

/* The stack ended where it is written to: at its pointer, give or take a frame. */
static int is_overflow(const struct kith__crash *c)
{
    return c->address + 4096 > c->stack && c->address < c->stack + 65536;
}

/* Private memory of that process that no file stands behind: its heap and stacks. */
static int is_its(pid_t pid, uint64_t address)
{
    unsigned long long from, to;
    char rights[8], path[64], line[512];
    int its = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    f = pid > 0 ? fopen(path, "re") : NULL;
    while (f && !its && fgets(line, sizeof line, f)) {
        path[0] = '\0';
        its = sscanf(line, "%llx-%llx %7s %*s %*s %*s %63s", &from, &to, rights, path) >= 3 &&
              address >= from && address < to && strncmp(rights, "rw-p", 4) == 0 &&
              (path[0] == '\0' || path[0] == '[');
    }
    if (f)
        fclose(f);
    return its;
}

static void add_address(struct text *t, const struct kith__crash *c)
{
    if (c->code == SI_KERNEL) /* the processor does not say which */
        add(t, " at an address that cannot exist");
    else if (is_overflow(c))
        add(t, " (the stack is full: endless recursion, or a large array in a function)");
    else
        add(t, " at address 0x%llx%s", (unsigned long long)c->address,
            c->address < NULL_ZONE   ? " (a NULL pointer)"
            : c->code == SEGV_ACCERR ? " (protected memory)"
                                     : "");
}

static void add_signal(struct text *t, int sig, const struct kith__crash *c)
{
    add(t, "%s", signal_name(sig));
    if (c->code <= 0 && sig != SIGABRT)
        add(t, " sent by process %d", (int)c->address);
    else if (sig == SIGSEGV)
        add_address(t, c);
    else if (sig == SIGFPE)
        add(t, " (%s)", arithmetic(c->code));
    else if (sig == SIGBUS)
        add(t, " at address 0x%llx (beyond the end of a file, or a wrong alignment)",
            (unsigned long long)c->address);
}

/* ---- where */

/* Of the library; linked statically, its static functions pass as the user's. */
static int is_kith(const struct kith__frame *f)
{
    struct kith__image image, mine;

    if (strncmp(f->function, "kith_", 5) == 0)
        return 1;
    return kith__image_at((uintptr_t)f->pc, &image) && kith__image_at((uintptr_t)kith__crash_text, &mine) &&
           image.bias == mine.bias && !mine.is_program;
}

static int same_place(const struct kith__frame *a, const struct kith__frame *b)
{
    return strcmp(a->function, b->function) == 0 && a->line == b->line;
}

static int add_frame(struct text *t, const char *before, const struct kith__frame *frames, int left)
{
    int times = 1;

    while (times < left && same_place(&frames[times], &frames[0]))
        times++;
    add(t, "%s%s", before, frames[0].function);
    if (frames[0].file[0])
        add(t, " (%s:%d)", frames[0].file, frames[0].line);
    if (times > 2) /* 2 may be two parts of one function */
        add(t, " %d times", times);
    return times;
}

/* Up to where kith called the user's function, or main. What of the C library is in between is named. */
static int end_of_user(const struct kith__frame *frames, int count)
{
    int end = 0;

    for (int i = 0; i < count; i++) {
        if (end > 0 && is_kith(&frames[i]))
            break;
        if (is_kith(&frames[i]) || kith__frame_is_system(&frames[i]) ||
            strcmp(frames[i].function, "_start") == 0)
            continue;
        end = i + 1;
        if (strcmp(frames[i].function, "main") == 0)
            break;
    }
    return end > 0 ? end : count;
}

static void add_place(struct text *t, const uint64_t *pcs, int count, int skip_system)
{
    struct kith__frame frames[FRAMES];
    int i = 0, shown = 0, end;

    count = kith__trace(pcs, count, frames, FRAMES);
    end = end_of_user(frames, count);

    while (skip_system && i < end - 1 && kith__frame_is_system(&frames[i]))
        i++;
    while (i < end && shown <= CALLERS) {
        if (shown > 0 && !frames[i].known && kith__frame_is_system(&frames[i])) {
            i++;
            continue;
        }
        i += add_frame(t, shown == 0 ? " in " : shown == 1 ? ", called by " : ", ", &frames[i], end - i);
        shown++;
    }
}

/* NULL, and an index into what it should lead to: no program lies so low, but one that is linked for fixed
 * addresses. */
static int is_from_null(const struct kith__crash *c)
{
    return c->address < NULL_INDEX_ZONE && !is_overflow(c);
}

static void add_globals(struct text *t, const struct kith__kin *kin)
{
    char names[192];

    if (kin && kith__globals_late(kin, names, sizeof names) > 0)
        add(t,
            "; %s set after kith_init, and tasks and Processes see globals as they were then: pass the "
            "pointer "
            "as an argument, to memory from kith_alloc",
            names);
}

/* ---- the sentence */

struct telling {
    const struct kith__crash *crash;
    pid_t caller;
    const struct kith__kin *kin;
    struct text text;
};

static void tell(struct telling *what, int with_place)
{
    const struct kith__crash *c = what->crash;
    int sig = atomic_load(&c->signal), count = c->count < KITH__CRASH_PCS ? c->count : KITH__CRASH_PCS;
    struct text *t = &what->text;

    add_signal(t, sig, c);
    if (with_place)
        add_place(t, c->pcs, count < 0 ? 0 : count, sig == SIGABRT);
    if (sig != SIGSEGV || c->code <= 0 || c->code == SI_KERNEL)
        return;
    if (c->address >= NULL_ZONE && is_its(what->caller, c->address))
        add(t, "; that is memory of the calling process: a pointer means nothing in another one, "
               "pass the bytes, or memory from kith_alloc");
    else if (is_from_null(c))
        add_globals(t, what->kin);
}

static void *tell_all(void *what)
{
    tell(what, 1);
    return NULL;
}

/* In a thread of its own, as libdw takes some 200 KiB of stack, and the caller's thread may have less.
 * Signals are for the program's threads. 0: there is no such thread. */
static int beside(void *(*fn)(void *), void *arg)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    if (pthread_attr_init(&attr) != 0)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_attr_setstacksize(&attr, STACK);
    if (rc == 0)
        rc = pthread_create(&thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0 && pthread_join(thread, NULL) == 0;
}

int kith__crash_text(const struct kith__crash *c, pid_t caller, const struct kith__kin *kin, char *buf,
                     size_t room)
{
    struct telling what = { c, caller, kin, { buf, room, 0 } };

    if (room > 0)
        buf[0] = '\0';
    if (atomic_load_explicit(&c->signal, memory_order_acquire) == 0)
        return 0;
    if (!beside(tell_all, &what))
        tell(&what, 0);
    return (int)what.text.used;
}

/* ---- who called */

/* A function of kith.h for C++, which is compiled into the program: _Z8kith_map..., as compilers name it. */
static int is_kith_in_program(const struct kith__frame *f)
{
    const char *name = f->function;

    if (strncmp(name, "_Z", 2) != 0)
        return 0;
    name += 2 + strspn(name + 2, "0123456789L");
    return strncmp(name, "kith_", 5) == 0;
}

struct calling {
    const uint64_t *pcs;
    int count;
    struct text text;
};

static void *find_caller(void *calling)
{
    struct calling *c = calling;
    struct kith__frame frames[FRAMES];
    int count = kith__trace(c->pcs, c->count, frames, FRAMES), i = 0;

    while (i < count &&
           (is_kith(&frames[i]) || is_kith_in_program(&frames[i]) || kith__frame_is_system(&frames[i])))
        i++;
    if (i < count && frames[i].known)
        add_frame(&c->text, "", &frames[i], 1);
    return NULL;
}

int kith__caller_text(const uint64_t *pcs, int count, char *buf, size_t room)
{
    struct calling what = { pcs, count, { buf, room, 0 } };
    struct kith__image mine;

    if (!kith__image_at((uintptr_t)kith__caller_text, &mine) || mine.is_program ||
        !beside(find_caller, &what))
        return 0;
    return (int)what.text.used;
}
