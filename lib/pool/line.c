/* line.c: see line.h. Called by away.c and clerk.c. */
#include "config.h"
#include "pool/line.h"
#include "base/error.h"
#include "object/pipe.h"

#include <stdlib.h>
#include <string.h>

/* One is on its way there, and one back, at most: more would not go together. Larger letters go alone. */
enum { ON_THEIR_WAY = 2, MESSAGE_MOST = 65536 };

static uint64_t room_of(const struct kith__letter *r)
{
    return (sizeof *r + r->size + 7) / 8 * 8;
}

struct kith__letter *kith__letter_make(enum kith__letter_what what, uint64_t number, uint64_t size)
{
    struct kith__letter *r = malloc((sizeof *r + size + 7) / 8 * 8);

    if (!r) {
        kith__fail(KITH_ENOMEM, "no memory for a call of %llu bytes", (unsigned long long)size);
        return NULL;
    }
    *r = (struct kith__letter){ .size = size, .number = number, .what = what };
    return r;
}

int kith__line_post(struct kith__line *line, struct kith__letter *r)
{
    int over;

    pthread_mutex_lock(&line->mutex);
    if (!(over = line->over)) {
        r->next = NULL;
        *line->last = r;
        line->last = &r->next;
        pthread_cond_signal(&line->news);
    }
    pthread_mutex_unlock(&line->mutex);
    if (over)
        free(r);
    return over ? kith__fail(KITH_EPEER, "the process that makes calls on another node has ended") : 0;
}

/* ------------------------------------------------------------------ sending */

/* Under the mutex: the first one alone, or as many as go together; and their bytes. */
static struct kith__letter *take_some(struct kith__line *line, uint64_t *size)
{
    struct kith__letter *some = line->first, *r = some;

    *size = room_of(r);
    while (r->next && *size + room_of(r->next) <= MESSAGE_MOST)
        *size += room_of(r = r->next);
    if (!(line->first = r->next))
        line->last = &line->first;
    r->next = NULL;
    return some;
}

static void free_all(struct kith__letter *r)
{
    for (struct kith__letter *next; r; r = next) {
        next = r->next;
        free(r);
    }
}

static int send_together(struct kith__line *line, const struct kith__letter *some, uint64_t size)
{
    char *bytes = malloc(size), *to = bytes;
    int rc;

    if (!bytes)
        return KITH_ENOMEM;
    for (const struct kith__letter *r = some; r; to += room_of(r), r = r->next)
        memcpy(to, r, sizeof *r + r->size);
    rc = kith__pipe_pass(line->end, bytes, size);
    free(bytes);
    return rc;
}

/* What has not arrived is no more on its way. */
static void fail_to_send(struct kith__line *line, const struct kith__letter *some, int rc)
{
    if (rc == KITH_ENOMEM && room_of(some) <= MESSAGE_MOST)
        line->given_up(line);
    else if (rc == KITH_ENOMEM) {
        line->refused(line, some, rc);
        pthread_mutex_lock(&line->mutex);
        line->on_their_way--;
        pthread_mutex_unlock(&line->mutex);
    } /* else it is over, which who reads learns, too */
}

/* Under the mutex: what goes together, and the word of what was seen before it. */
static struct kith__letter *take_with_seen(struct kith__line *line, uint64_t *size)
{
    struct kith__letter *some = take_some(line, size), *r;

    if (!line->seen || !(r = kith__letter_make(KITH__LETTER_SEEN, (uint64_t)line->seen, 0)))
        return some;
    line->seen = 0;
    r->next = some;
    *size += room_of(r);
    return r;
}

/* Under the mutex, which it leaves meanwhile, as the next one. */
static void send_some(struct kith__line *line)
{
    uint64_t size;
    struct kith__letter *some;
    int rc;

    some = line->first->size > MESSAGE_MOST ? take_some(line, &size) : take_with_seen(line, &size);
    line->on_their_way++;
    pthread_mutex_unlock(&line->mutex);
    rc = some->next ? send_together(line, some, size) : kith__pipe_pass(line->end, some, room_of(some));
    if (rc < 0)
        fail_to_send(line, some, rc);
    free_all(some);
    pthread_mutex_lock(&line->mutex);
}

static void say_seen(struct kith__line *line)
{
    struct kith__letter r = { .what = KITH__LETTER_SEEN, .number = (uint64_t)line->seen };

    line->seen = 0;
    pthread_mutex_unlock(&line->mutex);
    if (kith__pipe_pass(line->end, &r, sizeof r) == KITH_ENOMEM)
        line->given_up(line);
    pthread_mutex_lock(&line->mutex);
}

/* What was seen is told also while nothing else may be sent: both sides may be waiting for that. */
static void *send_all(void *arg)
{
    struct kith__line *line = arg;

    pthread_mutex_lock(&line->mutex);
    while (!line->over)
        if (line->first && line->on_their_way < ON_THEIR_WAY)
            send_some(line);
        else if (line->seen)
            say_seen(line);
        else
            pthread_cond_wait(&line->news, &line->mutex);
    free_all(line->first);
    line->first = NULL;
    pthread_mutex_unlock(&line->mutex);
    return NULL;
}

int kith__line_open(struct kith__line *line)
{
    pthread_mutex_init(&line->mutex, NULL);
    pthread_cond_init(&line->news, NULL);
    line->last = &line->first;
    return kith__thread_begin(&line->sender, send_all, line) == 0
               ? 0
               : kith__fail(KITH_ENOMEM, "no thread can be started for asynchronous calls");
}

/* ------------------------------------------------------------------ reading */

/* Messages were, by the other side or by us. */
static void count_seen(struct kith__line *line, int by_them, int by_us)
{
    pthread_mutex_lock(&line->mutex);
    line->on_their_way -= by_them;
    line->seen += by_us;
    pthread_cond_signal(&line->news);
    pthread_mutex_unlock(&line->mutex);
}

/* 1: they are to be seen: but for the word that others were. */
static int take_letters(struct kith__line *line, char *bytes, uint64_t size)
{
    const struct kith__letter *r = (const void *)bytes;
    uint64_t at = 0;
    int alone, counts;

    if (size < sizeof *r)
        return 0;
    alone = r->size < size && room_of(r) == size;
    counts = !alone || r->what != KITH__LETTER_SEEN;
    while (bytes && at < size && size - at >= sizeof *r) {
        r = (const void *)(bytes + at);
        if (r->size > size - at - sizeof *r)
            break;
        at += room_of(r);
        if (r->what == KITH__LETTER_SEEN)
            count_seen(line, (int)r->number, 0);
        else
            line->take(line, r, alone ? &bytes : NULL);
    }
    free(bytes);
    return counts;
}

int kith__line_read(struct kith__line *line)
{
    uint64_t size;
    char *bytes;
    int rc;

    while ((rc = kith__pipe_take(line->end, &bytes, &size)) == 0)
        if (take_letters(line, bytes, size))
            count_seen(line, 0, 1);
    pthread_mutex_lock(&line->mutex);
    line->over = 1;
    pthread_cond_signal(&line->news);
    pthread_mutex_unlock(&line->mutex);
    kith__thread_join(&line->sender);
    return rc;
}
