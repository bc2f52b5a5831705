/* losses.c: how a job ends that mpirun is told to continue whatever happens (launcher/loss.c): without ranks,
 * and with a clock of its own. */
#include "config.h"
#include "loss.h"
#include "frame.h"
#include "tags.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int failed;

static void result(const char *name, int right)
{
    printf("%s %s\n", right ? "ok" : "FAIL", name);
    failed |= !right;
}

/* Notes as "rank text" in their order, half a second apart; then nobody says anything more, and mpirun ends
 * with that status after so many of our signals. */
enum { APART_MS = 500 }; /* less than anything is waited for */

struct play {
    const char *name;
    const char *notes[8];
    int signals, mpirun; /* it ends by itself with 0 signals */
    int status;          /* what comes out */
    long long begins;    /* of our signals, ms after the first note; -1: there must be none */
};

static const struct play plays[] = {
    { "all ends well", { "0 stands", "0 ends 000", "1 gone 2", "0 gone 2" }, 0, 0, 0, -1 },
    { "mpirun does not return", { "0 stands", "0 ends 000", "0 gone 2" }, 1, 1, 0, 3500 },
    { "the program's own status", { "0 stands", "0 ends 007", "0 gone 2" }, 0, 0, 7, -1 },
    { "MPI_Finalize comes back", { "0 stands", "0 ends 007 soon", "0 ends 007", "0 gone 2" }, 1, 1, 7, 4000 },
    { "MPI_Finalize does not", { "0 stands", "0 ends 007 soon" }, 1, 1, 7, 15500 },
    { "a lost rank costs nothing", { "0 stands", "1 gone 3", "0 ends 000 lost", "0 gone 3" }, 1, 1, 0, 2500 },
    { "mpirun is ended by force", { "0 stands", "0 ends 003 lost", "0 gone 3" }, 4, 137, 3, 2000 },
    { "a crash of the head", { "0 stands", "0 ends 139", "0 gone 2" }, 1, 1, 139, 3500 },
    { "the head is killed", { "0 stands", "0 gone 2" }, 1, 1, 137, 3500 },
    { "what mpirun itself has to complain of", { "0 stands", "0 ends 000", "0 gone 2" }, 0, 5, 5, -1 },
    { "usage, said by all", { "1 ends 002", "1 gone 2", "0 ends 002", "0 gone 2" }, 0, 0, 2, -1 },
    { "one ends before the start", { "1 ends 004", "1 gone 3" }, 1, 1, 4, 3500 },
    { "one is killed before the start", { "2 gone 3" }, 1, 1, 1, 3000 },
    { "one ends with 0 before the start", { "1 ends 000", "1 gone 3" }, 1, 1, 1, 3500 },
    { "the head's host is lost", { "0 stands", "1 gone 3", "2 gone 3" }, 1, 1, 1, 11000 },
    { "mpirun does not even start", { NULL }, 0, 213, 213, -1 },
    { "notes that make no sense",
      { "0 ", "0 stand", "1 stands", "0 gone", "0 ends", "7 nothing" },
      0,
      9,
      9,
      -1 }
};

static int come_out(const struct play *p)
{
    struct loss l = { .stands = 0 };
    long long now = 1000, begins = -1;
    int signals = 0, last = 0;

    for (int i = 0; i < 8 && p->notes[i]; i++, now += APART_MS)
        loss_note(&l, p->notes[i][0] - '0', "node1", p->notes[i] + 2, now);
    while (signals < p->signals && loss_wait(&l, now) >= 0) {
        now += loss_wait(&l, now);
        last = loss_signal(&l, now);
        if (signals++ == 0)
            begins = now - 1000;
    }
    if (last != (signals > 3 ? SIGKILL : signals > 0 ? SIGTERM : 0) || signals != p->signals)
        return printf("    %d signals, the last is %d\n", signals, last) < 0;
    if (begins != p->begins || loss_status(&l, p->mpirun) != p->status)
        return printf("    status %d, ended after %lld ms\n", loss_status(&l, p->mpirun), begins) < 0;
    return 1;
}

/* ---- how notes come */

struct heard {
    char text[256];
};

static void hear(void *arg, long rank, const char *host, const char *text)
{
    struct heard *h = arg;
    size_t used = strlen(h->text);

    snprintf(h->text + used, sizeof h->text - used, "%ld %s %s;", rank, host, text);
}

/* Between lines of the program, in pieces of any size; nothing of them reaches people. */
static int notes_are_taken_out(size_t piece)
{
    static const struct filter_judge judge = { "", NULL, NULL, NULL };
    static const char from[] = "a line\n\x1en0 node1 6\nstands\x1e"
                               "e1 node2 5\nanoth\x1en2 node2 6\ngone 3\x1e"
                               "e1 node2 3\ner\nend\n";
    struct heard h = { "" };
    struct tags tags = { .bare = 1, .note = hear, .arg = &h };
    struct filter streams[2];
    char out[256] = "";
    int ends[2];
    ssize_t n;

    if (pipe(ends) != 0)
        return 0;
    filter_init(&streams[0], &judge, ends[1]);
    filter_init(&streams[1], &judge, ends[1]);
    for (size_t at = 0; at < sizeof from - 1; at += piece)
        tags_feed(&tags, from + at, piece < sizeof from - 1 - at ? piece : sizeof from - 1 - at, 0,
                  &streams[0], &streams[1]);
    tags_end(&tags, 0, &streams[0], &streams[1]);
    filter_end(&streams[0]);
    filter_end(&streams[1]);
    close(ends[1]);
    n = read(ends[0], out, sizeof out - 1);
    close(ends[0]);
    return n > 0 && strcmp(out, "a line\nanother\nend\n") == 0 &&
           strcmp(h.text, "0 node1 stands;2 node2 gone 3;") == 0;
}

int main(void)
{
    int right = 1;

    for (size_t i = 0; i < sizeof plays / sizeof plays[0]; i++)
        result(plays[i].name, come_out(&plays[i]));
    for (size_t piece = 1; piece < 80; piece++)
        right &= notes_are_taken_out(piece);
    result("notes between lines", right);
    return failed;
}
