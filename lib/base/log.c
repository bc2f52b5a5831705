/* log.c: see log.h. */
#include "config.h"
#include "base/log.h"
#include "base/own.h"
#include "base/env.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { UNREAD = -1, LINE = 4096 }; /* LINE: so much a pipe takes in one piece (PIPE_BUF) */

static _Atomic int variable = UNREAD; /* the level of KITH_LOG; 0: it says none */
static _Atomic int checks;            /* KITH_CHECK: what it finds is said as a warning */
static _Atomic int32_t own;           /* what was set in this process; 0: nothing */
static _Atomic int32_t *_Atomic chosen = &own;
static _Atomic int32_t own_drawing; /* 1: something is drawn at the end of the terminal */
static _Atomic int32_t *_Atomic is_drawn = &own_drawing;
static _Atomic int runs_programs = 1;
static void (*_Atomic handler)(int level, const char *process, const char *text);
static int (*_Atomic worker)(void); /* the number of the worker that a thread is; -1 */
static char name[64] = "main", place[72];

enum { SPEAKER = sizeof name + sizeof place + 24 };

/* ---- levels */

static int read_variable(void)
{
    static const int words[] = { KITH_LOG_CRITICAL, KITH_LOG_ERROR, KITH_LOG_WARNING, KITH_LOG_INFO,
                                 KITH_LOG_DEBUG };
    int word = kith__env_word(KITH__ENV_LOG);

    return word < 0 ? 0 : words[word];
}

void kith__log_init(void)
{
    atomic_store(&variable, read_variable());
    atomic_store(&checks, kith__env_on(KITH__ENV_CHECK));
}

/* The lowest level that is shown; 0: nobody has said one. */
static int threshold(void)
{
    int level = atomic_load_explicit(&variable, memory_order_relaxed);

    if (level == UNREAD) /* before kith_init */
        atomic_store(&variable, level = read_variable());
    if (level == 0)
        level = atomic_load_explicit(atomic_load(&chosen), memory_order_relaxed);
    if (atomic_load_explicit(&checks, memory_order_relaxed) && (level == 0 || level > KITH_LOG_WARNING))
        return KITH_LOG_WARNING;
    return level;
}

int kith__log_on(int level)
{
    int least = threshold();

    return least != 0 && level >= least;
}

int kith_log_on(int level)
{
    int least = threshold();

    return level >= (least ? least : KITH_LOG_WARNING);
}

void kith__log_set(int level)
{
    atomic_store(atomic_load(&chosen), level);
}

void kith__log_share(_Atomic int32_t *level, _Atomic int32_t *drawing)
{
    _Atomic int32_t *before = atomic_load(&chosen);
    int32_t set = atomic_load(before);

    if (!level)
        level = &own;
    if (set)
        atomic_store(level, set);
    atomic_store(&chosen, level);
    atomic_store(&is_drawn, drawing ? drawing : &own_drawing);
}

/* ---- lines */

void kith__log_name(const char *process, const char *host)
{
    size_t length = strnlen(process, sizeof name - 1);

    memcpy(name, process, length); /* in each new process, where the code of snprintf is cold */
    name[length] = '\0';
    place[0] = '\0';
    if (*host)
        snprintf(place, sizeof place, " on %.63s", host);
}

void kith__log_workers(int (*number)(void))
{
    atomic_store(&worker, number);
}

/* Into text, of SPEAKER bytes. */
static const char *name_speaker(char *text)
{
    int (*number)(void) = atomic_load(&worker), n = number ? number() : -1;

    if (n < 0)
        snprintf(text, SPEAKER, "%s%s", name, place);
    else
        snprintf(text, SPEAKER, "%s, worker %d%s", name, n, place);
    return text;
}

void kith__log_runs(int programs)
{
    atomic_store(&runs_programs, programs);
}

void kith_log_to(void (*fn)(int level, const char *process, const char *text))
{
    atomic_store(&handler, fn);
}

static const char erase[] = "\r\033[K";

/* In one piece. */
static void put_two(const char *first, const char *second, size_t size)
{
    const struct iovec parts[] = { { (void *)(uintptr_t)first, strlen(first) },
                                   { (void *)(uintptr_t)second, size } };

    while (writev(STDERR_FILENO, parts, 2) < 0)
        if (errno != EINTR)
            return; /* nobody to tell */
}

/* The line has size bytes, and room for one more. What is drawn goes; it comes again soon. Who has another
 * stderr than the one who draws writes into no file how to do that. */
static void put(char *line, size_t size)
{
    int over = atomic_load(atomic_load(&is_drawn)) && isatty(STDERR_FILENO);

    line[size++] = '\n';
    put_two(over ? erase : "", line, size);
}

void kith__log_draw(const char *text)
{
    int error = errno;

    if (text || atomic_load(atomic_load(&is_drawn)))
        put_two(erase, text ? text : "", text ? strlen(text) : 0);
    atomic_store(atomic_load(&is_drawn), text != NULL);
    errno = error;
}

int kith__log_has_handler(void)
{
    return atomic_load(&handler) != NULL;
}

/* Behind the used bytes of line, of LINE bytes: the text, which is cut where the line is full. How long it is
 * then. The program's texts may end with a newline, as those of printf do. */
static size_t append(char *line, size_t used, const char *format, va_list ap)
{
    size_t room = LINE - 1 - used;
    int wanted = vsnprintf(line + used, room, format, ap);
    size_t size = wanted < 0 ? 0 : (size_t)wanted < room ? (size_t)wanted : room - 1;

    if (wanted > 0 && (size_t)wanted >= room)
        memcpy(line + used + size - 3, "...", 3);
    if (size > 0 && line[used + size - 1] == '\n')
        line[used + --size] = '\0';
    return used + size;
}

/* To the program's handler, else to stderr behind the prefix. */
static void deliver(int level, const char *prefix, const char *format, va_list ap)
{
    void (*fn)(int, const char *, const char *) = atomic_load(&handler);
    int error = errno;
    char line[LINE], speaker[SPEAKER];
    size_t used = strlen(prefix), size;

    memcpy(line, prefix, used + 1);
    size = append(line, used, format, ap);
    if (fn && atomic_load(&runs_programs) && !kith__own_logs) {
        kith__own_logs = line; /* what it logs itself goes to stderr */
        fn(level, name_speaker(speaker), line + used);
        kith__own_logs = NULL;
    } else
        put(line, size);
    errno = error;
}

static void name_level(int level, char *text, size_t room)
{
    switch (level) {
    case KITH_LOG_DEBUG: snprintf(text, room, "DEBUG"); return;
    case KITH_LOG_INFO: snprintf(text, room, "INFO"); return;
    case KITH_LOG_WARNING: snprintf(text, room, "WARNING"); return;
    case KITH_LOG_ERROR: snprintf(text, room, "ERROR"); return;
    case KITH_LOG_CRITICAL: snprintf(text, room, "CRITICAL"); return;
    default: snprintf(text, room, "Level %d", level);
    }
}

void kith_log(int level, const char *format, ...)
{
    char prefix[SPEAKER + 40], text[24], speaker[SPEAKER];
    va_list ap;

    if (!kith_log_on(level))
        return;
    name_level(level, text, sizeof text);
    snprintf(prefix, sizeof prefix, "[%s/%s] ", text, name_speaker(speaker));
    va_start(ap, format);
    deliver(level, prefix, format, ap);
    va_end(ap);
}

void kith__log(int level, const char *format, ...)
{
    char prefix[32];
    va_list ap;

    if (!kith__log_on(level))
        return;
    snprintf(prefix, sizeof prefix, "kith[%d]: ", (int)getpid());
    va_start(ap, format);
    deliver(level, prefix, format, ap);
    va_end(ap);
}

void kith__notice(const char *format, ...)
{
    va_list ap;

    if (threshold() > KITH_LOG_WARNING)
        return;
    va_start(ap, format);
    deliver(KITH_LOG_WARNING, "kith: ", format, ap);
    va_end(ap);
}

void kith__log_say(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    deliver(KITH_LOG_INFO, "kith: ", format, ap);
    va_end(ap);
}

void kith__tell(const char *format, ...)
{
    char line[LINE] = "kith: ";
    va_list ap;

    va_start(ap, format);
    put(line, append(line, strlen(line), format, ap));
    va_end(ap);
}
