/* progress.c: see progress.h. Called by call.c, service.c, imap.c and, with KITH_SERIAL=1, worker.c. */
#include "config.h"
#include "pool/progress.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "pool/attend.h"
#include "pool/board.h"
#include "pool/branch.h"
#include "pool/claim.h"
#include "pool/fault.h"
#include "pool/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* What ends sooner is not shown. A bar is drawn anew, a line is said, so often; lines less and less. */
static const int64_t bar_first_ns = 500 * KITH__MS, bar_each_ns = 100 * KITH__MS;
static const int64_t line_first_ns = 10000 * KITH__MS, line_most_ns = 60000 * KITH__MS;
enum { COLUMNS = 80, BAR_LEAST = 10, BAR_MOST = 40, TEXT = 256 };

/* A terminal has one bar: that of the call which was the first to be drawn, and has not ended. */
static struct kith__progress *_Atomic drawn;
static _Atomic int under_way;
static _Atomic int over; /* the program ends */

/* ---- texts */

struct text {
    char *at;
    size_t left; /* with the 0 at its end */
};

static void add(struct text *t, const char *format, ...) KITH_PRINTF(2, 3);

static void add(struct text *t, const char *format, ...)
{
    va_list ap;
    int wanted;

    va_start(ap, format);
    wanted = vsnprintf(t->at, t->left, format, ap);
    va_end(ap);
    if (wanted < 0 || t->left == 0)
        return;
    if ((size_t)wanted >= t->left)
        wanted = (int)t->left - 1;
    t->at += wanted;
    t->left -= (size_t)wanted;
}

static void add_number(struct text *t, double x)
{
    static const char *const units[] = { "", " k", " M", " G", " T", " P" };
    int i = 0;

    while (x >= 999.5 && i < 5) {
        x /= 1000;
        i++;
    }
    add(t, "%.3g%s", x, units[i]);
}

/* A count is shown to the last digit as long as it can be read. */
static void add_count(struct text *t, uint64_t n)
{
    if (n < 1000000)
        add(t, "%llu", (unsigned long long)n);
    else
        add_number(t, (double)n);
}

static void add_time(struct text *t, double seconds)
{
    double minutes = seconds / 60;

    if (seconds >= 100 * 3600.0)
        add(t, "%.0f h", seconds / 3600);
    else if (minutes >= 60)
        add(t, "%d:%02d:%02d", (int)(minutes / 60), (int)minutes % 60, (int)seconds % 60);
    else
        add(t, "%d:%02d", (int)minutes, (int)seconds % 60);
}

static double rate_of(const struct kith__way *w, int64_t ns)
{
    return ns > 0 ? (double)w->done * 1e9 / (double)ns : 0;
}

/* "420 of 1000, 12.5/s, 0:46 left, 3 failed" */
static void add_numbers(struct text *t, const struct kith__way *w, int64_t ns)
{
    double rate = rate_of(w, ns);

    add_count(t, w->done);
    if (w->all) {
        add(t, " of ");
        add_count(t, w->all);
    }
    add(t, ", ");
    add_number(t, rate);
    add(t, "/s");
    if (w->all && w->done > 0 && w->done < w->all) {
        add(t, ", ");
        add_time(t, (double)(w->all - w->done) / rate);
        add(t, " left");
    }
    if (w->failed) {
        add(t, ", ");
        add_count(t, w->failed);
        add(t, " failed");
    }
}

/* What has not ended is not 100 %. */
static int percent(const struct kith__way *w)
{
    return w->done >= w->all ? 100 : (int)((double)w->done * 100 / (double)w->all);
}

void kith__progress_line(const struct kith__way *w, int64_t ns, char *buf, size_t room)
{
    struct text t = { buf, room };

    add(&t, "%s: ", w->name);
    if (w->all)
        add(&t, "%d %%, ", percent(w));
    add_numbers(&t, w, ns);
}

/* Where there is no room for all, the numbers come first, then the bar, then the name. */
void kith__progress_bar(const struct kith__way *w, int64_t ns, int others, int columns, char *buf,
                        size_t room)
{
    char numbers[TEXT];
    struct text t = { numbers, sizeof numbers };
    int left, length, full;

    if (room > (size_t)columns + 1)
        room = (size_t)columns + 1;
    add_numbers(&t, w, ns);
    if (others > 0)
        add(&t, " (and %d more call%s)", others, others == 1 ? "" : "s");
    t = (struct text){ buf, room };
    left = columns - (int)strlen(numbers) - (w->all ? (int)sizeof "100 % [] " - 1 : 0);
    length = left - (int)strlen(w->name) - 1 < BAR_LEAST ? left : left - (int)strlen(w->name) - 1;
    length = length > BAR_MOST ? BAR_MOST : length;
    if (left > (w->all ? length : 0) + (int)strlen(w->name))
        add(&t, "%s ", w->name);
    if (w->all && length >= BAR_LEAST) {
        full = (int)((double)percent(w) / 100 * length);
        add(&t, "%3d %% [", percent(w));
        for (int i = 0; i < length; i++)
            add(&t, "%c", i < full ? '#' : '.');
        add(&t, "] ");
    }
    add(&t, "%s", numbers);
}

void kith__progress_sum(const struct kith__way *w, int64_t ns, char *buf, size_t room)
{
    struct text t = { buf, room };

    add(&t, "%s: ", w->name);
    add_count(&t, w->done);
    if (w->all > w->done) {
        add(&t, " of ");
        add_count(&t, w->all);
    }
    add(&t, " in ");
    add_time(&t, (double)ns / 1e9);
    add(&t, ", ");
    add_number(&t, rate_of(w, ns));
    add(&t, "/s");
    if (w->failed) {
        add(&t, ", ");
        add_count(&t, w->failed);
        add(&t, " failed");
    }
}

/* ---- where they go */

/* A terminal that knows how to erase, and which is ours to write to. */
static int is_terminal(void)
{
    const char *term = getenv("TERM");
    pid_t group;

    if (kith__log_has_handler() || !isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0)
        return 0;
    group = tcgetpgrp(STDERR_FILENO);
    return group < 0 || group == getpgrp();
}

static int columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS;
}

static void draw(struct kith__progress *s, const struct kith__way *w, int64_t ns)
{
    char text[4 * TEXT];
    int width = columns() - 1; /* in the last column the cursor of some goes to the next line */

    if (width > 3 * TEXT)
        width = 3 * TEXT;
    kith__progress_bar(w, ns, atomic_load(&under_way) - 1, width, text, sizeof text);
    kith__log_draw(text);
    s->shown++;
}

static void say(struct kith__progress *s, const struct kith__way *w, int64_t ns)
{
    char text[2 * TEXT];

    kith__progress_line(w, ns, text, sizeof text);
    kith__log_say("%s", text);
    s->shown++;
}

/* ---- its time */

void kith__progress_begin(struct kith__progress *s, const struct kith__pool *p)
{
    *s = (struct kith__progress){ 0 };
    if (!atomic_load_explicit(&p->progress, memory_order_relaxed) || kith_worker() >= 0 || kith_rank() != 0 ||
        atomic_load(&kith__member(kith__me)->role) != KITH__HEAD)
        return;
    s->as_bar = (uint32_t)is_terminal();
    s->began = kith__now_ns();
    s->at = s->began + (s->as_bar ? bar_first_ns : line_first_ns);
    atomic_fetch_add(&under_way, 1);
}

/* 1: the terminal's bar is that of s. */
static int has_bar(struct kith__progress *s)
{
    struct kith__progress *nobody = NULL;

    return atomic_load(&drawn) == s || atomic_compare_exchange_strong(&drawn, &nobody, s);
}

int64_t kith__progress_show(struct kith__progress *s, const struct kith__way *w)
{
    int64_t now, ns;

    if (s->began == 0 || atomic_load(&over))
        return -1;
    now = kith__now_ns();
    ns = now - s->began;
    if (now < s->at)
        return s->at;
    if (!s->as_bar) {
        say(s, w, ns);
        return s->at = now + (ns < line_most_ns ? ns : line_most_ns);
    }
    if (has_bar(s) && is_terminal()) /* it may be in the background meanwhile */
        draw(s, w, ns);
    if (atomic_load(&over))
        kith__log_draw(NULL);
    return s->at = now + bar_each_ns;
}

void kith__progress_end(struct kith__progress *s, const struct kith__way *w)
{
    struct kith__progress *mine = s;
    char text[2 * TEXT];

    if (s->began == 0)
        return;
    if (s->shown && !atomic_load(&over)) {
        if (s->as_bar)
            kith__log_draw(NULL);
        kith__progress_sum(w, kith__now_ns() - s->began, text, sizeof text);
        kith__log_say("%s", text);
    }
    atomic_compare_exchange_strong(&drawn, &mine, NULL);
    atomic_fetch_sub(&under_way, 1);
    s->began = 0;
}

void kith__progress_quit(void)
{
    atomic_store(&over, 1);
    kith__log_draw(NULL);
}

/* ---- jobs */

/* With what it has done of its claim, which may be half of a loop. If it begins another one meanwhile this is
 * wrong by no more than a claim, until the next look. */
static uint64_t done_by(const struct kith__cell *cell)
{
    uint64_t done = atomic_load(&cell->done), intent = atomic_load(&cell->intent),
             lo = kith__intent_lo(intent), at = atomic_load(&cell->at);

    if (!(intent & 1) || atomic_load(&cell->before) != done || at < lo ||
        at - lo >= kith__intent_length(intent))
        return done;
    return done + (at - lo);
}

static void look(struct kith__job *j, struct kith__way *w)
{
    uint64_t done = 0;

    for (uint32_t i = 0; i < j->workers; i++)
        done += done_by(&j->cells[i]);
    w->name = kith__job_name(j);
    w->all = j->n;
    w->done = done >= j->units ? j->n : (uint64_t)((double)done * ((double)j->n / (double)j->units));
    w->failed = atomic_load(&j->fault_count);
}

int64_t kith__job_progress(struct kith__job *j)
{
    struct kith__way w;

    if (j->progress.began == 0 || atomic_load(&over))
        return -1;
    if (kith__now_ns() < j->progress.at)
        return j->progress.at;
    look(j, &w);
    return kith__progress_show(&j->progress, &w);
}

void kith__job_progress_end(struct kith__job *j)
{
    struct kith__way w;

    if (j->progress.began == 0)
        return;
    look(j, &w);
    kith__progress_end(&j->progress, &w);
}

/* ---- for who wants it */

static int set_progress(kith_pool pool, int on)
{
    struct kith__object *o;
    int rc;

    if (kith__attend_is_needed(pool))
        return (int)kith__ask(pool.id, KITH__POOL_KIND, KITH__POOL_PROGRESS, on != 0);
    if ((rc = kith__pool_enter(pool, &o)) < 0)
        return rc;
    atomic_store(&kith__pool_body(o)->progress, on != 0);
    kith__object_leave(o);
    return 0;
}

int kith_pool_progress(kith_pool pool, int on)
{
    return kith__report(set_progress(pool, on));
}
