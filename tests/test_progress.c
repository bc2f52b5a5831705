/* test_progress.c: what is shown of a call under way: the texts; and what comes on a terminal, which the test
 * plays for a child that is a job, and what in a file. */
#include "config.h"
#include "check.h"
#include "base/system.h"
#include "pool/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

enum { ROOM = 1 << 16, TOO_LONG = 77 };

/* ---- texts */

#define SECOND (1000 * KITH__MS)

static void lines_are(const struct kith__way *w, int64_t ns, const char *line, const char *sum)
{
    char text[256];

    kith__progress_line(w, ns, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, line);
    kith__progress_sum(w, ns, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, sum);
}

static void lines_tell_what_there_is(void)
{
    struct kith__way w = { "f", 420, 1000, 0 };

    lines_are(&w, 42 * SECOND, "f: 42 %, 420 of 1000, 10/s, 0:58 left", "f: 420 of 1000 in 0:42, 10/s");
    w.failed = 3;
    lines_are(&w, 4200 * SECOND, "f: 42 %, 420 of 1000, 0.1/s, 1:36:40 left, 3 failed",
              "f: 420 of 1000 in 1:10:00, 0.1/s, 3 failed");
    w = (struct kith__way){ "g", 999999, 1000000, 0 };
    lines_are(&w, 1 * SECOND, "g: 99 %, 999999 of 1 M, 1 M/s, 0:00 left", "g: 999999 of 1 M in 0:01, 1 M/s");
    w = (struct kith__way){ "g", 1000, 1000, 0 };
    lines_are(&w, 2 * SECOND, "g: 100 %, 1000 of 1000, 500/s", "g: 1000 in 0:02, 500/s");
    w = (struct kith__way){ "h", 0, 1000, 0 };
    lines_are(&w, 2 * SECOND, "h: 0 %, 0 of 1000, 0/s", "h: 0 of 1000 in 0:02, 0/s");
    w = (struct kith__way){ "source", 2500000, 0, 0 };
    lines_are(&w, 2 * SECOND, "source: 2.5 M, 1.25 M/s", "source: 2.5 M in 0:02, 1.25 M/s");
}

static void bars_fit_the_terminal(void)
{
    struct kith__way w = { "simulate", 500, 1000, 0 };
    char text[256];

    kith__progress_bar(&w, 5 * SECOND, 0, 79, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text,
                           "simulate  50 % [################................] 500 of 1000, 100/s, 0:05 left");
    kith__progress_bar(&w, 5 * SECOND, 2, 200, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, "simulate  50 % [####################....................] "
                                 "500 of 1000, 100/s, 0:05 left (and 2 more calls)");
    for (int columns = 1; columns < 200; columns++) {
        kith__progress_bar(&w, 5 * SECOND, 1, columns, text, sizeof text);
        CU_ASSERT((int)strlen(text) <= columns);
        CU_ASSERT(columns < 50 || strstr(text, "500 of 1000, 100/s, 0:05 left (and 1 more call)"));
    }
    w = (struct kith__way){ "source", 5000, 0, 1 };
    kith__progress_bar(&w, 5 * SECOND, 0, 79, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, "source 5000, 1 k/s, 1 failed");
}

/* ---- jobs */

static int naps(int ms)
{
    usleep((unsigned)ms * 1000);
    return ms == 13 ? kith_fail(1, "bad luck") : ms;
}

static void map(kith_pool pool, int n, int ms)
{
    int x[64], y[64];

    for (int i = 0; i < n; i++)
        x[i] = ms;
    kith_map(pool, naps, x, y, (size_t)n);
}

static kith_pool begin(void)
{
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_on_fault(NULL);
    return kith_pool_open(2);
}

static void work_long(void)
{
    kith_pool pool = begin();

    REQUIRE(kith_pool_progress(pool, 1) == 0);
    map(pool, 24, 50);
}

static int nap_block(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    usleep((unsigned)(hi - lo) * 20000);
    return 0;
}

/* Each worker has half of the blocks at once. */
static void work_in_shares(void)
{
    kith_pool pool = begin();

    REQUIRE(kith_pool_progress(pool, 1) == 0);
    REQUIRE(kith_for(pool, nap_block, NULL, 0, 200) == 0);
}

/* The caller's third is one claim, and it shows how far all are. */
static void work_on_its_own_share(void)
{
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_pool pool = kith_pool_open_with(2, .caller = 1);

    REQUIRE(kith_pool_progress(pool, 1) == 0);
    REQUIRE(kith_for(pool, nap_block, NULL, 0, 300) == 0);
}

/* Where even these take long, as the machine is busy, there is nothing to see. */
static void work_short(void)
{
    kith_pool pool = begin();
    double then, longest = 0;

    REQUIRE(kith_pool_progress(pool, 1) == 0);
    for (int i = 0; i < 5; i++) {
        then = kith_time();
        map(pool, 8, 10);
        longest = kith_time() - then > longest ? kith_time() - then : longest;
    }
    if (longest > 0.4)
        exit(TOO_LONG);
}

static void work_and_fail(void)
{
    kith_pool pool;

    setenv("KITH_PROGRESS", "1", 1);
    pool = begin();
    map(pool, 48, 13); /* which fail */
    map(pool, 48, 26);
    kith_pool_progress(pool, 0);
    map(pool, 24, 50);
}

static void work_later(void)
{
    int x[24], y[24];
    kith_pool pool = begin();
    kith_result r;

    REQUIRE(kith_pool_progress(pool, 1) == 0);
    for (int i = 0; i < 24; i++)
        x[i] = 50;
    r = kith_map_async(pool, naps, x, y, 24);
    REQUIRE(kith_result_wait(r, 300) == KITH_ETIMEDOUT); /* the service goes on with it */
    while (!kith_result_ready(r))
        usleep(1000);
    REQUIRE(kith_result_get(r, NULL, 0, KITH_FOREVER) == 0);
}

static int next_nap(void *item, void *arg)
{
    *(int *)item = 40;
    return ++*(int *)arg <= 30;
}

static void iterate(void)
{
    kith_pool pool = begin();
    int count = 0, y;
    kith_iter it;

    REQUIRE(kith_pool_progress(pool, 1) == 0);
    it = kith_imap_from(pool, naps, next_nap, &count);
    while (kith_next(it, &y) == 0)
        ;
    REQUIRE(kith_iter_close(it) == 0);
}

static int call_inside(const void *in, void *out)
{
    *(int *)out = 0;
    map(*(const kith_pool *)in, 20, 60);
    return 0;
}

static int call_in_a_process(const void *arg)
{
    map(*(const kith_pool *)arg, 20, 60);
    return 0;
}

/* Single tasks, and what these and Processes call. */
static void let_others_work(void)
{
    kith_pool pool = begin();
    int y;

    REQUIRE(kith_pool_progress(pool, 1) == 0);
    REQUIRE(kith_pool_apply(pool, call_inside, &pool, sizeof pool, &y, sizeof y) == 0);
    REQUIRE(kith_process_join(kith_process_start(call_in_a_process, KITH_ARG(pool)), KITH_FOREVER) == 0);
}

static void log_meanwhile(void)
{
    int x[20], y[20];
    kith_pool pool = begin();
    kith_result r;

    REQUIRE(kith_pool_progress(pool, 1) == 0);
    for (int i = 0; i < 20; i++)
        x[i] = 100;
    r = kith_map_async(pool, naps, x, y, 20);
    usleep(800000);
    kith_log(KITH_LOG_WARNING, "a line of the log");
    REQUIRE(kith_result_wait(r, KITH_FOREVER) == 0 && kith_result_drop(r) == 0);
}

static int fails(const void *arg)
{
    (void)arg;
    return kith_fail(1, "no luck");
}

/* What a Process says of its failure, and the default fault handler of main's. */
static void fail_meanwhile(void)
{
    int x[20], y[20];
    kith_pool pool;
    kith_result r;

    REQUIRE(kith_init(NULL, NULL) == 0);
    pool = kith_pool_open(2);
    REQUIRE(kith_pool_progress(pool, 1) == 0);
    for (int i = 0; i < 20; i++)
        x[i] = 200;
    r = kith_map_async(pool, naps, x, y, 20);
    REQUIRE(kith_result_wait(r, 800) == KITH_ETIMEDOUT);
    REQUIRE(kith_process_join(kith_process_start(fails, NULL, 0), KITH_FOREVER) == 0);
    REQUIRE(kith_result_wait(r, 300) == KITH_ETIMEDOUT); /* the bar is there again */
    kith_queue_close((kith_queue){ 0 });
}

static void work_in_serial(void)
{
    setenv("KITH_SERIAL", "1", 1);
    work_long();
}

static void ignore(int level, const char *process, const char *text)
{
    (void)level;
    (void)process;
    (void)text;
}

static void work_with_a_handler(void)
{
    kith_log_to(ignore);
    work_long();
}

/* ---- terminals and files: all jobs run at the same time, as they mostly sleep */

static struct play {
    void (*job)(void);
    int in_file; /* else its stderr is a terminal of 80 columns */
    int ends;    /* its exit status */
    pid_t pid;
    int fd, status;
    size_t used;
    char shown[ROOM];
} plays[] = {
    { .job = work_long },
    { .job = work_short },
    { .job = work_in_shares },
    { .job = work_on_its_own_share },
    { .job = work_and_fail },
    { .job = work_later },
    { .job = iterate },
    { .job = let_others_work },
    { .job = work_in_serial },
    { .job = log_meanwhile },
    { .job = fail_meanwhile, .ends = 1 },
    { .job = work_with_a_handler },
    { .job = work_long, .in_file = 1 },
};
enum { PLAYS = sizeof plays / sizeof plays[0] };

/* Both ends: the reader's first. */
static int open_terminal(int ends[2])
{
    const struct winsize size = { .ws_row = 24, .ws_col = 80 };
    struct termios raw;

    ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ends[0] < 0 || grantpt(ends[0]) < 0 || unlockpt(ends[0]) < 0)
        return -1;
    ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ends[1] < 0 || ioctl(ends[1], TIOCSWINSZ, &size) < 0 || tcgetattr(ends[1], &raw) < 0)
        return -1;
    raw.c_oflag &= ~(tcflag_t)OPOST;
    return tcsetattr(ends[1], TCSANOW, &raw);
}

static int launch(struct play *p)
{
    int ends[2];

    if ((p->in_file ? pipe(ends) : open_terminal(ends)) < 0)
        return -1;
    fflush(NULL);
    if ((p->pid = fork()) == 0) {
        alarm(check_rest());
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        for (int i = 0; i < PLAYS; i++)
            if (plays[i].fd > 0)
                close(plays[i].fd);
        close(ends[0]);
        setenv("TERM", "xterm", 1);
        p->job();
        exit(kith_finalize());
    }
    close(ends[1]);
    p->fd = ends[0];
    return p->pid < 0 ? -1 : 0;
}

/* 0: nobody has the other end any more; a terminal says so by an error. */
static int read_some(struct play *p)
{
    ssize_t n = read(p->fd, p->shown + p->used, ROOM - 1 - p->used);

    if (n > 0)
        p->used += (size_t)n;
    return n > 0 || (n < 0 && errno == EINTR);
}

static int run_all(void)
{
    struct pollfd fds[PLAYS];
    int left = PLAYS;

    for (int i = 0; i < PLAYS; i++)
        if (launch(&plays[i]) < 0)
            return -1;
    for (int i = 0; i < PLAYS; i++)
        fds[i] = (struct pollfd){ .fd = plays[i].fd, .events = POLLIN };
    while (left > 0) {
        if (poll(fds, PLAYS, -1) < 0 && errno != EINTR)
            return -1;
        for (int i = 0; i < PLAYS; i++)
            if (fds[i].fd >= 0 && fds[i].revents && !read_some(&plays[i])) {
                fds[i].fd = -1;
                left--;
            }
    }
    for (int i = 0; i < PLAYS; i++)
        plays[i].status = check_wait(plays[i].pid);
    return 0;
}

/* What that job has shown. */
static struct play *play_of(void (*job)(void), int in_file)
{
    struct play *p = plays;

    while (p->job != job || p->in_file != in_file)
        p++;
    return p;
}

static const char *shown_by(void (*job)(void), int in_file)
{
    struct play *p = play_of(job, in_file);

    CU_ASSERT_EQUAL(p->status, p->ends);
    if (p->status != p->ends)
        printf("\n    status %d, shown: \"%s\"\n", p->status, p->shown);
    return p->shown;
}

static int times(const char *text, const char *word)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

/* Some bars, and a line with the sum. */
static void has_a_bar_and(const char *text, const char *sum)
{
    int good = times(text, "\r\033[K") >= 2 && times(text, "[") > times(text, "\033[") &&
               times(text, "\n") == 1 && strstr(text, sum) && text[strlen(text) - 1] == '\n';

    CU_ASSERT(good);
    if (!good)
        printf("\n    shown: \"%s\"\n", text);
}

static void a_long_call_has_a_bar(void)
{
    const char *text = shown_by(work_long, 0);

    has_a_bar_and(text, "\r\033[Kkith: naps: 24 in 0:0");
    CU_ASSERT(strstr(text, " of 24, ") && strstr(text, " left"));
}

static void a_short_one_has_none(void)
{
    if (play_of(work_short, 0)->status == TOO_LONG)
        SKIP("the machine is busy");
    CU_ASSERT_STRING_EQUAL(shown_by(work_short, 0), "");
}

static void begins_before(const char *text, int half)
{
    int first = 0;

    for (const char *at = text; first == 0 && (at = strstr(at, "] ")); at += 2)
        first = atoi(at + 2);
    CU_ASSERT(first > 0 && first < half);
    if (first <= 0 || first >= half)
        printf("\n    shown: \"%s\"\n", text);
}

static void a_loop_moves_its_bar(void)
{
    begins_before(shown_by(work_in_shares, 0), 100);
    begins_before(shown_by(work_on_its_own_share, 0), 200);
}

static void the_variable_asks_for_it_too(void)
{
    const char *text = shown_by(work_and_fail, 0);

    CU_ASSERT(times(text, "kith: naps: 48 in 0:0") >= 1 && times(text, "kith: naps: 24") == 0);
}

static void asynchronous_maps_have_one(void)
{
    has_a_bar_and(shown_by(work_later, 0), "kith: naps: 24 in 0:0");
}

static void a_source_without_a_length_has_numbers(void)
{
    const char *text = shown_by(iterate, 0);

    CU_ASSERT(times(text, "\r\033[Knaps ") >= 1 && times(text, "[.") == 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "kith: naps: 30 in 0:0"));
}

static void calls_of_others_have_none(void)
{
    CU_ASSERT_STRING_EQUAL(shown_by(let_others_work, 0), "");
}

static void serial_calls_have_one(void)
{
    has_a_bar_and(shown_by(work_in_serial, 0), "kith: naps: 24 in 0:0");
}

static void lines_of_the_log_come_in_its_place(void)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(shown_by(log_meanwhile, 0), "\r\033[K[WARNING/main] a line of the log\n"));
}

static void so_do_those_of_faults(void)
{
    const char *text = shown_by(fail_meanwhile, 0);

    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\r\033[Kkith: fails-1 failed: no luck\n"));
    text = strstr(strstr(text, "no luck"), "\r\033[Kkith: ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Queue"));
    CU_ASSERT_STRING_EQUAL(strrchr(text, '\r'), "\r\033[K"); /* no bar is left as the program ends */
}

static void a_program_that_has_its_own_log_gets_none(void)
{
    CU_ASSERT_STRING_EQUAL(shown_by(work_with_a_handler, 0), "");
}

static void files_get_no_bars(void)
{
    CU_ASSERT_STRING_EQUAL(shown_by(work_long, 1), "");
}

/* ---- lines, with the time put forward */

static struct {
    int count, level;
    char text[256];
} said;

static void keep(int level, const char *process, const char *text)
{
    (void)process;
    said.count++;
    said.level = level;
    snprintf(said.text, sizeof said.text, "%s", text);
}

static void lines_come_now_and_then(void)
{
    struct kith__way w = { "f", 10, 100, 1 };
    struct kith__progress s = { 0 };
    int64_t next, now = kith__now_ns();

    memset(&said, 0, sizeof said);
    kith_log_to(keep);
    CU_ASSERT_EQUAL(kith__progress_show(&s, &w), -1); /* nobody has asked */
    s.began = now - 9 * SECOND;
    s.at = s.began + 10 * SECOND;
    CU_ASSERT(kith__progress_show(&s, &w) == s.at && said.count == 0);
    s.began -= 2 * SECOND;
    s.at -= 2 * SECOND;
    next = kith__progress_show(&s, &w);
    CU_ASSERT(said.count == 1 && said.level == KITH_LOG_INFO &&
              strncmp(said.text, "f: 10 %, 10 of 100, ", 20) == 0);
    CU_ASSERT(next >= now + 11 * SECOND && next < now + 60 * SECOND);
    CU_ASSERT(kith__progress_show(&s, &w) == next && said.count == 1);
    s.began -= 1000 * SECOND;
    s.at = now;
    next = kith__progress_show(&s, &w);
    CU_ASSERT(said.count == 2 && next >= now + 60 * SECOND && next < now + 100 * SECOND);
    w.done = 100;
    kith__progress_end(&s, &w);
    CU_ASSERT(said.count == 3 && strstr(said.text, "f: 100 in 16:5") && strstr(said.text, "1 failed"));
    CU_ASSERT_EQUAL(kith__progress_show(&s, &w), -1);
    kith_log_to(NULL);
}

static void stale_pools_show_nothing(void)
{
    kith_pool none = { 0 };

    CU_ASSERT(kith_pool_progress(none, 1) < 0);
}

static struct test tests[] = {
    TEST(lines_tell_what_there_is),
    TEST(bars_fit_the_terminal),
    TEST(stale_pools_show_nothing),
    TEST(a_long_call_has_a_bar),
    TEST(a_short_one_has_none),
    TEST(a_loop_moves_its_bar),
    TEST(the_variable_asks_for_it_too),
    TEST(asynchronous_maps_have_one),
    TEST(a_source_without_a_length_has_numbers),
    TEST(calls_of_others_have_none),
    TEST(serial_calls_have_one),
    TEST(lines_of_the_log_come_in_its_place),
    TEST(so_do_those_of_faults),
    TEST(a_program_that_has_its_own_log_gets_none),
    TEST(files_get_no_bars),
    TEST(lines_come_now_and_then),
    TEST_END,
};

int main(void)
{
    int rc;

    check_own_jobs();
    rc = run_all();
    kith_on_fault(NULL);
    return rc < 0 ? 1 : run_tests("progress", tests);
}
