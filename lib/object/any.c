/* any.c: numbers and strings as keys and values of containers: what kith_set and its like make of their
 * arguments. */
#include "config.h"
#include "kith.h"

#include <string.h>

#define NUMBER(letter, T)                                                  \
    struct kith__any kith__any_##letter(T x)                               \
    {                                                                      \
        struct kith__any any = { .size = sizeof x, .type = (#letter)[0] }; \
                                                                           \
        memcpy(any.few, &x, sizeof x);                                     \
        return any;                                                        \
    }
KITH__NUMBERS(NUMBER)

size_t kith__length(const char *text)
{
    return text ? strlen(text) : 0;
}

struct kith__any kith__any_s(const char *text)
{
    return (struct kith__any){ .text = text ? text : "", .size = kith__length(text) + 1, .type = 's' };
}

static long long integer(const struct kith__any *x)
{
    union {
        int i;
        unsigned u;
        long l;
        unsigned long ul;
        long long q;
    } number;

    memcpy(&number, x->few, sizeof number);
    switch (x->type) {
    case 'i': return number.i;
    case 'I': return number.u;
    case 'l': return number.l;
    case 'L': return (long long)number.ul;
    default: return number.q;
    }
}

struct kith__any kith__any_key(struct kith__any x)
{
    return x.text || x.type == 'f' || x.type == 'd' ? x : kith__any_q(integer(&x));
}
