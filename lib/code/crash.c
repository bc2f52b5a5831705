/* crash.c: see crash.h. The handler uses only what a signal handler may, and the unwinder of the compiler,
 * which takes no memory and, with today's C library, no lock. Where it hangs or faults after all, the process
 * ends all the same. */
#include "config.h"
#include "code/crash.h"
#include "base/env.h"
#include "base/error.h"
#include "code/image.h"
#include "base/system.h"
#include "kith.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

enum { SIGNALS = 6, PATIENCE_SECONDS = 2 };

static const int signals[SIGNALS] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
static const char *const signal_names[SIGNALS] = { "SIGSEGV", "SIGBUS",  "SIGFPE",
                                                   "SIGILL",  "SIGABRT", "SIGSYS" };

static struct {
    struct kith__crash *record;
    int stop; /* KITH_ON_CRASH=stop */
    struct sigaction before[SIGNALS];
} self;
static _Atomic int busy; /* a thread is in the handler, or has ended the process */
static volatile sig_atomic_t dying_of, announced;

static int index_of(int sig)
{
    for (int i = 0; i < SIGNALS; i++)
        if (signals[i] == sig)
            return i;
    return -1;
}

static const char *signal_name(int sig)
{
    int i = index_of(sig);

    return i < 0 ? "a signal" : signal_names[i];
}

/* ---- the machine's registers */

#if defined __x86_64__
#define PC(context) ((context)->uc_mcontext.gregs[REG_RIP])
#define SP(context) ((context)->uc_mcontext.gregs[REG_RSP])
#elif defined __aarch64__
#define PC(context) ((context)->uc_mcontext.pc)
#define SP(context) ((context)->uc_mcontext.sp)
#elif defined __riscv
#define PC(context) ((context)->uc_mcontext.__gregs[REG_PC])
#define SP(context) ((context)->uc_mcontext.__gregs[REG_SP])
#elif defined __powerpc64__
#define PC(context) ((context)->uc_mcontext.gp_regs[32])
#define SP(context) ((context)->uc_mcontext.gp_regs[1])
#endif

#ifdef PC

typedef __typeof__(PC((ucontext_t *)0)) register_type;

/* After a call to where there is no code the caller is found as the call left it: its address is on top of
 * the stack, or in a register. */
static uint64_t go_back_to_caller(ucontext_t *context)
{
#if defined __x86_64__
    uint64_t caller = *(const uint64_t *)(uintptr_t)SP(context);

    SP(context) += 8;
#elif defined __aarch64__
    uint64_t caller = context->uc_mcontext.regs[30];
#elif defined __riscv
    uint64_t caller = (uint64_t)context->uc_mcontext.__gregs[1];
#else
    uint64_t caller = context->uc_mcontext.gp_regs[36];
#endif
    PC(context) = (register_type)caller - 1; /* in the call itself */
    return caller;
}

struct walk {
    struct kith__crash *record;
    uint64_t from;
    int found;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *unwind, void *arg)
{
    struct walk *w = arg;
    uint64_t pc = _Unwind_GetIP(unwind);

    if (!w->found)
        w->found = pc == w->from; /* before it come the handler's own */
    else if (pc != 0)
        w->record->pcs[w->record->count++] = pc;
    return w->record->count < KITH__CRASH_PCS ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void record_crash(int sig, const siginfo_t *info, ucontext_t *context)
{
    struct kith__crash *r = self.record;
    uint64_t pc = (uint64_t)PC(context), sp = (uint64_t)SP(context);
    struct walk w = { r, pc, 0 };

    r->code = info->si_code;
    r->address = info->si_code <= 0 ? (uint64_t)info->si_pid : (uint64_t)(uintptr_t)info->si_addr;
    r->stack = sp;
    r->pcs[0] = pc;
    r->count = 1;
    atomic_store_explicit(&r->signal, sig, memory_order_release);
    if (sig == SIGSEGV && info->si_code > 0 && r->address == pc) {
        r->pcs[r->count++] = go_back_to_caller(context);
        w.from = (uint64_t)PC(context);
    }
    _Unwind_Backtrace(add_frame, &w);
    PC(context) = (register_type)pc;
    SP(context) = (register_type)sp;
}

#else

static void record_crash(int sig, const siginfo_t *info, ucontext_t *context)
{
    (void)context;
    self.record->code = info->si_code;
    self.record->address = (uint64_t)(uintptr_t)info->si_addr;
    self.record->count = 0;
    atomic_store_explicit(&self.record->signal, sig, memory_order_release);
}

#endif

/* ---- the way out */

/* Says it, and sleeps until a debugger or somebody else continues the process. */
static void stop_here(int sig, const char *function)
{
    char line[512];
    int n;

    announced = 1;
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* gdb need not be our parent */
    n = snprintf(line, sizeof line, "kith: worker %d on %s stopped by %s%s%s: gdb -p %d\n", (int)getpid(),
                 kith_host(), signal_name(sig), function[0] ? " in " : "", function, (int)getpid());
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        return;
    kill(getpid(), SIGSTOP);
}

static void announce(int sig)
{
    char function[128] = "";

    if (self.record->count > 0)
        kith__image_function((uintptr_t)self.record->pcs[0], function, sizeof function);
    alarm(0);
    stop_here(sig, function);
}

static void die_of(int sig)
{
    sigset_t set;

    signal(sig, SIG_DFL);
    raise(sig);
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* The handler hangs: the crash came where a lock is held that it needs. */
static void out_of_patience(int sig)
{
    (void)sig;
    if (self.stop && !announced)
        stop_here(dying_of, "");
    die_of(dying_of);
}

static void with_patience(struct sigaction *former)
{
    struct sigaction action = { .sa_handler = out_of_patience };
    sigset_t set;

    sigaction(SIGALRM, &action, former);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    alarm(PATIENCE_SECONDS);
}

/* A sent signal does not come again by itself, and a fault does, at the same place: so a core dump shows it.
 */
static int comes_again(int sig, const siginfo_t *info)
{
    return info->si_code > 0 && sig != SIGABRT && sig != SIGSYS &&
           !(sig == SIGBUS && info->si_code == BUS_MCEERR_AO);
}

/* The next to know of it: who handled it before us, or the kernel. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *before = &self.before[index_of(sig)];

    if (before->sa_handler == SIG_DFL || (before->sa_handler == SIG_IGN && comes_again(sig, info))) {
        signal(sig, SIG_DFL);
        if (!comes_again(sig, info))
            raise(sig); /* it is blocked until we return */
        return;
    }
    atomic_store(&busy, 0); /* the process may live on: the user's handler can repair it */
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(sig, info, context);
    else if (before->sa_handler != SIG_IGN)
        before->sa_handler(sig);
}

/* One report only: other threads that crash wait here for the end. */
static void enter(int sig)
{
    int64_t since = kith__now_ns();

    while (atomic_exchange(&busy, 1)) {
        kith__nap(1 * KITH__MS);
        if (!self.stop && kith__now_ns() - since > 2000LL * PATIENCE_SECONDS * KITH__MS)
            die_of(sig);
    }
}

static void on_crash(int sig, siginfo_t *info, void *context)
{
    int error = errno;
    struct sigaction former;
    unsigned rest;

    enter(sig);
    rest = alarm(0);
    dying_of = sig;
    with_patience(&former);
    self.record->no_memory = error == ENOMEM;
    record_crash(sig, info, context);
    if (self.stop)
        announce(sig);
    alarm(0);
    sigaction(SIGALRM, &former, NULL);
    if (rest)
        alarm(rest);
    pass_on(sig, info, context);
    errno = error;
}

/* ---- installing */

/* For stack overflows the handler needs a stack of its own. One that is there (a sanitizer's) is as good, and
 * its owner would take ours for its own. */
static void alternate_stack(void)
{
    size_t size = ((size_t)64 << 10) + getauxval(AT_MINSIGSTKSZ);
    stack_t stack;

    if (sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE) && stack.ss_size >= (size_t)16 << 10)
        return;
    size = (size + 4095) & ~(size_t)4095;
    stack.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    stack.ss_size = size;
    stack.ss_flags = 0;
    if (stack.ss_sp != MAP_FAILED)
        sigaltstack(&stack, NULL);
}

void kith__crash_install(struct kith__crash *record)
{
    struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK }, before;

    self.record = record;
    self.stop = kith__env_word(KITH__ENV_ON_CRASH) == 0;
    atomic_store(&record->signal, 0);
    record->no_memory = 0;
    alternate_stack();
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++)
        sigaddset(&action.sa_mask, signals[i]); /* a second fault in the handler ends the process at once */
    for (int i = 0; i < SIGNALS; i++)
        if (sigaction(signals[i], &action, &before) == 0 && before.sa_sigaction != on_crash)
            self.before[i] = before;
}
