/* random.c: see random.h. */
#include "config.h"
#include "pool/random.h"
#include "base/env.h"
#include "base/error.h"
#include "member/members.h"

#include <Random123/philox.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Threads beside the main one draw index THREAD + 1, THREAD + 2 ...: no task has such an index. */
#define THREAD (UINT64_C(1) << 63)

static uint64_t seed, wish;
static int has_wish;
static _Atomic uint32_t epoch;        /* counts seeds; 0: none yet */
static _Atomic uint64_t process_name; /* stream of the main thread */
static _Atomic uint64_t threads;      /* others that drew */

static _Thread_local struct kith__stream self;

/* A bijection in which each bit of x reaches all (the finalizer of splitmix64): different names
 * give different keys. */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void kith__random_block(uint64_t key, uint64_t index, uint64_t block, uint64_t out[2])
{
    const philox4x32_ctr_t counter = { { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)block,
                                         (uint32_t)(block >> 32) } };
    const philox4x32_key_t k = { { (uint32_t)key, (uint32_t)(key >> 32) } };
    const philox4x32_ctr_t r = philox4x32_R(10, counter, k);

    out[0] = r.v[0] | (uint64_t)r.v[1] << 32;
    out[1] = r.v[2] | (uint64_t)r.v[3] << 32;
}

/* ---- the seed */

static int seed_from_text(const char *text, uint64_t *value)
{
    int hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = hex ? text + 2 : text;
    char *end;

    if (hex ? !isxdigit((unsigned char)digits[0]) : !isdigit((unsigned char)digits[0]))
        return 0; /* strtoull takes blanks, signs and a second 0x */
    errno = 0;
    *value = strtoull(digits, &end, hex ? 16 : 10);
    return errno == 0 && *end == '\0' && !(hex && (digits[1] == 'x' || digits[1] == 'X'));
}

int kith__random_init(void)
{
    const char *text = kith__env(KITH__ENV_SEED);
    uint64_t value = wish;
    int rc = 0;

    if (text && seed_from_text(text, &value))
        ;
    else {
        if (text)
            rc = kith__fail(KITH_EINVAL,
                            "KITH_SEED=%.40s is not a seed: use a number below 2^64, such as 42 or 0x2a",
                            text);
        if (!has_wish && getrandom(&value, sizeof value, 0) != sizeof value)
            return kith__fail_errno(KITH_ENOMEM, "the kernel returned no random bytes");
    }
    kith__random_set_seed(value);
    kith__random_seek(KITH__STREAM_RANK, 0, NULL);
    return rc;
}

uint64_t kith__random_seed(void)
{
    return kith__base ? kith__shared->seed : seed;
}

void kith__random_set_seed(uint64_t value)
{
    seed = value;
    if (kith__base)
        kith__shared->seed = value;
    atomic_fetch_add(&epoch, 1);
}

int kith_seed(uint64_t value)
{
    if (atomic_load(&epoch))
        return kith__report(kith__fail(
            KITH_EINVAL, "kith_seed was called after kith_init: call it before, or set KITH_SEED"));
    wish = value;
    has_wish = 1;
    return 0;
}

/* ---- streams */

void kith__random_seek(uint32_t kind, uint64_t number, const _Atomic uint64_t *index)
{
    self = (struct kith__stream){ .name = (uint64_t)kind << 60 | number, .at = index, .placed = 1 };
    if (index)
        return;
    atomic_store(&process_name, self.name);
    atomic_store(&threads, 0);
}

void kith__random_seek_task(uint64_t call, const _Atomic uint64_t *index, uint64_t first)
{
    kith__random_seek(KITH__STREAM_TASK, call, index);
    self.first = first;
}

void kith__random_save(struct kith__stream *stream)
{
    *stream = self;
}

void kith__random_restore(const struct kith__stream *stream)
{
    self = *stream;
}

/* The first draw, or the first with another seed. */
static void begin(void)
{
    if (atomic_load(&epoch) == 0)
        kith__random_init(); /* before kith_init, which will say what is wrong */
    if (!self.placed) {
        self.name = atomic_load(&process_name);
        self.index = THREAD + 1 + atomic_fetch_add(&threads, 1);
        self.placed = 1;
    }
    if (self.at)
        self.index = atomic_load_explicit(self.at, memory_order_relaxed) + self.first;
    self.epoch = atomic_load(&epoch);
    self.key = mixed(mixed(kith__random_seed()) + mixed(self.name));
    self.draws = 0;
}

uint64_t kith_random(void)
{
    uint64_t index, block[2];

    if (self.epoch == 0 || self.epoch != atomic_load_explicit(&epoch, memory_order_relaxed))
        begin();
    if (self.at && (index = atomic_load_explicit(self.at, memory_order_relaxed) + self.first) != self.index) {
        self.index = index;
        self.draws = 0;
    }
    if (self.draws++ % 2)
        return self.second;
    kith__random_block(self.key, self.index, self.draws / 2, block);
    self.second = block[1];
    return block[0];
}

double kith_uniform(double lo, double hi)
{
    double u = (double)(kith_random() >> 11) * 0x1p-53; /* 53 bits: all that a double holds */
    double width = hi - lo, x;

    x = width > -1e308 && width < 1e308 ? lo + width * u : lo * (1.0 - u) + hi * u;
    if (lo < hi ? x >= lo && x < hi : x <= lo && x > hi)
        return x;
    return lo; /* rounded to hi, or lo == hi, or there is no number between them */
}

void kith__random_reseed_libc(uint64_t value)
{
    srand((unsigned)mixed(value));
    srandom((unsigned)mixed(value));
    srand48((long)(mixed(value) >> 32));
}
