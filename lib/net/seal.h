/* seal.h: frames between two agents, encrypted and authenticated by libcrypto: for pieces of large items, as
 * libzmq's CURVE is a third as fast as a processor's own instructions for AES.
 *
 * Keys are those of NaCl's crypto_box: what X25519 makes of the secret key of one side and the public key of
 * the other one, here the keys for CURVE, of which each agent has a pair as long as it lives. HKDF-SHA256
 * derives from it a key for each direction and cipher, and a password. A frame is sealed by AES-128-GCM where
 * the sender's processor has instructions for it, else by ChaCha20-Poly1305. The nonce is its lane, its
 * cipher, and a number that no two frames of a sender share; on each lane it grows, so what comes again is
 * refused.
 *
 * A sealed frame: nonce, the frame encrypted, tag. Used by one thread.
 */
#ifndef KITH_NET_SEAL_H
#define KITH_NET_SEAL_H

#include <stddef.h>
#include <stdint.h>

enum {
    KITH__SEAL_KEY = 32,
    KITH__SEAL_NONCE = 12,
    KITH__SEAL_EXTRA = KITH__SEAL_NONCE + 16, /* bytes that a sealed frame has more */
    KITH__SEAL_LANES = 8,
    KITH__SEAL_PASSWORD = 33 /* a text with its end */
};

struct kith__seal; /* of frames from one agent to another one */

extern int kith__seal_has_aes; /* whether this processor has instructions for it; -1: look. Tests change it */

/* mine: 1 when frames are sealed with it, by the owner of secret; 0 when they are opened. sender, receiver:
 * public keys, of which one belongs to secret. NULL: libcrypto has no memory, or not these algorithms. */
struct kith__seal *kith__seal_new(const unsigned char secret[KITH__SEAL_KEY],
                                  const unsigned char sender[KITH__SEAL_KEY],
                                  const unsigned char receiver[KITH__SEAL_KEY], int mine);
void kith__seal_free(struct kith__seal *s);

/* By which the receiver knows the sender before its first frame. It protects from nothing but strangers that
 * send frames, which would not open: it travels in clear. */
const char *kith__seal_password(const struct kith__seal *s);

/* Seals head and body, as one frame, to where head_size + body_size + KITH__SEAL_EXTRA bytes are. 0, or -1.
 */
int kith__seal_close(struct kith__seal *s, uint32_t lane, unsigned char *to, const void *head,
                     size_t head_size, const void *body, size_t body_size);

/* The frame in a sealed one, decrypted where it is, and its size; NULL when the sender has not sealed it, or
 * when it, or a later one of its lane, was opened before. */
unsigned char *kith__seal_open(struct kith__seal *s, unsigned char *sealed, size_t *size);

#endif
