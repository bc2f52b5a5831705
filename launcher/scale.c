/* scale.c: kith scale: how a program's run time falls with the number of its workers.
 *
 * The runs go round: once with each number, then again. So a machine that slows down meanwhile slows down the
 * runs with every number, not only those with the last one. */
#include "config.h"
#include "command.h"
#include "kith.h"
#include "line.h"
#include "log.h"
#include "picture.h"
#include "program.h"
#include "timing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NUMBERS = 32, MOST_WORKERS = 100000, USUAL_RUNS = 5 };

static const char number_here[] = "{n}"; /* in a word of the command line */

struct scale {
    struct timing timings[NUMBERS];
    int count;
    long runs;
    const char *svg; /* "": no picture */
    char **program;  /* and its arguments */
    char path[PATH_MAX];
    int has_place; /* a word of the program has number_here */
};

/* ---- options */

static int add_number(struct scale *s, long n)
{
    if (s->count == NUMBERS) {
        log_line("-n: it takes up to %d numbers", NUMBERS);
        return -1;
    }
    s->timings[s->count++].workers = n;
    return 0;
}

static int set_numbers(void *to, const char *value)
{
    struct scale *s = to;
    long n, before = 0;

    s->count = 0;
    for (const char *at = value; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char word[16];

        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        if (option_number(word, before + 1, MOST_WORKERS, &n) < 0) {
            log_line(
                "-n %s: it must be whole numbers from 1 to %d, each more than the one before it, as 1,2,4",
                value, MOST_WORKERS);
            return -1;
        }
        if (add_number(s, n) < 0)
            return -1;
        before = n;
    }
    return 0;
}

static int set_runs(void *to, const char *value)
{
    if (option_number(value, 1, TIMING_RUNS, &((struct scale *)to)->runs) == 0)
        return 0;
    log_line("--runs %s: it must be a whole number from 1 to %d", value, TIMING_RUNS);
    return -1;
}

static int set_svg(void *to, const char *value)
{
    ((struct scale *)to)->svg = value;
    return 0;
}

static int set_no_svg(void *to, const char *value)
{
    (void)value;
    return set_svg(to, "");
}

static const struct option scale_options[] = {
    { "-n", "LIST", "numbers of workers; default: 1,2,4 and so on up to the usable CPUs", set_numbers },
    { "--runs", "N", "runs with each number, of which the median counts; default: 5", set_runs },
    { "--svg", "FILE", "where the picture is written; default: scale.svg", set_svg },
    { "--no-svg", NULL, "draw no picture", set_no_svg },
    { NULL, NULL, NULL, NULL }
};

/* ---- one run */

/* Adds the word, with the number in place of each {n}. */
static void add_word(struct line *l, const char *word, long n)
{
    const char *at = strstr(word, number_here);
    char *text = NULL;
    size_t size;
    FILE *f;

    if (!at) {
        line_add(l, word);
        return;
    }
    f = open_memstream(&text, &size);
    for (; f && at; word = at + strlen(number_here), at = strstr(word, number_here))
        fprintf(f, "%.*s%ld", (int)(at - word), word, n);
    if (f) {
        fputs(word, f);
        fclose(f);
    }
    line_add(l, text ? text : word);
    free(text);
}

static void child(const struct scale *s, const struct line *line, pid_t parent)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        _exit(EXIT_OURS);
    for (size_t i = 0; i < line->variable_count; i++)
        putenv(line->variables[i]);
    execv(s->path, line->words);
    _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The status of waitpid; -1: it could not be started. */
static int run(const struct scale *s, const struct line *line, double *seconds)
{
    double begin = now();
    pid_t parent = getpid(), pid = fork();
    int status = -1;

    if (pid == 0)
        child(s, line, parent);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *seconds = now() - begin;
    return status;
}

/* The exit status of kith after a run that ended with this status of waitpid; 0: all is well. */
static int judge(const struct scale *s, long workers, int status)
{
    const char *name = s->program[0];

    if (status == -1) {
        log_line("%s: it cannot be started: %s", name, strerror(errno));
        return EXIT_OURS;
    }
    if (WIFSIGNALED(status)) {
        log_line("%s was killed by signal %d (%s), with -n %ld", name, WTERMSIG(status),
                 strsignal(WTERMSIG(status)), workers);
        return EXIT_BY_SIGNAL + WTERMSIG(status);
    }
    if (WEXITSTATUS(status) != 0)
        log_line("%s: it ended with status %d, with -n %ld: its time says nothing", name, WEXITSTATUS(status),
                 workers);
    return WEXITSTATUS(status);
}

/* At a terminal, a line that shows what is running now, until it is wiped. */
static void show(const struct scale *s, const struct timing *t)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[Kkith: -n %ld, run %d of %ld ...", t->workers, t->runs + 1, s->runs);
}

static void wipe(void)
{
    int error = errno; /* of the run */

    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    errno = error;
}

static int time_once(const struct scale *s, struct timing *t)
{
    struct line line = { .count = 0 };
    char number[24];
    double seconds;
    int status;

    for (char **word = s->program; *word; word++)
        add_word(&line, *word, t->workers);
    snprintf(number, sizeof number, "%ld", t->workers);
    if (!s->has_place)
        line_set(&line, "KITH_WORKERS", number);
    show(s, t);
    status = run(s, &line, &seconds);
    wipe();
    status = judge(s, t->workers, status);
    line_free(&line);
    if (status == 0)
        timing_add(t, seconds);
    if (status == 0)
        log_info("scale: -n %ld, run %d of %ld: %.3f s", t->workers, t->runs, s->runs, seconds);
    return status;
}

static int time_all(struct scale *s)
{
    for (long run = 0; run < s->runs; run++)
        for (int i = 0; i < s->count; i++) {
            int status = time_once(s, &s->timings[i]);

            if (status != 0)
                return status;
        }
    return 0;
}

/* ---- what comes out */

/* Decimals that show four significant digits, but nothing below a microsecond. */
static int digits(double seconds)
{
    int n = 1;

    for (double limit = 100; n < 6 && seconds < limit; limit /= 10)
        n++;
    return n;
}

static void print_table(const struct scale *s)
{
    printf("| CPU cores |   Run time | Spread | Scaling | Efficiency |\n"
           "|----------:|-----------:|-------:|--------:|-----------:|\n");
    for (int i = 0; i < s->count; i++) {
        const struct timing *t = &s->timings[i];
        double median = timing_median(t), scaling = timing_scaling(t, &s->timings[0]);

        printf("| %9ld | %8.*f s | %4.0f %% | %7.2f | %8.0f %% |\n", t->workers, digits(median), median,
               100 * (timing_slowest(t) - timing_fastest(t)) / median, scaling,
               100 * scaling / (double)t->workers);
    }
}

static int draw(const struct scale *s)
{
    struct line line = { .count = 0 };
    int error;
    char *title;

    if (*s->svg == '\0')
        return 0;
    for (char **word = s->program; *word; word++)
        line_add(&line, *word);
    title = line_text(&line);
    error = picture_write(s->svg, title, s->timings, s->count);
    free(title);
    line_free(&line);
    if (error == 0)
        return 0;
    log_line("%s: the picture cannot be written: %s", s->svg, strerror(error));
    return EXIT_OURS;
}

/* ---- the command */

/* 1, 2, 4 and so on, and all CPUs. */
static void choose_numbers(struct scale *s, int cpus)
{
    for (long n = 1; n < cpus && s->count < NUMBERS - 1; n *= 2)
        add_number(s, n);
    add_number(s, cpus);
}

static int prepare(struct scale *s)
{
    int cpus = kith_usable_cpus(), status = program_check(s->program[0]);

    if (status != 0)
        return status;
    if (program_find(s->program[0], s->path) < 0) {
        log_line("%s: it cannot be found any more", s->program[0]);
        return EXIT_NOT_FOUND;
    }
    for (char **word = s->program + 1; *word; word++)
        s->has_place |= strstr(*word, number_here) != NULL;
    if (s->count == 0)
        choose_numbers(s, cpus);
    if (s->timings[s->count - 1].workers > cpus)
        log_line("-n %ld: more workers than usable CPUs here (%d): they will take turns",
                 s->timings[s->count - 1].workers, cpus);
    return 0;
}

static int scale(struct scale *s)
{
    int status = prepare(s);

    if (status == 0)
        status = time_all(s);
    if (status != 0)
        return status;
    print_table(s);
    return draw(s);
}

static int scale_main(int argc, char **argv)
{
    struct scale s = { .runs = USUAL_RUNS, .svg = "scale.svg" };
    int at = options_read(scale_options, argc, argv, &s);

    if (at == OPTIONS_HELP) {
        command_help(&command_scale);
        return 0;
    }
    if (at == OPTIONS_WRONG)
        return EXIT_OURS;
    if (at == argc) {
        log_line("scale: a program is missing: kith scale %s", command_scale.arguments);
        return EXIT_OURS;
    }
    s.program = argv + at;
    return scale(&s);
}

const struct command command_scale = { "scale", "[OPTION...] [--] PROGRAM [ARGUMENT...]",
                                       "runs a program with 1, 2, 4 ... workers, and shows how it scales",
                                       scale_options, scale_main };
