/* system.h: the system calls that libc does not wrap, and the clock. */
#ifndef KITH_SYSTEM_H
#define KITH_SYSTEM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* Sleeps while *word == expected, at most timeout_ns (< 0: no limit). Shared between
 * processes. Returns on a wake-up, a signal, the time limit, or at once when *word differs. */
void kith__futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns);
void kith__futex_wake(_Atomic uint32_t *word, int count);

int kith__pidfd_open(pid_t pid); /* -1 and errno; ENOSYS under valgrind */
int kith__under_valgrind(void);
int kith__process_state(
    pid_t pid); /* the letter of proc(5): R, S, D, T, Z …; 0: there is none, or no /proc */
int kith__process_is_gone(pid_t pid); /* 1: there is none, or it has ended and nobody has waited for it */
int kith__memfd(const char *name);    /* close-on-exec; -1 and errno */

/* Writes out what all streams hold, before _exit. For one that another thread is blocked in it waits two
 * seconds, and gives up those that were opened before. */
void kith__flush_streams(void);

int64_t kith__now_ns(void); /* monotonic */
void kith__nap(int64_t ns); /* sleeps for so long, or until a signal */

void kith__die(void); /* ends this process at once, as by SIGKILL */

/* A thread of kith's own, with a small stack, which takes no signals. It is joined, or detached by .of. 0; an
 * errno. */
struct kith__thread {
    pthread_t of;
    uint64_t played; /* its number, where a test plays it */
};
int kith__thread_begin(struct kith__thread *t, void *(*run)(void *), void *arg);
void kith__thread_join(struct kith__thread *t);

/* For tests that play time: its clock, and what is done instead of sleeping until *word differs from expected
 * or so many ns have passed (word NULL: nothing but time; ns < 0: no limit); and processes: how the calling
 * one dies, begins a thread (its number, never 0), and waits for its end. NULL: the system's. */
struct kith__time {
    int64_t (*now)(void);
    void (*sleep)(_Atomic uint32_t *word, uint32_t expected, int64_t ns);
    void (*die)(void);
    uint64_t (*begin)(void *(*run)(void *), void *arg);
    void (*join)(uint64_t thread);
};
extern const struct kith__time *kith__time;

/* Of a variable that tells what this process has, or does: all of these lie together, so that a test that
 * plays processes can put those of another one in their place. Behind it the type; each has an initializer,
 * or is 0. */
#define KITH__OF_PROCESS __attribute__((section("kith_process")))
#define KITH__MS INT64_C(1000000)

#if defined __has_feature /* clang's way to say what gcc's macro says */
#if __has_feature(thread_sanitizer) && !defined __SANITIZE_THREAD__
#define __SANITIZE_THREAD__ 1
#endif
#endif

/* A full fence: what stands before it is seen by all before what stands behind it is read. ThreadSanitizer
 * knows read-modify-writes only. */
static inline void kith__fence(void)
{
#if defined __SANITIZE_THREAD__
    static _Atomic int fence;

    atomic_fetch_add(&fence, 1);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* The same behind the end of a guard: x86 ends one by an instruction that is a full fence by itself. */
static inline void kith__fence_behind_guard(void)
{
#if !defined __x86_64__ || defined __SANITIZE_THREAD__
    kith__fence();
#endif
}

/* As fork, but as if nobody had called it: no handler runs, no lock is taken, no signal comes at the end of
 * the child, and wait does not see it without __WCLONE or __WALL. libc is usable in the child when no other
 * thread held a lock of it. */
pid_t kith__fork_unseen(void);

/* 1: this process has other threads than the calling one, also such as are just ending. Where it never had
 * any, it costs nothing to ask. */
int kith__has_other_threads(void);

/* The cache line at p is asked for, to be written soon, and nobody waits until it is here. */
static inline void kith__bring(const void *p)
{
#if defined __x86_64__
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
    __builtin_prefetch(p, 1);
#endif
}

static inline void kith__pause(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb");
#endif
}

#endif
