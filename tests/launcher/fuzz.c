/* fuzz.c: the two readers of the launcher, hostfiles and the filter, with text that nobody would write: cut
 * at each byte, bytes changed, random bytes. Plain program: prints ok and FAIL lines. The seed is fixed;
 * KITH_TEST_SEED=n takes another.
 */
#include "config.h"
#include "hosts.h"
#include "filter.h"
#include "tags.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t state = 1;
static int failed;

/* splitmix64 */
static uint32_t any(uint32_t below)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) >> 32) % below;
}

static void result(const char *name, int right)
{
    printf("%s %s\n", right ? "ok" : "FAIL", name);
    failed |= !right;
}

static int complain(const char *what, const char *text, size_t size)
{
    printf("  %s:\n", what);
    fwrite(text, 1, size, stdout);
    putchar('\n');
    return 0;
}

/* ---- hostfiles */

static const char good[] = "# hosts of ours\n"
                           "node1 slots=4 max_slots=8\n"
                           "node2:2\n"
                           "\n"
                           "ann@node3.example.org slots = 16 # fast\r\n"
                           "10.0.0.7 cpu=1 user=bob\n"
                           "node5\n"
                           "fd00::6 slots=2\n"
                           "[fd00::7]:3\n"
                           "rack[1-2]node[08-11,20] slots=2\n";

static int is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    struct in6_addr address;

    if (inet_pton(AF_INET6, name, &address) == 1)
        return 1;
    return *name && *name != '-' && strlen(name) <= HOST_NAME && name[strspn(name, letters)] == '\0';
}

/* What is true of all hosts that were read, whatever the text was. */
static int is_sound(const struct hosts *h)
{
    long total = 0;

    for (int i = 0; i < h->count; i++) {
        const struct host *host = &h->all[i];

        if (!is_name(host->name) || (host->user && !is_name(host->user)) || host->slots < 0 || host->line < 1)
            return 0;
        if (host->max_slots && host->slots > host->max_slots)
            return 0;
        for (int k = i > 500 ? i - 500 : 0; k < i; k++) /* a range may stand for very many */
            if (strcmp(h->all[k].name, host->name) == 0)
                return 0;
        total += host->slots;
    }
    return h->count > 0 && total <= HOST_SLOTS && h->error[0] == '\0';
}

/* Written in the plainest form, they are read as the same again. */
static int reads_again(const struct hosts *h)
{
    struct hosts again;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    int same;

    if (!f)
        return 0;
    for (int i = 0; i < h->count; i++)
        fprintf(f, h->all[i].slots ? "%s slots=%d\n" : "%s\n", h->all[i].name, h->all[i].slots);
    fclose(f);
    same = hosts_read(&again, text, size, "again") == 0 && again.count == h->count;
    for (int i = 0; same && i < h->count; i++)
        same = strcmp(again.all[i].name, h->all[i].name) == 0 && again.all[i].slots == h->all[i].slots;
    hosts_free(&again);
    free(text);
    return same;
}

/* text is copied to a block of its own size, so that a sanitizer sees a byte too far. */
static int read_one(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    struct hosts h;
    int rc, right;

    if (!copy)
        return 0;
    memcpy(copy, text, size);
    rc = hosts_read(&h, copy, size, "fuzz");
    if (rc == 0)
        right = is_sound(&h) && reads_again(&h);
    else
        right = strncmp(h.error, "fuzz:", 5) == 0 && strlen(h.error) > 6 && !strchr(h.error, '\n');
    if (!right)
        complain(rc == 0 ? "wrong hosts" : h.error, text, size);
    hosts_free(&h);
    free(copy);
    return right;
}

static int cut_at_each_byte(void)
{
    int right = 1;

    for (size_t n = 0; n < sizeof good && right; n++)
        right = read_one(good, n) && read_one(good + n, sizeof good - 1 - n);
    return right;
}

static int changed_bytes(void)
{
    static const char likely[] = "\0\n\r\t #=:@,-.[]0129azNslots\377\200";
    char text[sizeof good];
    int right = 1;

    for (int round = 0; round < 100000 && right; round++) {
        memcpy(text, good, sizeof good);
        for (uint32_t k = any(8) + 1; k > 0; k--)
            text[any(sizeof good - 1)] = any(2) ? likely[any(sizeof likely)] : (char)any(256);
        right = read_one(text, sizeof good - 1);
    }
    return right;
}

static int random_bytes(void)
{
    char text[200];
    int right = 1;

    for (int round = 0; round < 100000 && right; round++) {
        size_t size = any(sizeof text);

        for (size_t i = 0; i < size; i++)
            text[i] = (char)any(256);
        right = read_one(text, size);
    }
    return right;
}

/* Lines of words that it knows, in any order. */
static int random_words(void)
{
    static const char *const words[] = { "node1", "node2",     ":",  "4",    "1000000", "99999999999",
                                         "slots", "max_slots", "=",  " ",    "\n",      "user",
                                         "@",     "#",         "-1", "\r",   "0",       "[",
                                         "]",     ",",         "-",  "[1-3]" };
    char text[400];
    int right = 1;

    for (int round = 0; round < 100000 && right; round++) {
        size_t size = 0;

        for (uint32_t k = any(30); k > 0; k--) {
            const char *word = words[any(sizeof words / sizeof words[0])];

            memcpy(text + size, word, strlen(word));
            size += strlen(word);
        }
        right = read_one(text, size);
    }
    return right;
}

/* ---- the filter */

static enum filter_line line_is(void *arg, const char *line, int inside)
{
    (void)arg;
    if (inside)
        return strcmp(line, "-end") == 0 ? FILTER_CLOSE : FILTER_MORE;
    if (strcmp(line, "-begin") == 0)
        return FILTER_OPEN;
    if (strcmp(line, "-drop") == 0)
        return FILTER_DROP;
    return strcmp(line, "-hold") == 0 ? FILTER_HOLD : FILTER_PASS;
}

static enum filter_message message_is(void *arg, const char *text)
{
    (void)arg;
    return strstr(text, "all") ? FILTER_TAKEN_ALL : strstr(text, "ours") ? FILTER_TAKEN : FILTER_FOREIGN;
}

static const struct filter_judge judges[] = { { "-", line_is, message_is, NULL },
                                              { NULL, line_is, message_is, NULL } };

/* What comes out of the text when it is fed in pieces of at most piece bytes, without a pause. */
static size_t sift(const struct filter_judge *judge, const char *text, size_t size, uint32_t piece, char *out,
                   size_t room)
{
    struct filter s;
    int ends[2];
    ssize_t n;
    size_t got = 0;

    if (pipe(ends) != 0)
        exit(99);
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    filter_init(&s, judge, ends[1]);
    for (size_t at = 0, k; at < size; at += k) {
        k = any(piece) + 1;
        k = k < size - at ? k : size - at;
        filter_feed(&s, text + at, k, 0);
    }
    filter_end(&s);
    close(ends[1]);
    while ((n = read(ends[0], out + got, room - got)) > 0)
        got += (size_t)n;
    close(ends[0]);
    return got;
}

/* The pieces in which it comes make no difference; what has no dash at the beginning of a line comes out as
 * it is. */
static int pieces_make_no_difference(void)
{
    static const char *const lines[] = {
        "-begin\n", "-end\n", "-drop\n", "-hold\n", "all\n", "ours\n", "-\n",
        "text\n",   "\n",     "-beg",    "in\n",    "-drop", "x",      "\r\n"
    };
    static char text[1 << 16], whole[1 << 17], pieces[1 << 17];
    int right = 1;

    for (int round = 0; round < 20000 && right; round++) {
        const struct filter_judge *judge = &judges[any(2)];
        size_t size = 0, a, b;

        for (uint32_t k = any(40); k > 0; k--) {
            const char *line = lines[any(sizeof lines / sizeof lines[0])];

            memcpy(text + size, line, strlen(line));
            size += strlen(line);
        }
        a = sift(judge, text, size, 1 << 16, whole, sizeof whole);
        b = sift(judge, text, size, any(12) + 1, pieces, sizeof pieces);
        right = a == b && memcmp(whole, pieces, a) == 0;
        if (!right)
            complain("comes out in two ways", text, size);
    }
    return right;
}

static int bytes_pass(void)
{
    static char text[100000], out[200000];
    int right = 1;

    for (int round = 0; round < 300 && right; round++) {
        size_t size = any(sizeof text), n;

        for (size_t i = 0; i < size; i++)
            text[i] = any(20) ? (char)any(256) : '\n';
        for (size_t i = 0; i < size; i++) /* no line of -begin, -drop or -end can come of that */
            if (text[i] == '-')
                text[i] = '+';
        n = sift(&judges[round % 2], text, size, 5000, out, sizeof out);
        right = n == size && memcmp(out, text, n) == 0;
    }
    return right;
}

static int long_lines_pass(void)
{
    static char text[3 * FILTER_ROOM], out[4 * FILTER_ROOM];
    int right = 1;

    for (size_t size = FILTER_ROOM - 3; size < FILTER_ROOM + 4 && right; size++) {
        memset(text, '-', size);
        text[size] = '\n';
        memcpy(text + size + 1, "-drop\nx\n", 8);
        right = sift(&judges[0], text, size + 9, 100, out, sizeof out) == size + 3 &&
                memcmp(out, text, size + 1) == 0;
    }
    return right;
}

/* When what is held passes, for one who looks as often as he is told to; 0: too early, or never. */
static int passes_after(struct filter *s, int fd, int begin)
{
    int now = begin;
    char early;

    while (filter_wait(s, now) >= 0 && now < begin + 10000) {
        if (read(fd, &early, 1) >= 0)
            return 0;
        now += filter_wait(s, now);
        filter_late(s, now);
    }
    return now < begin + 10000 ? now - begin : 0;
}

static int what_is_held_too_long_passes(void)
{
    struct filter s;
    char out[16] = "";
    int ends[2], right;

    if (pipe(ends) != 0)
        return 0;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    filter_init(&s, &judges[0], ends[1]);
    filter_feed(&s, "-beg", 4, 1000);
    if (passes_after(&s, ends[0], 1000) < 20)
        return 0;
    if (read(ends[0], out, sizeof out) != 4 || memcmp(out, "-beg", 4) != 0)
        return 0;
    filter_feed(&s, "in\n-drop\nx\n", 11,
                12000); /* the rest of that line passes, whatever it would have made */
    memset(out, 0, sizeof out);
    right = read(ends[0], out, sizeof out) == 5 && strcmp(out, "in\nx\n") == 0;
    close(ends[0]);
    close(ends[1]);
    return right;
}

/* Nobody could write meanwhile: one late look is no reason to let a part pass. */
static int a_machine_may_stand_still(void)
{
    struct filter s;
    char out[16];
    int ends[2], right;

    if (pipe(ends) != 0)
        return 0;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    filter_init(&s, &judges[0], ends[1]);
    filter_feed(&s, "-be", 3, 1000);
    filter_late(&s, 3000);
    filter_feed(&s, "gin\nours\n", 9, 3000);
    filter_late(&s, 9000);
    filter_feed(&s, "-end\n", 5, 9000);
    right = read(ends[0], out, sizeof out) < 0;
    close(ends[0]);
    close(ends[1]);
    return right;
}

/* ---- frames of ranks, among lines of mpirun */

static void add_frame(char *text, size_t *size)
{
    char data[300];
    size_t n = any(5) ? any(sizeof data) : any(8);

    for (size_t i = 0; i < n; i++)
        data[i] = any(9) ? (char)('a' + any(26)) : any(2) ? '\n' : FRAME_BEGIN;
    *size += (size_t)sprintf(text + *size, "%c%c%u node%u %zu\n", FRAME_BEGIN, "oen"[any(3)], any(4), any(2),
                             any(50) ? n : n + 1);
    memcpy(text + *size, data, n);
    *size += n;
}

/* What comes out on both streams when the text is fed in pieces of at most piece bytes. */
static size_t tell_apart(const char *text, size_t size, uint32_t piece, char *out, size_t room)
{
    struct tags tags = { .used = 0 };
    struct filter streams[2];
    size_t got = 0;
    int ends[2];
    ssize_t n;

    if (pipe(ends) != 0)
        exit(99);
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    filter_init(&streams[0], &judges[0], ends[1]);
    filter_init(&streams[1], &judges[0], ends[1]);
    for (size_t at = 0, k; at < size; at += k) {
        k = any(piece) + 1;
        k = k < size - at ? k : size - at;
        tags_feed(&tags, text + at, k, 0, &streams[0], &streams[1]);
    }
    tags_end(&tags, 0, &streams[0], &streams[1]);
    filter_end(&streams[0]);
    filter_end(&streams[1]);
    close(ends[1]);
    while ((n = read(ends[0], out + got, room - got)) > 0)
        got += (size_t)n;
    close(ends[0]);
    return got;
}

static int frames_come_whole(void)
{
    static char text[1 << 16], whole[1 << 18], pieces[1 << 18];
    int right = 1;

    for (int round = 0; round < 3000 && right; round++) {
        size_t size = 0, a, b;

        for (uint32_t k = any(30); k > 0; k--)
            if (any(4))
                add_frame(text, &size);
            else
                size += (size_t)sprintf(text + size, any(3) ? "mpirun says\n" : "%c", FRAME_BEGIN);
        a = tell_apart(text, size, 1 << 16, whole, sizeof whole);
        b = tell_apart(text, size, any(12) + 1, pieces, sizeof pieces);
        right = a == b && memcmp(whole, pieces, a) == 0;
        if (!right)
            complain("comes out in two ways", text, size);
    }
    return right;
}

int main(void)
{
    const char *seed = getenv("KITH_TEST_SEED");

    if (seed)
        state = strtoull(seed, NULL, 10);
    result("a hostfile cut at each byte", cut_at_each_byte());
    result("a hostfile with changed bytes", changed_bytes());
    result("random bytes for a hostfile", random_bytes());
    result("random words for a hostfile", random_words());
    result("the filter: pieces make no difference", pieces_make_no_difference());
    result("the filter: bytes pass as they are", bytes_pass());
    result("the filter: long lines pass", long_lines_pass());
    result("the filter: what is held too long passes", what_is_held_too_long_passes());
    result("the filter: a machine may stand still", a_machine_may_stand_still());
    result("frames of ranks: pieces make no difference", frames_come_whole());
    return failed;
}
