/* test_joblog.c: KITH_JOBLOG: each range of tasks has a line, with the columns of GNU parallel, whole and
 * true, also when workers are killed. */
#include "config.h"
#include "check.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

enum { N = 1000, MANY = 20000 };

static char path[300];

static int square(int x)
{
    return x * x;
}

static int fail_at_500(int x)
{
    return x == 500 ? kith_fail(7, "no") : x;
}

static _Atomic int *deaths; /* shared by all processes: of task 10, and of each thousand */

static int die_once_at_10(int x)
{
    if (x == 10 && atomic_fetch_add(deaths, 1) == 0)
        raise(SIGKILL);
    return x;
}

static int exit_at_10(int x)
{
    if (x == 10)
        exit(3);
    return x;
}

static int sleep_at_10(int x)
{
    while (x == 10)
        pause();
    return x;
}

static int die_now_and_then(int x)
{
    if (x % 1000 == 17 && atomic_fetch_add(&deaths[1 + x / 1000], 1) == 0)
        raise(SIGKILL);
    return x;
}

/* ---- the log */

struct line {
    long seq, send, receive, code, signal, first, last, worker, pid;
    double start, time;
    char host[80], function[80];
};

static struct line lines[MANY];
static int count;

static int read_line(const char *text, struct line *l)
{
    int end = 0;

    return sscanf(text, "%ld\t%79s\t%lf\t%lf\t%ld\t%ld\t%ld\t%ld\t%79s %ld-%ld worker %ld pid %ld\n%n",
                  &l->seq, l->host, &l->start, &l->time, &l->send, &l->receive, &l->code, &l->signal,
                  l->function, &l->first, &l->last, &l->worker, &l->pid, &end) == 13 &&
           text[end] == '\0';
}

/* Each line behind the titles is one. */
static void read_log(void)
{
    FILE *f = fopen(path, "re");
    char text[1024];

    count = 0;
    REQUIRE(f && fgets(text, sizeof text, f));
    REQUIRE(strcmp(text, "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n") == 0);
    while (fgets(text, sizeof text, f)) {
        if (!read_line(text, &lines[count]))
            fprintf(stderr, "not a line: %s", text);
        REQUIRE(count < MANY - 1 && read_line(text, &lines[count]));
        count++;
    }
    fclose(f);
}

static double wall_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How often each task of the call was begun; and the lines are true of it. */
static void check_tasks(long tasks, const char *function, double begin, int *times)
{
    double end = wall_clock() + 1;

    memset(times, 0, (size_t)tasks * sizeof *times);
    for (int i = 0; i < count; i++) {
        const struct line *l = &lines[i];

        REQUIRE(strcmp(l->function, function) == 0 && l->first >= 0 && l->first <= l->last &&
                l->last < tasks);
        REQUIRE(l->start >= begin - 1 && l->time >= 0 && l->start + l->time <= end && l->pid > 0);
        for (long t = l->first; t <= l->last; t++)
            times[t]++;
    }
}

/* ---- programs, each in a process of its own */

static int in[MANY], out[MANY], times[MANY];

static kith_pool begin_program(const char *what, int tries)
{
    const char *directory = getenv("TMPDIR");

    snprintf(path, sizeof path, "%s/joblog.%s", directory ? directory : "/tmp", what);
    unlink(path);
    setenv("KITH_JOBLOG", path, 1);
    for (int i = 0; i < MANY; i++)
        in[i] = i;
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_on_fault(NULL);
    return kith_pool_open_with(2, .tries = tries);
}

static void end_program(kith_pool pool)
{
    REQUIRE(kith_pool_close(pool) == 0);
    kith_finalize();
    unlink(path);
}

static void map_well(void)
{
    kith_pool pool = begin_program("map", 0);
    double begin = wall_clock();

    REQUIRE(kith_map(pool, square, in, out, N) == 0);
    read_log();
    check_tasks(N, "square", begin, times);
    for (int i = 0; i < N; i++)
        REQUIRE(times[i] == 1);
    for (int i = 0; i < count; i++)
        REQUIRE(lines[i].code == 0 && lines[i].signal == 0 && lines[i].seq == 1 &&
                lines[i].send == (lines[i].last - lines[i].first + 1) * (long)sizeof(int) &&
                lines[i].receive == lines[i].send && lines[i].worker < 2);
    end_program(pool);
}

static void each_task_of_a_map_is_in_one_line(void)
{
    CU_ASSERT_EQUAL(check_fork(map_well), 0);
}

static double area(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    if (lo < N / 2)
        usleep(200); /* who has these gives some of them back */
    return (double)(hi - lo);
}

static void sum_well(void)
{
    kith_pool pool = begin_program("sum", 0);
    double begin = wall_clock(), sum = 0;

    REQUIRE(kith_pool_sum(pool, area, NULL, 0, N, &sum) == 0 && sum == N);
    read_log();
    check_tasks(N, "area", begin, times);
    for (int i = 0; i < N; i++)
        REQUIRE(times[i] == 1);
    end_program(pool);
}

static void loops_are_told_in_their_own_numbers(void)
{
    CU_ASSERT_EQUAL(check_fork(sum_well), 0);
}

static void apply_many(void)
{
    kith_pool pool = begin_program("apply", 0);
    kith_result results[20];
    int squares = 0, ten = 0, y;

    for (int i = 0; i < 20; i++)
        results[i] = i % 4 ? kith_apply_async(pool, square, i) : kith_apply_async(pool, fail_at_500, i);
    for (int i = 0; i < 20; i++)
        REQUIRE(kith_result_get(results[i], &y, sizeof y, KITH_FOREVER) == 0);
    REQUIRE(kith_pool_close(pool) == 0);
    read_log();
    for (int i = 0; i < count; i++) {
        squares += strcmp(lines[i].function, "square") == 0;
        ten += strcmp(lines[i].function, "fail_at_500") == 0;
        REQUIRE(lines[i].first == lines[i].last && lines[i].send == (long)sizeof(int));
    }
    REQUIRE(count == 20 && squares == 15 && ten == 5);
    kith_finalize();
    unlink(path);
}

static void single_tasks_have_a_line_each(void)
{
    CU_ASSERT_EQUAL(check_fork(apply_many), 0);
}

static void map_badly(void)
{
    kith_pool pool = begin_program("fail", 0);
    int told = 0;

    REQUIRE(kith_map(pool, fail_at_500, in, out, N) == KITH_ETASK);
    read_log();
    check_tasks(N, "fail_at_500", 0, times);
    for (int i = 0; i < count; i++)
        if (lines[i].first <= 500 && 500 <= lines[i].last)
            told += lines[i].code == 7;
        else
            REQUIRE(lines[i].code == 0);
    REQUIRE(told == 1);
    end_program(pool);
}

static void a_task_that_fails_is_told_by_its_code(void)
{
    CU_ASSERT_EQUAL(check_fork(map_badly), 0);
}

/* The lines that say how a worker ended, in the task 10. */
static int ends_at_10(long code, long signal)
{
    int found = 0;

    for (int i = 0; i < count; i++)
        found += lines[i].last == 10 && lines[i].code == code && lines[i].signal == signal;
    return found;
}

static void map_with_deaths(void)
{
    kith_pool pool = begin_program("death", 0);

    REQUIRE(kith_map(pool, die_once_at_10, in, out, N) == 0);
    read_log();
    check_tasks(N, "die_once_at_10", 0, times);
    REQUIRE(ends_at_10(0, SIGKILL) == 1 && times[10] == 2);
    for (int i = 0; i < N; i++)
        REQUIRE(times[i] >= 1);
    end_program(pool);
}

static void map_with_exits(void)
{
    kith_pool pool = begin_program("exit", 1);

    REQUIRE(kith_map(pool, exit_at_10, in, out, N) == KITH_ETASK);
    read_log();
    REQUIRE(ends_at_10(3, 0) == 1);
    end_program(pool);
}

static void map_over_limit(void)
{
    kith_pool pool = begin_program("limit", 0);

    REQUIRE(kith_pool_close(pool) == 0);
    pool = kith_pool_open_with(2, .limit_ms = 200);
    REQUIRE(kith_map(pool, sleep_at_10, in, out, N) == KITH_ETASK);
    read_log();
    REQUIRE(ends_at_10(-1, SIGTERM) == 1);
    end_program(pool);
}

static void deaths_are_told_by_signal_or_status(void)
{
    CU_ASSERT_EQUAL(check_fork(map_with_deaths), 0);
    CU_ASSERT_EQUAL(check_fork(map_with_exits), 0);
    CU_ASSERT_EQUAL(check_fork(map_over_limit), 0);
}

static void map_under_fire(void)
{
    kith_pool pool = begin_program("fire", 5);
    int killed = 0;

    REQUIRE(kith_map(pool, die_now_and_then, in, out, MANY) == 0);
    read_log(); /* each line is whole */
    check_tasks(MANY, "die_now_and_then", 0, times);
    for (int i = 0; i < count; i++)
        killed += lines[i].signal == SIGKILL;
    REQUIRE(killed == MANY / 1000);
    for (int i = 0; i < MANY; i++)
        REQUIRE(times[i] >= 1);
    end_program(pool);
}

static void lines_are_whole_and_complete_where_workers_are_killed(void)
{
    CU_ASSERT_EQUAL(check_fork(map_under_fire), 0);
}

static void run_serially(void)
{
    kith_pool pool;

    setenv("KITH_SERIAL", "1", 1);
    pool = begin_program("serial", 0);
    REQUIRE(kith_map(pool, square, in, out, N) == 0);
    read_log();
    check_tasks(N, "square", 0, times);
    end_program(pool);
}

static void serial_pools_have_one_too(void)
{
    CU_ASSERT_EQUAL(check_fork(run_serially), 0);
}

static void begin_without_a_place(void)
{
    setenv("KITH_JOBLOG", "/nosuch/directory/log", 1);
    kith_on_fault(NULL);
    REQUIRE(kith_init(NULL, NULL) == KITH_EINVAL);
    REQUIRE(strstr(kith_last_error(), "KITH_JOBLOG: /nosuch/directory/log cannot be written"));
}

static void a_log_that_cannot_be_written_is_refused(void)
{
    CU_ASSERT_EQUAL(check_fork(begin_without_a_place), 0);
}

static struct test tests[] = {
    TEST(each_task_of_a_map_is_in_one_line),
    TEST(loops_are_told_in_their_own_numbers),
    TEST(single_tasks_have_a_line_each),
    TEST(a_task_that_fails_is_told_by_its_code),
    TEST(deaths_are_told_by_signal_or_status),
    TEST(lines_are_whole_and_complete_where_workers_are_killed),
    TEST(serial_pools_have_one_too),
    TEST(a_log_that_cannot_be_written_is_refused),
    TEST_END,
};

int main(void)
{
    deaths = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return deaths == MAP_FAILED ? 1 : run_tests("joblog", tests);
}
