/* seal.c: see seal.h. */
#include "config.h"
#include "net/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum cipher { AES, CHACHA, CIPHERS };

enum { TAG = KITH__SEAL_EXTRA - KITH__SEAL_NONCE, PASSWORD_BYTES = KITH__SEAL_PASSWORD / 2 };

struct kith__seal {
    EVP_CIPHER_CTX *ciphers[CIPHERS]; /* NULL: not used yet */
    enum cipher cipher;               /* the one to seal with */
    unsigned char keys[CIPHERS][KITH__SEAL_KEY];
    char password[KITH__SEAL_PASSWORD];
    int mine;
    uint64_t count;                    /* of frames sealed */
    uint64_t opened[KITH__SEAL_LANES]; /* the last number that was, by lane */
};

int kith__seal_has_aes = -1;

static int has_aes(void)
{
#if defined __x86_64__ || defined __i386__
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined __aarch64__
    return (getauxval(AT_HWCAP) & HWCAP_AES) && (getauxval(AT_HWCAP) & HWCAP_PMULL);
#else
    return 0;
#endif
}

/* --------------------------------------------------------------------- keys */

static int agree(const unsigned char *secret, const unsigned char *peer, unsigned char shared[KITH__SEAL_KEY])
{
    EVP_PKEY *ours = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, KITH__SEAL_KEY),
             *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, KITH__SEAL_KEY);
    EVP_PKEY_CTX *c = ours && theirs ? EVP_PKEY_CTX_new(ours, NULL) : NULL;
    size_t size = KITH__SEAL_KEY;
    int ok = c && EVP_PKEY_derive_init(c) > 0 && EVP_PKEY_derive_set_peer(c, theirs) > 0 &&
             EVP_PKEY_derive(c, shared, &size) > 0 && size == KITH__SEAL_KEY;

    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(ours);
    return ok;
}

/* RFC 5869. Both public keys are the salt: so the directions have keys of their own. */
static int derive(const unsigned char shared[KITH__SEAL_KEY], const unsigned char salt[2 * KITH__SEAL_KEY],
                  const char *purpose, unsigned char *to, size_t size)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    int ok = c && EVP_PKEY_derive_init(c) > 0 && EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()) > 0 &&
             EVP_PKEY_CTX_set1_hkdf_salt(c, salt, 2 * KITH__SEAL_KEY) > 0 &&
             EVP_PKEY_CTX_set1_hkdf_key(c, shared, KITH__SEAL_KEY) > 0 &&
             EVP_PKEY_CTX_add1_hkdf_info(c, (const unsigned char *)purpose, (int)strlen(purpose)) > 0 &&
             EVP_PKEY_derive(c, to, &size) > 0;

    EVP_PKEY_CTX_free(c);
    return ok;
}

static int derive_all(struct kith__seal *s, const unsigned char *shared, const unsigned char *salt)
{
    unsigned char password[PASSWORD_BYTES];

    if (!derive(shared, salt, "kith-frames-aes-128-gcm", s->keys[AES], KITH__SEAL_KEY) ||
        !derive(shared, salt, "kith-frames-chacha20-poly1305", s->keys[CHACHA], KITH__SEAL_KEY) ||
        !derive(shared, salt, "kith-password", password, sizeof password))
        return 0;
    for (size_t i = 0; i < sizeof password; i++)
        snprintf(s->password + 2 * i, 3, "%02x", password[i]);
    return 1;
}

struct kith__seal *kith__seal_new(const unsigned char secret[KITH__SEAL_KEY],
                                  const unsigned char sender[KITH__SEAL_KEY],
                                  const unsigned char receiver[KITH__SEAL_KEY], int mine)
{
    unsigned char shared[KITH__SEAL_KEY], salt[2 * KITH__SEAL_KEY];
    struct kith__seal *s = calloc(1, sizeof *s);
    int ok;

    if (!s)
        return NULL;
    memcpy(salt, sender, KITH__SEAL_KEY);
    memcpy(salt + KITH__SEAL_KEY, receiver, KITH__SEAL_KEY);
    s->cipher = (kith__seal_has_aes < 0 ? has_aes() : kith__seal_has_aes) ? AES : CHACHA;
    s->mine = mine;
    ok = agree(secret, mine ? receiver : sender, shared) && derive_all(s, shared, salt);
    OPENSSL_cleanse(shared, sizeof shared);
    if (ok)
        return s;
    kith__seal_free(s);
    return NULL;
}

void kith__seal_free(struct kith__seal *s)
{
    if (!s)
        return;
    for (int i = 0; i < CIPHERS; i++)
        EVP_CIPHER_CTX_free(s->ciphers[i]);
    OPENSSL_cleanse(s, sizeof *s);
    free(s);
}

const char *kith__seal_password(const struct kith__seal *s)
{
    return s->password;
}

/* -------------------------------------------------------------------- frames */

static void write_nonce(unsigned char *to, uint32_t lane, enum cipher cipher, uint64_t count)
{
    to[0] = (unsigned char)lane;
    to[1] = (unsigned char)cipher;
    to[2] = to[3] = 0;
    for (int i = 0; i < 8; i++)
        to[4 + i] = (unsigned char)(count >> (8 * i));
}

static uint64_t read_count(const unsigned char *nonce)
{
    uint64_t count = 0;

    for (int i = 7; i >= 0; i--)
        count = count << 8 | nonce[4 + i];
    return count;
}

/* Ready for the frame of that nonce; NULL: libcrypto has no memory for it, or not this cipher. */
static EVP_CIPHER_CTX *begin(struct kith__seal *s, enum cipher cipher, const unsigned char *nonce)
{
    EVP_CIPHER_CTX **c = &s->ciphers[cipher];

    if (!*c) {
        const EVP_CIPHER *kind = cipher == AES ? EVP_aes_128_gcm() : EVP_chacha20_poly1305();

        if (!(*c = EVP_CIPHER_CTX_new()))
            return NULL;
        if (EVP_CipherInit_ex(*c, kind, NULL, s->keys[cipher], NULL, s->mine) <= 0) {
            EVP_CIPHER_CTX_free(*c);
            *c = NULL;
            return NULL;
        }
    }
    return EVP_CipherInit_ex(*c, NULL, NULL, NULL, nonce, -1) > 0 ? *c : NULL;
}

int kith__seal_close(struct kith__seal *s, uint32_t lane, unsigned char *to, const void *head,
                     size_t head_size, const void *body, size_t body_size)
{
    unsigned char *at = to + KITH__SEAL_NONCE;
    EVP_CIPHER_CTX *c;
    int n;

    write_nonce(to, lane, s->cipher, ++s->count);
    if (!(c = begin(s, s->cipher, to)) || EVP_CipherUpdate(c, at, &n, head, (int)head_size) <= 0)
        return -1;
    at += head_size;
    if (body_size > 0 && EVP_CipherUpdate(c, at, &n, body, (int)body_size) <= 0)
        return -1;
    at += body_size;
    return EVP_CipherFinal_ex(c, at, &n) > 0 && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, at) > 0
               ? 0
               : -1;
}

unsigned char *kith__seal_open(struct kith__seal *s, unsigned char *sealed, size_t *size)
{
    const uint32_t lane = *size >= KITH__SEAL_EXTRA ? sealed[0] : KITH__SEAL_LANES;
    unsigned char *at = sealed + KITH__SEAL_NONCE;
    EVP_CIPHER_CTX *c;
    uint64_t count;
    int n;

    if (lane >= KITH__SEAL_LANES || sealed[1] >= CIPHERS || (count = read_count(sealed)) <= s->opened[lane] ||
        !(c = begin(s, (enum cipher)sealed[1], sealed)))
        return NULL;
    *size -= KITH__SEAL_EXTRA;
    if (EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, at + *size) <= 0 ||
        EVP_CipherUpdate(c, at, &n, at, (int)*size) <= 0 || EVP_CipherFinal_ex(c, at + *size, &n) <= 0)
        return NULL;
    s->opened[lane] = count;
    return at;
}
