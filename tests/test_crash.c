/* test_crash.c: children crash in each way; the parent reads what they left. */
#include "config.h"
#include "check.h"
#include "code/crashtext.h"
#include "base/error.h"
#include "base/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unwind.h>

/* Functions that crash: with a name of their own, and no sanitizer that sees it coming. */
#ifdef __clang__
#define CRASHES __attribute__((noinline, no_sanitize("undefined")))
#else
#define CRASHES __attribute__((noinline, noclone, no_sanitize("undefined")))
#endif

static struct kith__crash *record;
static char text[1024];
static volatile int zero;
static int *volatile no_pointer;
static volatile char sink;

/* With hang the unwinder never comes back, as when the crash came inside of it. */
static volatile int hang, fault;
_Unwind_Reason_Code _Unwind_Backtrace(_Unwind_Trace_Fn fn, void *arg)
{
    static _Unwind_Reason_Code (*real)(_Unwind_Trace_Fn, void *);
    void *p = real ? NULL : dlsym(dlopen("libgcc_s.so.1", RTLD_NOW), "_Unwind_Backtrace");

    if (!real)
        memcpy(&real, &p, sizeof p);
    while (hang)
        pause();
    if (fault)
        raise(SIGSEGV);
    return real ? real(fn, arg) : _URC_FATAL_PHASE1_ERROR;
}

/* Runs fn in a child that records; its end as check_wait. Then text is what is said of it. */
static int crash_in(void (*fn)(void))
{
    const struct rlimit no_core = { 0, 0 };
    struct kith__crash empty;
    pid_t pid;
    int end;

    memset(&empty, 0, sizeof empty);
    memcpy(record, &empty, sizeof empty);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        alarm(0);
        if (SANITIZED)
            dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* their report is long */
        kith__crash_install(record);
        fn();
        _exit(0);
    }
    end = check_wait(pid);
    text[0] = '\0';
    kith__crash_text(record, getpid(), NULL, text, sizeof text);
    return end;
}

/* A sanitizer reports the crash, too, and ends the process in its own way. */
static void ended_by(int sig, int end)
{
    CU_ASSERT(end == -sig || (SANITIZED && end > 0));
    CU_ASSERT_EQUAL(atomic_load(&record->signal), sig);
}

static void says(const char *what)
{
    if (!strstr(text, what))
        printf("\n    not in the text: \"%s\"\n    text: \"%s\"\n", what, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, what));
}

/* "function (test_crash.c:line)" when the module is there. */
static void says_place(const char *function, int line)
{
    char place[128];

    snprintf(place, sizeof place, "%s (test_crash.c:%d)", function, line);
    if (kith__module("trace"))
        says(place);
    else
        says(function);
}

enum { LINE_OF_WRITE = __LINE__ + 3 };
CRASHES static void write_to_nothing(void)
{
    no_pointer[4] = 1;
    zero = 0;
}

CRASHES static void outer_one(void)
{
    write_to_nothing();
    zero = 0; /* no tail call */
}

static void null_pointer_is_reported_with_place_and_caller(void)
{
    ended_by(SIGSEGV, crash_in(outer_one));
    says("SIGSEGV at address 0x10 (a NULL pointer) in write_to_nothing");
    says_place("write_to_nothing", LINE_OF_WRITE);
    says("called by outer_one");
    CU_ASSERT(record->count >= 3);
}

CRASHES static void call_nothing(void)
{
    ((void (*volatile)(void))(uintptr_t)0x18)();
    zero = 0;
}

static void call_of_a_null_pointer_is_reported_with_its_caller(void)
{
    ended_by(SIGSEGV, crash_in(call_nothing));
    says("(a NULL pointer)");
    says("call_nothing");
    says("crash_in");
}

CRASHES static int deeper(int n)
{
    volatile char some[256];

    some[n % 256] = (char)n;
    return no_pointer ? 0 : deeper(n + 1) + some[0];
}

static void overflow_the_stack(void)
{
    zero = deeper(0);
}

static void stack_overflow_is_reported(void)
{
    ended_by(SIGSEGV, crash_in(overflow_the_stack));
    says("the stack is full");
    says("deeper");
    says(" times");
    CU_ASSERT_EQUAL(record->count, KITH__CRASH_PCS);
}

CRASHES static void divide(void)
{
#if defined __x86_64__
    zero = 7 / zero;
#else
    raise(SIGFPE);
#endif
}

static void division_by_zero_is_reported(void)
{
    ended_by(SIGFPE, crash_in(divide));
#if defined __x86_64__
    says("SIGFPE (integer division by zero) in divide");
#endif
}

CRASHES static void call_abort(void)
{
    abort();
}

static void abort_names_the_user_not_the_library(void)
{
    ended_by(SIGABRT, crash_in(call_abort));
    says("SIGABRT in call_abort");
}

CRASHES static void illegal(void)
{
    __builtin_trap();
}

static void illegal_instruction_is_reported(void)
{
    int end = crash_in(illegal), sig = atomic_load(&record->signal);

    CU_ASSERT(sig == SIGILL || sig == SIGTRAP);
    ended_by(sig, end);
    says("illegal");
}

CRASHES static void read_beyond_the_file(void)
{
    const char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memfd_create("empty", 0), 0);

    sink = p[100];
}

static void bus_error_is_reported(void)
{
    ended_by(SIGBUS, crash_in(read_beyond_the_file));
    says("SIGBUS at address 0x");
    says("read_beyond_the_file");
}

static char *only_mine;

CRASHES static void use_a_pointer_of_the_parent(void)
{
    munmap(only_mine, 1 << 20); /* as if it had come after the fork */
    sink = only_mine[12345];
}

static void pointer_of_the_parent_is_recognised(void)
{
    only_mine = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_FATAL(only_mine != MAP_FAILED);
    ended_by(SIGSEGV, crash_in(use_a_pointer_of_the_parent));
    says("a pointer means nothing in another one, pass the bytes, or memory from kith_alloc");
    munmap(only_mine, 1 << 20);
    kith__crash_text(record, getpid(), NULL, text, sizeof text);
    CU_ASSERT_PTR_NULL(strstr(text, "a pointer means nothing"));
}

static void wait_for_a_signal(void)
{
    kill(getpid(), SIGSEGV);
    pause();
}

static void sent_signal_names_its_sender(void)
{
    int end = crash_in(wait_for_a_signal);

    ended_by(SIGSEGV, end);
    says("SIGSEGV sent by process ");
}

static void hang_in_the_handler(void)
{
    hang = 1;
    write_to_nothing();
}

static void handler_that_hangs_ends_all_the_same(void)
{
    time_t then = time(NULL);

    ended_by(SIGSEGV, crash_in(hang_in_the_handler));
    CU_ASSERT(time(NULL) - then < 30);
    says("write_to_nothing"); /* the place is known, the callers are not */
    CU_ASSERT_EQUAL(record->count, 1);
}

static void fault_in_the_handler(void)
{
    fault = 1;
    write_to_nothing();
}

static void handler_that_crashes_ends_all_the_same(void)
{
    if (SANITIZED)
        SKIP("sanitizers have their own way with that");
    CU_ASSERT_EQUAL(crash_in(fault_in_the_handler), -SIGSEGV);
    says("write_to_nothing");
}

static void leave_with_3(int sig)
{
    _exit(sig == SIGSEGV ? 3 : 4);
}

static void crash_with_own_handler(void)
{
    signal(SIGSEGV, leave_with_3);
    write_to_nothing();
}

static void handler_of_the_user_wins(void)
{
    CU_ASSERT_EQUAL(crash_in(crash_with_own_handler), 3);
    CU_ASSERT_EQUAL(atomic_load(&record->signal), 0);
}

static void crash_after_earlier_handler(void)
{
    write_to_nothing();
}

static void handler_of_before_is_called_too(void)
{
    struct sigaction action = { .sa_handler = leave_with_3 }, before;

    sigaction(SIGSEGV, &action, &before);
    CU_ASSERT_EQUAL(crash_in(crash_after_earlier_handler), 3);
    sigaction(SIGSEGV, &before, NULL);
    CU_ASSERT_EQUAL(atomic_load(&record->signal), SIGSEGV);
    says("write_to_nothing");
}

static void ignore_and_go_on(void)
{
    kill(getpid(), SIGABRT);
    _exit(5);
}

static void ignored_signal_stays_ignored(void)
{
    signal(SIGABRT, SIG_IGN);
    CU_ASSERT_EQUAL(crash_in(ignore_and_go_on), 5);
    signal(SIGABRT, SIG_DFL);
}

static void *crash_in_thread(void *arg)
{
    write_to_nothing();
    return arg;
}

static void crash_in_many_threads(void)
{
    pthread_t thread[4];

    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, crash_in_thread, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
}

static void threads_that_crash_at_once_leave_one_report(void)
{
    if (SANITIZED)
        SKIP("sanitizers have their own way with that");
    for (int i = 0; i < 20; i++) {
        ended_by(SIGSEGV, crash_in(crash_in_many_threads));
        says("write_to_nothing");
        says("crash_in_thread");
    }
}

static int in_loader(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    (void)arg;
    write_to_nothing();
    return 1;
}

static void crash_under_the_lock_of_the_loader(void)
{
    dl_iterate_phdr(in_loader, NULL);
}

static void crash_inside_of_the_loader_is_reported(void)
{
    ended_by(SIGSEGV, crash_in(crash_under_the_lock_of_the_loader));
    says("in_loader");
}

static inline __attribute__((always_inline, no_sanitize("undefined"))) void inlined_one(void)
{
    no_pointer[2] = 1;
}

CRASHES static void has_inlined(void)
{
    inlined_one();
    zero = 0;
}

static void inlined_functions_have_frames(void)
{
    ended_by(SIGSEGV, crash_in(has_inlined));
    if (!kith__module("trace"))
        SKIP("kith-trace.so is not there");
    says("in inlined_one (test_crash.c:");
    says("called by has_inlined (test_crash.c:");
}

/* Waits until the child has stopped, looks, and lets it go on. */
static void stop_mode_says_how_to_debug_and_stops(void)
{
    char line[256] = "", expected[256];
    int out[2], status;
    pid_t pid;

    if (SANITIZED)
        SKIP("sanitizers have their own way with that");
    setenv("KITH_ON_CRASH", "stop", 1);
    PASS(kith__check_variable(KITH__ENV_ON_CRASH));
    CU_ASSERT_FATAL(pipe(out) == 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDERR_FILENO);
        kith__crash_install(record);
        outer_one();
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
    CU_ASSERT(WIFSTOPPED(status));
    CU_ASSERT(read(out[0], line, sizeof line - 1) > 0);
    snprintf(expected, sizeof expected,
             "kith: worker %d on %s stopped by SIGSEGV in write_to_nothing: gdb -p %d\n", (int)pid,
             kith_host(), (int)pid);
    CU_ASSERT_STRING_EQUAL(line, expected);
    CU_ASSERT_EQUAL(atomic_load(&record->signal), SIGSEGV);
    kill(pid, SIGCONT);
    CU_ASSERT_EQUAL(check_wait(pid), -SIGSEGV);
    setenv("KITH_ON_CRASH", "shout", 1);
    FAILS_WITH(KITH_EINVAL, kith__check_variable(KITH__ENV_ON_CRASH));
    unsetenv("KITH_ON_CRASH");
    close(out[0]);
    close(out[1]);
}

static void text_fits_into_any_room(void)
{
    char small[64];
    int whole;

    ended_by(SIGSEGV, crash_in(outer_one));
    whole = kith__crash_text(record, getpid(), NULL, text, sizeof text);
    CU_ASSERT_EQUAL((int)strlen(text), whole);
    for (size_t room = 0; room < sizeof small; room++) {
        memset(small, 'x', sizeof small);
        CU_ASSERT_EQUAL(kith__crash_text(record, getpid(), NULL, small, room), whole);
        CU_ASSERT(room == 0 || strlen(small) == room - 1);
        CU_ASSERT_EQUAL(small[room], 'x');
    }
}

static void damaged_record_gives_some_text(void)
{
    memset((void *)record, 0xff, sizeof *record);
    atomic_store(&record->signal, SIGSEGV);
    CU_ASSERT(kith__crash_text(record, getpid(), NULL, text, sizeof text) > 0);
    record->count = INT32_MAX;
    CU_ASSERT(kith__crash_text(record, getpid(), NULL, text, sizeof text) > 0);
    atomic_store(&record->signal, 0);
    CU_ASSERT_EQUAL(kith__crash_text(record, getpid(), NULL, text, sizeof text), 0);
    CU_ASSERT_STRING_EQUAL(text, "");
}

static void module_that_is_missing_is_told(void)
{
    const char *before = getenv("KITH_MODULES");
    char copy[1024];

    snprintf(copy, sizeof copy, "%s", before ? before : "");
    setenv("KITH_MODULES", "/nowhere", 1);
    CU_ASSERT_PTR_NULL(kith__module("trace"));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "/nowhere/kith-trace.so"));
    if (before)
        setenv("KITH_MODULES", copy, 1);
    else
        unsetenv("KITH_MODULES");
}

static struct test tests[] = { TEST_LIKE(null_pointer_is_reported_with_place_and_caller,
                                         "_TestPool.test_traceback _TestPool.test_wrapped_exception"),
                               TEST(call_of_a_null_pointer_is_reported_with_its_caller),
                               TEST(stack_overflow_is_reported),
                               TEST(division_by_zero_is_reported),
                               TEST(abort_names_the_user_not_the_library),
                               TEST(illegal_instruction_is_reported),
                               TEST(bus_error_is_reported),
                               TEST(pointer_of_the_parent_is_recognised),
                               TEST(sent_signal_names_its_sender),
                               TEST(handler_that_hangs_ends_all_the_same),
                               TEST(handler_that_crashes_ends_all_the_same),
                               TEST(handler_of_the_user_wins),
                               TEST(handler_of_before_is_called_too),
                               TEST(ignored_signal_stays_ignored),
                               TEST(threads_that_crash_at_once_leave_one_report),
                               TEST(crash_inside_of_the_loader_is_reported),
                               TEST(inlined_functions_have_frames),
                               TEST(stop_mode_says_how_to_debug_and_stops),
                               TEST(text_fits_into_any_room),
                               TEST(damaged_record_gives_some_text),
                               TEST(module_that_is_missing_is_told),
                               TEST_END };

int main(void)
{
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (record == MAP_FAILED)
        return 1;
    return run_tests("crash", tests);
}
