/* hosts.c: see hosts.h. Nothing in here runs anything or looks around: text in, hosts out. */
#include "config.h"
#include "hosts.h"
#include "range.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTFILE_SIZE = 16 << 20 };

/* Where the reader is. text is not ended by a 0. */
struct reader {
    struct hosts *hosts;
    const char *file; /* NULL: a list of the command line */
    int line;
    const char *at, *end; /* what is left of the line */
};

struct word {
    const char *text;
    size_t length;
};

#if defined __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
static int
wrong(struct reader *r, const char *format, ...)
{
    char *error = r->hosts->error;
    size_t room = sizeof r->hosts->error, used;
    va_list ap;

    if (r->file)
        snprintf(error, room, "%.200s:%d: ", r->file, r->line);
    else
        snprintf(error, room, "--host: ");
    used = strlen(error);
    va_start(ap, format);
    vsnprintf(error + used, room - used, format, ap);
    va_end(ap);
    return -1;
}

/* Bytes for a message: what is not text is shown as ?, and no more than 40 of them. */
static const char *shown(struct word w, char out[48])
{
    size_t n = w.length < 40 ? w.length : 40;

    for (size_t i = 0; i < n; i++)
        out[i] = (char)(w.text[i] > ' ' && w.text[i] < 127 ? w.text[i] : '?');
    snprintf(out + n, 4, "%s", n < w.length ? "..." : "");
    return out;
}

/* ---- words */

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static int is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && is_space(*r->at))
        r->at++;
}

/* The next run of bytes without space and, where until is not 0, without that. */
static struct word next_word(struct reader *r, char until)
{
    struct word w = { r->at, 0 };

    while (r->at < r->end && !is_space(*r->at) && (until == 0 || *r->at != until))
        r->at++;
    w.length = (size_t)(r->at - w.text);
    return w;
}

static int same(struct word w, const char *text)
{
    return w.length == strlen(text) && memcmp(w.text, text, w.length) == 0;
}

static char *copy(struct word w)
{
    char *text = malloc(w.length + 1);

    if (!text)
        return NULL;
    memcpy(text, w.text, w.length);
    text[w.length] = '\0';
    return text;
}

/* 1 to HOST_SLOTS; 0: it is no such number. */
static int number(struct word w)
{
    long n = 0;

    for (size_t i = 0; i < w.length; i++) {
        if (w.text[i] < '0' || w.text[i] > '9')
            return 0;
        n = n * 10 + (w.text[i] - '0');
        if (n > HOST_SLOTS)
            return 0;
    }
    return (int)n;
}

static int is_host_name(struct word w)
{
    if (w.length == 0 || w.length > HOST_NAME || w.text[0] == '-')
        return 0; /* one that begins with - would be an option to ssh */
    for (size_t i = 0; i < w.length; i++)
        if (!is_name(w.text[i]))
            return 0;
    return 1;
}

/* As fd00::7; one of a link (fe80::1%eth0) means nothing on another host. */
static int is_v6_address(struct word w)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (w.length >= sizeof text)
        return 0;
    memcpy(text, w.text, w.length);
    text[w.length] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&address);
}

/* ---- one mention of a host */

struct mention {
    struct word name, user;
    int slots, max_slots;
};

static int read_count(struct reader *r, struct word key, struct word value, int *count)
{
    char k[48], v[48];

    *count = number(value);
    if (*count > 0)
        return 0;
    if (same(value, "0"))
        return wrong(r, "%s=0: to leave that host out, put a # before its line", shown(key, k));
    return wrong(r, "%s=%s: it must be a whole number from 1 to %d", shown(key, k), shown(value, v),
                 HOST_SLOTS);
}

static int read_user(struct reader *r, struct word value, struct mention *m)
{
    char v[48];

    if (!is_host_name(value))
        return wrong(r, "%s is not a user name", shown(value, v));
    m->user = value;
    return 0;
}

static const struct {
    const char *key;
    enum hosts_form form;
    int is_max;
} settings[] = { { "slots", HOSTS_SLOTS, 0 },     { "count", HOSTS_SLOTS, 0 },
                 { "cpu", HOSTS_SLOTS, 0 },       { "max_slots", HOSTS_SLOTS, 1 },
                 { "max-slots", HOSTS_SLOTS, 1 }, { "slots_max", HOSTS_SLOTS, 1 },
                 { "slots-max", HOSTS_SLOTS, 1 }, { "user", HOSTS_USER, 0 },
                 { "username", HOSTS_USER, 0 },   { "user_name", HOSTS_USER, 0 },
                 { "user-name", HOSTS_USER, 0 } };

/* key=value, with or without space around the = */
static int read_setting(struct reader *r, struct mention *m)
{
    struct word key = next_word(r, '='), value;
    char k[48];

    skip_space(r);
    if (r->at == r->end || *r->at != '=')
        return wrong(r, "%s: after the host come settings such as slots=4", shown(key, k));
    r->at++;
    skip_space(r);
    value = next_word(r, 0);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (!same(key, settings[i].key))
            continue;
        r->hosts->forms |= (int)settings[i].form;
        if (settings[i].form == HOSTS_USER)
            return read_user(r, value, m);
        return read_count(r, key, value, settings[i].is_max ? &m->max_slots : &m->slots);
    }
    return wrong(r, "%s=: it is not one of slots=, max_slots= and user=", shown(key, k));
}

/* Splits name[:slots], where an address of IPv6 stands alone or, with slots, in brackets. Returns what is
 * behind the name: empty, or it begins with a colon. */
static struct word split_name(struct reader *r, struct word w, struct word *name)
{
    const char *end = w.text + w.length, *stop;

    *name = w;
    if (w.length > 0 && w.text[0] == '[' && (stop = memchr(w.text, ']', w.length))) {
        *name = (struct word){ w.text + 1, (size_t)(stop - w.text - 1) };
        if (is_v6_address(*name)) {
            r->hosts->forms |= HOSTS_COLON;
            return (struct word){ stop + 1, (size_t)(end - stop - 1) };
        }
        *name = w;
    }
    stop = is_v6_address(w) ? NULL : memchr(w.text, ':', w.length);
    if (!stop)
        stop = end;
    name->length = (size_t)(stop - w.text);
    return (struct word){ stop, (size_t)(end - stop) };
}

static int wrong_name(struct reader *r, struct word name)
{
    char v[48];

    if (memchr(name.text, ',', name.length))
        return wrong(r, "%s is not a host name: write one host a line, without commas", shown(name, v));
    return wrong(r, "%s is not a host name", shown(name, v));
}

static int is_range(struct word name)
{
    return memchr(name.text, '[', name.length) != NULL;
}

/* What would close it may stand behind a space, where settings are expected. */
static int check_range(struct reader *r, struct word name)
{
    const char *open = memrchr(name.text, '[', name.length);
    char v[48];

    if (memchr(open, ']', (size_t)(name.text + name.length - open)))
        return 0;
    return wrong(r, "%s: its brackets do not end: write node[1-4,7], without spaces", shown(name, v));
}

/* [user@]name[:slots] */
static int read_name(struct reader *r, struct word w, struct mention *m)
{
    const char *at = memchr(w.text, '@', w.length);
    struct word rest;
    char v[48];

    if (at) {
        struct word user = { w.text, (size_t)(at - w.text) };

        if (read_user(r, user, m) < 0)
            return -1;
        r->hosts->forms |= HOSTS_USER_AT;
        w.length -= user.length + 1;
        w.text = at + 1;
    }
    rest = split_name(r, w, &m->name);
    if (rest.length > 0) {
        struct word slots = { rest.text + 1, rest.length - 1 };

        r->hosts->forms |= HOSTS_COLON;
        m->slots = rest.text[0] == ':' ? number(slots) : 0;
        if (m->slots == 0)
            return wrong(r, "%s: after the colon comes the number of slots, from 1 to %d", shown(w, v),
                         HOST_SLOTS);
    }
    if (is_v6_address(m->name))
        r->hosts->forms |= HOSTS_V6;
    else if (is_range(m->name))
        r->hosts->forms |= HOSTS_RANGE;
    else if (!is_host_name(m->name))
        return wrong_name(r, m->name);
    return is_range(m->name) ? check_range(r, m->name) : 0;
}

/* ---- the table of hosts */

/* The buckets are a hash table, at most half full: each the number of a host + 1, 0: free. That of name,
 * or where it would be. */
static size_t bucket_of(const struct hosts *h, struct word name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    size_t at;

    for (size_t i = 0; i < name.length; i++)
        hash = (hash ^ (unsigned char)name.text[i]) * UINT64_C(0x100000001b3);
    at = (size_t)(hash ^ hash >> 32) & (h->room - 1);
    while (h->buckets[at] != 0 && !same(name, h->all[h->buckets[at] - 1].name))
        at = (at + 1) & (h->room - 1);
    return at;
}

static struct host *find(struct hosts *h, struct word name)
{
    int found = h->room > 0 ? h->buckets[bucket_of(h, name)] : 0;

    return found > 0 ? &h->all[found - 1] : NULL;
}

/* Room for twice as many. */
static int grow(struct hosts *h)
{
    size_t room = h->room ? 2 * h->room : 16;
    struct host *more = realloc(h->all, room / 2 * sizeof *more);
    int *buckets = calloc(room, sizeof *buckets);

    if (more)
        h->all = more;
    if (!more || !buckets) {
        free(buckets);
        return -1;
    }
    free(h->buckets);
    h->buckets = buckets;
    h->room = room;
    for (int i = 0; i < h->count; i++)
        buckets[bucket_of(h, (struct word){ h->all[i].name, strlen(h->all[i].name) })] = i + 1;
    return 0;
}

static struct host *add(struct hosts *h, struct word name, int line)
{
    struct host new = { .name = copy(name), .line = line };

    if (!new.name || ((size_t)h->count == h->room / 2 && grow(h) < 0)) {
        free(new.name);
        return NULL;
    }
    h->buckets[bucket_of(h, name)] = h->count + 1;
    h->all[h->count] = new;
    return &h->all[h->count++];
}

static int enter_one(struct reader *r, const struct mention *m, struct word name)
{
    struct host *host = find(r->hosts, name);
    char v[48];

    if (!host && !(host = add(r->hosts, name, r->line)))
        return wrong(r, "no memory");
    host->bare += m->slots == 0;
    if (m->user.length && host->user && !same(m->user, host->user))
        return wrong(r, "%s has another user in line %d", host->name, host->line);
    if (m->user.length && !host->user && !(host->user = copy(m->user)))
        return wrong(r, "no memory");
    if (m->slots > HOST_SLOTS - host->slots)
        return wrong(r, "%s: more than %d slots", shown(name, v), HOST_SLOTS);
    host->slots += m->slots;
    if (m->max_slots && (host->max_slots == 0 || m->max_slots < host->max_slots))
        host->max_slots = m->max_slots;
    if (host->max_slots && host->slots > host->max_slots)
        return wrong(r, "%s: slots=%d is more than max_slots=%d", host->name, host->slots, host->max_slots);
    return 0;
}

struct entering {
    struct reader *reader;
    const struct mention *mention;
};

static int take_name(void *to, const char *name)
{
    const struct entering *e = to;
    struct word w = { name, strlen(name) };

    return is_host_name(w) ? enter_one(e->reader, e->mention, w) : wrong_name(e->reader, w);
}

/* All hosts that its name stands for. */
static int enter(struct reader *r, const struct mention *m)
{
    struct entering e = { r, m };
    struct range range = { .take = take_name, .to = &e };
    char v[48];
    int rc;

    if (!is_range(m->name))
        return enter_one(r, m, m->name);
    rc = range_expand(&range, m->name.text, m->name.length);
    return range.wrong ? wrong(r, "%s: %s", shown(m->name, v), range.wrong) : rc;
}

/* A host without a number stands for all of its CPUs; but where one is repeated, each mention is a slot. */
static int finish(struct reader *r)
{
    struct hosts *h = r->hosts;
    int repeated = 0;
    long total = 0;

    if (h->count == 0) {
        snprintf(h->error, sizeof h->error, "%s: no hosts in it", r->file ? r->file : "--host");
        return -1;
    }
    for (int i = 0; i < h->count; i++)
        repeated |= h->all[i].bare > 1;
    for (int i = 0; i < h->count; i++) {
        if (repeated || h->all[i].slots > 0)
            h->all[i].slots += h->all[i].bare;
        total += h->all[i].slots;
    }
    if (total > HOST_SLOTS)
        return wrong(r, "more than %d slots in all", HOST_SLOTS);
    return 0;
}

/* ---- lines and lists */

static int read_line(struct reader *r)
{
    struct mention m = { .slots = 0 };
    int rc;

    skip_space(r);
    if (r->at == r->end)
        return 0;
    rc = read_name(r, next_word(r, 0), &m);
    while (rc == 0) {
        skip_space(r);
        if (r->at == r->end)
            return enter(r, &m);
        rc = read_setting(r, &m);
    }
    return rc;
}

int hosts_read(struct hosts *h, const char *text, size_t size, const char *file)
{
    struct reader r = { .hosts = h, .file = file, .line = 1 };
    const char *at = text, *end = text + size;

    memset(h, 0, sizeof *h);
    if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return wrong(&r, "it is UTF-16: save it as UTF-8");
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        at += 3; /* the mark that some editors put before a text */
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *comment;

        r.at = at;
        r.end = newline ? newline : end;
        comment = memchr(at, '#', (size_t)(r.end - at));
        at = newline ? newline + 1 : end;
        if (comment)
            r.end = comment;
        if (read_line(&r) < 0)
            return -1;
        r.line += newline != NULL && at < end;
    }
    return finish(&r);
}

/* Up to a comma that does not stand in brackets. */
static size_t item_length(const char *at)
{
    int inside = 0;
    size_t n = 0;

    for (; at[n] && (at[n] != ',' || inside); n++)
        inside = at[n] == '[' || (inside && at[n] != ']');
    return n;
}

int hosts_list(struct hosts *h, const char *list)
{
    struct reader r = { .hosts = h };
    int rc = 0;

    memset(h, 0, sizeof *h);
    for (const char *at = list; rc == 0 && at;) {
        struct word w = { at, item_length(at) };
        struct mention m = { .slots = 0 };

        at = at[w.length] ? at + w.length + 1 : NULL;
        if (*list && (w.length == 0 || memchr(w.text, ' ', w.length)))
            return wrong(&r, "\"%.100s\": write node1,node2 without spaces or empty items", list);
        rc = *list ? read_name(&r, w, &m) : finish(&r);
        if (rc == 0)
            rc = enter(&r, &m);
    }
    return rc < 0 ? rc : finish(&r);
}

/* The whole file in *text. */
static int read_all(struct hosts *h, FILE *f, const char *path, char **text, size_t *size)
{
    size_t room = 0;

    for (;;) {
        if (*size == room) {
            char *more = realloc(*text, room = room ? 2 * room : 4096);

            if (!more)
                break;
            *text = more;
        }
        *size += fread(*text + *size, 1, room - *size, f);
        if (ferror(f))
            break;
        if (feof(f))
            return 0;
        if (*size > HOSTFILE_SIZE) {
            snprintf(h->error, sizeof h->error, "%.200s: it is larger than any hostfile", path);
            return -1;
        }
    }
    snprintf(h->error, sizeof h->error, "%.200s: cannot read it: %s", path, strerror(errno));
    return -1;
}

int hosts_load(struct hosts *h, const char *path)
{
    int from_stdin = strcmp(path, "-") == 0;
    FILE *f = from_stdin ? stdin : fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    int rc;

    memset(h, 0, sizeof *h);
    if (!f) {
        snprintf(h->error, sizeof h->error, "%.200s: cannot open it: %s", path, strerror(errno));
        return -1;
    }
    rc = read_all(h, f, path, &text, &size);
    if (rc == 0)
        rc = hosts_read(h, text, size, from_stdin ? "standard input" : path);
    free(text);
    if (!from_stdin)
        fclose(f);
    return rc;
}

void hosts_free(struct hosts *h)
{
    for (int i = 0; i < h->count; i++) {
        free(h->all[i].name);
        free(h->all[i].user);
    }
    free(h->all);
    free(h->buckets);
    memset(h, 0, sizeof *h);
}

int hosts_slots(const struct hosts *h)
{
    int total = 0;

    for (int i = 0; i < h->count; i++) {
        if (h->all[i].slots == 0)
            return 0;
        total += h->all[i].slots;
    }
    return total;
}
