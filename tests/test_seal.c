/* test_seal.c: what encrypts pieces between two agents. */
#include "config.h"
#include "check.h"
#include "net/seal.h"

#include <openssl/evp.h>

enum { MOST = 300000 };

struct keys {
    unsigned char secret[KITH__SEAL_KEY], known[KITH__SEAL_KEY]; /* known: the public one */
};

struct line { /* from one to another */
    struct keys from, to;
    struct kith__seal *mine, *theirs;
};

static unsigned char plain[MOST], sealed[MOST + KITH__SEAL_EXTRA], again[MOST + KITH__SEAL_EXTRA];

static struct keys make_keys(unsigned char seed)
{
    struct keys k;
    size_t size = sizeof k.known;
    EVP_PKEY *pair;

    for (int i = 0; i < KITH__SEAL_KEY; i++)
        k.secret[i] = (unsigned char)(seed + 7 * i);
    pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, k.secret, sizeof k.secret);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
    CU_ASSERT_EQUAL(EVP_PKEY_get_raw_public_key(pair, k.known, &size), 1);
    EVP_PKEY_free(pair);
    return k;
}

static struct line open_line(unsigned char from, unsigned char to)
{
    struct line l = { .from = make_keys(from), .to = make_keys(to) };

    l.mine = kith__seal_new(l.from.secret, l.from.known, l.to.known, 1);
    l.theirs = kith__seal_new(l.to.secret, l.from.known, l.to.known, 0);
    CU_ASSERT_FATAL(l.mine && l.theirs);
    return l;
}

static void close_line(struct line *l)
{
    kith__seal_free(l->mine);
    kith__seal_free(l->theirs);
}

/* The first size bytes of plain, of which head stand alone, into sealed. */
static void seal(struct line *l, uint32_t lane, size_t head, size_t size)
{
    for (size_t i = 0; i < size; i++)
        plain[i] = (unsigned char)(i * 7 + (i >> 9) + size);
    CU_ASSERT_EQUAL_FATAL(kith__seal_close(l->mine, lane, sealed, plain, head, plain + head, size - head), 0);
}

/* 1: a copy of what seal made opens, as what it was. */
static int opens(struct kith__seal *s, size_t size)
{
    size_t left = size + KITH__SEAL_EXTRA;
    unsigned char *frame;

    memcpy(again, sealed, left);
    frame = kith__seal_open(s, again, &left);
    return frame && left == size && memcmp(frame, plain, size) == 0;
}

static void sizes_by(int aes)
{
    static const size_t sizes[] = { 1, 15, 16, 17, 150, 4096, 262144, MOST };
    struct line l;

    kith__seal_has_aes = aes;
    l = open_line(1, 2);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t head = 0; head <= sizes[i] && head <= 40; head += 13) {
            seal(&l, 1 + (uint32_t)i % 2, head, sizes[i]);
            CU_ASSERT(sizes[i] < 32 || !memmem(sealed, sizes[i], plain, 16));
            CU_ASSERT(opens(l.theirs, sizes[i]));
        }
    close_line(&l);
    kith__seal_has_aes = -1;
}

static void frame_opens_as_what_it_was(void)
{
    sizes_by(1);
    sizes_by(0);
}

/* A sender without instructions for AES, and one that has them. */
static void each_side_has_its_own_cipher(void)
{
    struct line l;

    kith__seal_has_aes = 0;
    l = open_line(1, 2);
    kith__seal_has_aes = 1;
    kith__seal_free(l.theirs);
    l.theirs = kith__seal_new(l.to.secret, l.from.known, l.to.known, 0);
    seal(&l, 1, 10, 1000);
    CU_ASSERT(opens(l.theirs, 1000));
    kith__seal_has_aes = -1;
    close_line(&l);
}

static void frame_of_which_a_bit_was_changed_does_not_open(void)
{
    struct line l = open_line(1, 2);
    const size_t size = 40;

    seal(&l, 1, 8, size);
    for (size_t i = 0; i < size + KITH__SEAL_EXTRA; i++)
        for (int bit = 0; bit < 8; bit++) {
            sealed[i] ^= (unsigned char)(1 << bit);
            CU_ASSERT(!opens(l.theirs, size));
            sealed[i] ^= (unsigned char)(1 << bit);
        }
    CU_ASSERT(opens(l.theirs, size));
    close_line(&l);
}

static void part_of_a_frame_does_not_open(void)
{
    struct line l = open_line(1, 2);

    seal(&l, 1, 0, 20);
    for (size_t left = 0; left < 20 + KITH__SEAL_EXTRA; left++) {
        size_t size = left;

        memcpy(again, sealed, sizeof again);
        CU_ASSERT_PTR_NULL(kith__seal_open(l.theirs, again, &size));
    }
    CU_ASSERT(opens(l.theirs, 20));
    close_line(&l);
}

/* As somebody on the way may have kept it. */
static void frame_opens_once_and_none_behind_a_later_one(void)
{
    struct line l = open_line(1, 2);
    static unsigned char first[200];

    seal(&l, 1, 0, 100);
    memcpy(first, sealed, sizeof first);
    CU_ASSERT(opens(l.theirs, 100));
    CU_ASSERT(!opens(l.theirs, 100));
    seal(&l, 1, 0, 100);
    CU_ASSERT(opens(l.theirs, 100));
    memcpy(sealed, first, sizeof first);
    CU_ASSERT(!opens(l.theirs, 100));
    close_line(&l);
}

static void lanes_overtake_each_other(void)
{
    struct line l = open_line(1, 2);
    static unsigned char first[200];

    seal(&l, 1, 0, 100);
    memcpy(first, sealed, sizeof first);
    seal(&l, 2, 0, 100);
    CU_ASSERT(opens(l.theirs, 100));
    memcpy(sealed, first, sizeof first);
    CU_ASSERT(opens(l.theirs, 100));
    close_line(&l);
}

static void frame_opens_for_nobody_else(void)
{
    struct line l = open_line(1, 2), other = open_line(1, 3), back = open_line(2, 1);

    seal(&l, 1, 0, 100);
    CU_ASSERT(!opens(other.theirs, 100));
    CU_ASSERT(!opens(back.theirs, 100)); /* the same two agents, the other way */
    CU_ASSERT(opens(l.theirs, 100));
    close_line(&back);
    close_line(&other);
    close_line(&l);
}

static void both_sides_know_the_password_and_nobody_else(void)
{
    struct line l = open_line(1, 2), other = open_line(1, 3), back = open_line(2, 1);
    const char *password = kith__seal_password(l.mine);

    CU_ASSERT_EQUAL(strlen(password), KITH__SEAL_PASSWORD - 1);
    CU_ASSERT_STRING_EQUAL(password, kith__seal_password(l.theirs));
    CU_ASSERT_STRING_NOT_EQUAL(password, kith__seal_password(other.mine));
    CU_ASSERT_STRING_NOT_EQUAL(password, kith__seal_password(back.mine));
    close_line(&back);
    close_line(&other);
    close_line(&l);
}

static struct test tests[] = { TEST(frame_opens_as_what_it_was),
                               TEST(each_side_has_its_own_cipher),
                               TEST(frame_of_which_a_bit_was_changed_does_not_open),
                               TEST(part_of_a_frame_does_not_open),
                               TEST(frame_opens_once_and_none_behind_a_later_one),
                               TEST(lanes_overtake_each_other),
                               TEST(frame_opens_for_nobody_else),
                               TEST(both_sides_know_the_password_and_nobody_else),
                               TEST_END };

int main(void)
{
    return run_tests("seal", tests);
}
