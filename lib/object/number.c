/* number.c: see number.h. */
#include "config.h"
#include "object/number.h"
#include "base/error.h"
#include "base/system.h"

#include <string.h>

/* The atomic operations of gcc and clang, since those of C11 want types of their own. at is as aligned as the
 * type; by, old, in and out need not be. */

#define LOAD_AND_STORE(letter, T)                                                               \
    static void load_##letter(const void *at, void *out, size_t n)                              \
    {                                                                                           \
        for (size_t i = 0; i < n; i++) {                                                        \
            T x;                                                                                \
                                                                                                \
            __atomic_load((const T *)at + i, &x, __ATOMIC_ACQUIRE);                             \
            memcpy((char *)out + i * sizeof x, &x, sizeof x);                                   \
        }                                                                                       \
    }                                                                                           \
    static void store_##letter(void *at, const void *in, size_t n)                              \
    {                                                                                           \
        for (size_t i = 0; i < n; i++) {                                                        \
            T x;                                                                                \
                                                                                                \
            memcpy(&x, (const char *)in + i * sizeof x, sizeof x);                              \
            __atomic_store((T *)at + i, &x, __ATOMIC_RELEASE);                                  \
        }                                                                                       \
        kith__fence();                                                                          \
    }                                                                                           \
    static int compare_exchange_##letter(void *at, void *expected, const void *desired)         \
    {                                                                                           \
        T x, y;                                                                                 \
        int rc;                                                                                 \
                                                                                                \
        memcpy(&x, expected, sizeof x);                                                         \
        memcpy(&y, desired, sizeof y);                                                          \
        rc = __atomic_compare_exchange((T *)at, &x, &y, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        memcpy(expected, &x, sizeof x);                                                         \
        return rc;                                                                              \
    }

/* *at = next, which is computed of what was seen there. */
#define REPLACE(T, at, seen, next)                                                                           \
    do {                                                                                                     \
        T wanted;                                                                                            \
                                                                                                             \
        __atomic_load((T *)(at), &(seen), __ATOMIC_SEQ_CST);                                                 \
        do                                                                                                   \
            wanted = (next);                                                                                 \
        while (                                                                                              \
            !__atomic_compare_exchange((T *)(at), &(seen), &wanted, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)); \
    } while (0)

static int no_such(int op, const char *name)
{
    if (op == KITH_AND || op == KITH_OR || op == KITH_XOR)
        return kith__fail(KITH_ETYPE, "bits of %s: KITH_AND, KITH_OR and KITH_XOR are for integers", name);
    return kith__fail(KITH_EINVAL, "%d is no enum kith_op", op);
}

/* Integers wrap around, as the instructions do. */
#define INTEGER(letter, T)                                                                  \
    LOAD_AND_STORE(letter, T)                                                               \
    static int update_##letter(void *at, int op, const void *by, void *old)                 \
    {                                                                                       \
        T x, seen;                                                                          \
                                                                                            \
        memcpy(&x, by, sizeof x);                                                           \
        switch (op) {                                                                       \
        case KITH_ADD: seen = __atomic_fetch_add((T *)at, x, __ATOMIC_SEQ_CST); break;      \
        case KITH_MIN: REPLACE(T, at, seen, x < seen ? x : seen); break;                    \
        case KITH_MAX: REPLACE(T, at, seen, x > seen ? x : seen); break;                    \
        case KITH_AND: seen = __atomic_fetch_and((T *)at, x, __ATOMIC_SEQ_CST); break;      \
        case KITH_OR: seen = __atomic_fetch_or((T *)at, x, __ATOMIC_SEQ_CST); break;        \
        case KITH_XOR: seen = __atomic_fetch_xor((T *)at, x, __ATOMIC_SEQ_CST); break;      \
        case KITH_EXCHANGE: __atomic_exchange((T *)at, &x, &seen, __ATOMIC_SEQ_CST); break; \
        default: return no_such(op, #T);                                                    \
        }                                                                                   \
        memcpy(old, &seen, sizeof seen);                                                    \
        return 0;                                                                           \
    }

#define FLOATING(letter, T)                                                                 \
    LOAD_AND_STORE(letter, T)                                                               \
    static int update_##letter(void *at, int op, const void *by, void *old)                 \
    {                                                                                       \
        T x, seen;                                                                          \
                                                                                            \
        memcpy(&x, by, sizeof x);                                                           \
        switch (op) {                                                                       \
        case KITH_ADD: REPLACE(T, at, seen, seen + x); break;                               \
        case KITH_MIN: REPLACE(T, at, seen, x < seen ? x : seen); break;                    \
        case KITH_MAX: REPLACE(T, at, seen, x > seen ? x : seen); break;                    \
        case KITH_EXCHANGE: __atomic_exchange((T *)at, &x, &seen, __ATOMIC_SEQ_CST); break; \
        default: return no_such(op, #T);                                                    \
        }                                                                                   \
        memcpy(old, &seen, sizeof seen);                                                    \
        return 0;                                                                           \
    }

INTEGER(i, int)
INTEGER(I, unsigned)
INTEGER(l, long)
INTEGER(L, unsigned long)
INTEGER(q, long long)
FLOATING(f, float)
FLOATING(d, double)

#define ROW(letter, T)                                                                           \
    static const struct kith__number of_##letter = {                                             \
        #T, sizeof(T), update_##letter, load_##letter, store_##letter, compare_exchange_##letter \
    };                                                                                           \
    _Static_assert(sizeof(T) <= KITH__NUMBER_MOST, "it fits");
KITH__NUMBERS(ROW)

const struct kith__number *const kith__numbers[128] = {
    ['i'] = &of_i, ['I'] = &of_I, ['l'] = &of_l, ['L'] = &of_L, ['q'] = &of_q, ['f'] = &of_f, ['d'] = &of_d,
};

const char *kith__type_name(int letter)
{
    const struct kith__number *n = kith__number(letter);

    if (n)
        return n->name;
    return letter == KITH__BYTES_LETTER ? "bytes" : letter == 's' ? "a string" : "an unknown type";
}
