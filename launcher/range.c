/* range.c: see range.h. Called by hosts.c. */
#include "config.h"
#include "range.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS = 9 };

/* A number in brackets: how many digits it has, 0: it is none, or too long. */
static int read_number(const char **at, const char *end, long *n)
{
    int digits = 0;

    for (*n = 0; *at < end && **at >= '0' && **at <= '9' && digits < DIGITS; (*at)++, digits++)
        *n = *n * 10 + (**at - '0');
    return digits;
}

/* "4" or "1-4", up to a comma or the end. The digits of its first number, 0: it is no such. */
static int read_item(const char **at, const char *end, long *first, long *last)
{
    const char *begin = *at;
    int digits = read_number(at, end, first), both = digits;

    *last = *first;
    if (digits && *at < end && **at == '-') {
        (*at)++;
        both = read_number(at, end, last);
    }
    if (!both || (*at < end && **at != ',') || *last < *first)
        return 0;
    return *begin == '0' ? digits : 1;
}

static int fail(struct range *r, const char *wrong)
{
    r->wrong = wrong;
    return -1;
}

static int expand(struct range *r, size_t used, const char *at, const char *end);

/* The brackets hold what is from at to close; the rest of the word stands behind. */
static int expand_brackets(struct range *r, size_t used, const char *at, const char *close, const char *end)
{
    int rc = 0;

    do {
        long first, last;
        int width = read_item(&at, close, &first, &last);

        if (!width)
            return fail(r, "in the brackets stand numbers that rise, as in node[1-4,7]");
        for (long n = first; rc == 0 && n <= last; n++) {
            int digits = snprintf(r->name + used, sizeof r->name - used, "%0*ld", width, n);

            if (used + (size_t)digits >= sizeof r->name)
                return fail(r, "its names are too long");
            rc = expand(r, used + (size_t)digits, close + 1, end);
        }
    } while (rc == 0 && at++ < close);
    return rc;
}

static int expand(struct range *r, size_t used, const char *at, const char *end)
{
    const char *open = memchr(at, '[', (size_t)(end - at)), *close;
    size_t plain = (size_t)((open ? open : end) - at);

    if (used + plain >= sizeof r->name)
        return fail(r, "its names are too long");
    memcpy(r->name + used, at, plain);
    used += plain;
    if (!open) {
        r->name[used] = '\0';
        if (++r->count > RANGE_NAMES)
            return fail(r, "it stands for more than 65536 hosts");
        return r->take(r->to, r->name);
    }
    close = memchr(open, ']', (size_t)(end - open));
    if (!close)
        return fail(r, "brackets do not stand in brackets");
    return expand_brackets(r, used, open + 1, close, end);
}

int range_expand(struct range *r, const char *word, size_t length)
{
    r->count = 0;
    r->wrong = NULL;
    return expand(r, 0, word, word + length);
}
