/* test_chaos.c: random histories of the public API under a seed, each a job of its own, with a model beside
 * it that knows what must come out.
 *
 * A history has some Pools, some Queues, and actors: threads of the head, and Processes. Each actor makes
 * calls that it draws from the seed, and checks what comes out; meanwhile some end Pools, Queues and
 * Processes under the others, and from outside workers, Processes and janitors are killed or stopped. The
 * seed decides the calls, not their moments. What a task has to do (its action) is drawn too, so the caller
 * knows how each must end; and tasks count their runs in memory that all share.
 *
 * This file is what is outside of a history: it draws it, forks its head, is the trouble, and says what was
 * wrong. Inside, in chaos/:
 *
 *     dice      random numbers
 *     world     what all processes of a history share; what is wrong, and what excuses it
 *     memory    blocks of the node, and a call's arguments
 *     action    what a task does
 *     model     a call into a pool, and what must come out of it
 *     kinds     the kinds of such calls; numbers, bytes and ranges are a file each
 *     queues    opening, using and ending Queues
 *     sems      the Semaphore
 *     values    the Value and the Array
 *     dicts     the Dict and the List
 *     locks     the Lock
 *     jobs      the joinable Queue
 *     feeds     Queues that end, with their producers
 *     shares    the Namespace, memory by name, and shared data
 *     pipes     a Pipe between an actor and a Process
 *     waits     one wait for a Pipe, an Event, a Process and a descriptor
 *     pools     opening and ending Pools
 *     calls     calls into such Pools of costs, of bytes, of a worker's state; and those that do not wait
 *     leaves    Processes that do little
 *     actors    who calls, step by step
 *     tidy      what may be left at the end
 *     head      a history from kith_init to kith_finalize
 *
 * KITH_TEST_SEED=n plays history n alone; KITH_TEST_HISTORIES=n plays n, from KITH_TEST_FROM on. By hand also
 * with KITH_TRANSPORT=net, KITH_SERIAL=1, KITH_MEM. To look at one: KITH_TEST_LOUD=1 shows what kith says,
 * KITH_TEST_TIMES=1 what each history was; KITH_TEST_STOP=1 stops the process that finds something wrong, and
 * KITH_TEST_HOLD=1 leaves one that hangs as it is, for a debugger; KITH_TEST_PATIENCE is how many seconds
 * make one. KITH_TEST_ALL=1: no history is made smaller for the thread sanitizer. */
#include "config.h"
#include "check.h"
#include "killer.h"
#include "chaos/head.h"
#include "chaos/world.h"
#include "chaos/dice.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#if defined __SANITIZE_THREAD__
#define THREADS_ONLY \
    1 /* it sees threads, and not what they have through other processes: so there are none of these */
#else
#define THREADS_ONLY 0
#endif

enum { MOST_KILLS = 60, HUNG = -1000 };

/* ---- trouble */

static void stop_a_while(pid_t who, uint64_t most_us, struct dice *d)
{
    kill(who, SIGSTOP);
    nap_us((long)roll(d, most_us));
    kill(who, SIGCONT);
}

/* A worker, a Process or a janitor; not the agent. */
static void attack_a_child(pid_t server, struct dice *d)
{
    pid_t list[64], victim;
    int n = atomic_load(&world->kills) < MOST_KILLS ? children_of(server, list, 64) : 0;

    if (n == 0 || (victim = list[roll(d, (uint64_t)n)]) == atomic_load(&world->agent))
        return;
    if (roll(d, 4) == 0)
        stop_a_while(victim, 10000, d);
    else if (kill(victim, SIGKILL) == 0)
        atomic_fetch_add(&world->kills, 1);
}

/* One moment of it. */
static void trouble(struct dice *d)
{
    pid_t server = atomic_load(&world->server);

    nap_us((long)roll(d, 4000));
    if (now.trouble == NO_SERVER) {
        if (roll(d, 20) == 0 && atomic_fetch_add(&world->kills, 1) == 0)
            kill(server, SIGKILL);
    } else if (roll(d, 40) == 0)
        stop_a_while(roll(d, 3) ? server : atomic_load(&world->watchdog), 30000, d);
    else if (!SANITIZED ||
             !atomic_load(&world->at_finalize)) /* the helper of who looks for leaks must live */
        attack_a_child(server, d);
}

/* ---- one history */

static void say_hang(pid_t head)
{
    printf("\n    history %llu hangs: head %d, server %d, %d steps done, %s; actors at",
           (unsigned long long)now.seed, (int)head, atomic_load(&world->server),
           atomic_load(&world->steps_done), atomic_load(&world->at_finalize) ? "finalizing" : "under way");
    for (int i = 0; i < THREADS + PROCESSES; i++)
        printf(" %u:%u", atomic_load(&world->doing[i]) >> 8, atomic_load(&world->doing[i]) & 255);
    printf("; first wrong: %s\n", world->said);
    while (getenv("KITH_TEST_HOLD"))
        pause();
}

/* Its exit status, -signal, or HUNG. */
static int watch(pid_t head)
{
    struct dice d = dice_of(now.seed, 3, 3);
    double until =
        kith_time() + (getenv("KITH_TEST_PATIENCE") ? atof(getenv("KITH_TEST_PATIENCE")) : 40.0) * slowdown();
    int status, got;

    while ((got = waitpid(head, &status, WNOHANG)) == 0 && kith_time() < until) {
        if (atomic_load(&world->over))
            atomic_store(&world->killer_rests, 1);
        if (disturbed() && atomic_load(&world->up) && !atomic_load(&world->over))
            trouble(&d);
        else
            nap_us(500);
    }
    if (got == head)
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    say_hang(head);
    kill(head, SIGKILL);
    waitpid(head, NULL, 0);
    return HUNG;
}

static void draw_history(uint64_t seed)
{
    struct dice d = dice_of(seed, 1, 1);
    const char *net = getenv("KITH_TRANSPORT"), *serial = getenv("KITH_SERIAL");

    memset(&now, 0, sizeof now);
    now.seed = seed;
    now.net = net && strcmp(net, "net") == 0;
    now.serial = serial && strcmp(serial, "1") == 0;
    now.trouble = roll(&d, 30) == 0 ? NO_SERVER : roll(&d, 3) == 0 ? KILLER : CALM;
    now.ending = roll(&d, 4) ? TIDY : roll(&d, 2) ? LEAVE_OPEN : LEAVE_BY_EXIT;
    now.threads = 1 + (int)roll(&d, THREADS);
    now.processes = (int)roll(&d, PROCESSES + 1);
    now.steps = 1 + (int)roll(&d, 12);
    now.big = roll(&d, 6) == 0;
    if (THREADS_ONLY && now.threads > 1 && !getenv("KITH_TEST_ALL")) {
        now.serial = now.alone = 1;
        now.processes = 0;
        now.trouble = CALM;
    }
}

static pid_t fork_head(void)
{
    pid_t head;

    fflush(NULL);
    if ((head = fork()) != 0)
        return head;
    if (!getenv("KITH_TEST_LOUD") && !freopen("/dev/null", "w", stderr))
        _exit(4);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (now.serial)
        setenv("KITH_SERIAL", "1", 1);
    play_head();
}

static void say_times(double began)
{
    printf("\n    history %llu: %.3f s, trouble %d, ending %d, %d+%d actors, %d steps, %d kills ",
           (unsigned long long)now.seed, kith_time() - began, now.trouble, now.ending, now.threads,
           now.processes, atomic_load(&world->steps_done), atomic_load(&world->kills));
}

/* 1: all was as it must be. */
static int play_history(uint64_t seed)
{
    double began = kith_time();
    int status, must, gone, good;

    draw_history(seed);
    world =
        mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    status = watch(fork_head());
    must = now.ending == LEAVE_BY_EXIT ? LEFT_EARLY : 0;
    gone = all_gone(5000 * slowdown());
    if (status != must && status != HUNG)
        printf("\n    history %llu ended with %d, not %d\n", (unsigned long long)seed, status, must);
    if (world->wrong)
        printf("\n    history %llu: %s\n", (unsigned long long)seed, world->said);
    if (!gone)
        printf("\n    history %llu left processes\n", (unsigned long long)seed);
    if (getenv("KITH_TEST_TIMES"))
        say_times(began);
    good = status == must && !world->wrong && gone;
    munmap(world, sizeof *world);
    return good;
}

/* ---- all of them */

static void every_history_comes_out_as_it_must(void)
{
    const char *one = getenv("KITH_TEST_SEED"), *from = getenv("KITH_TEST_FROM"),
               *histories = getenv("KITH_TEST_HISTORIES");
    uint64_t first = one ? strtoull(one, NULL, 0) : from ? strtoull(from, NULL, 0) : 1;
    int many = one && !histories ? 1 : histories ? atoi(histories) : 1000000, played = 0, bad = 0;
    double until = kith_time() + (histories ? 1e9 : getenv("KITH_TEST_LONG") ? 80 : 10);

    for (; played < many && kith_time() < until && bad < 5; played++)
        bad += !play_history(first + (uint64_t)played);
    CU_ASSERT_EQUAL(bad, 0);
    printf("(%d histories) ", played);
}

static struct test tests[] = {
    TEST(every_history_comes_out_as_it_must),
    TEST_END,
};

int main(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return run_tests("chaos", tests);
}
