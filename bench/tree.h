/* tree.h: calls in calls, for kith/tree and peers/openmp: the unbalanced tree T1 of UTS (Olivier et al., LCPC
 * 2006), 4,130,071 nodes whose children follow from a hash of their own, and fib(30). Nothing is cut off:
 * each node, and each number, is a task. */
#ifndef TREE_H
#define TREE_H

#include <math.h>
#include <string.h>

#include "bench.h"

enum {
    TREE_NODES = 4130071,
    TREE_DEPTH = 10,
    TREE_SEED = 19,
    TREE_MOST = 100,
    FIB = 30,
    FIB_RESULT = 832040
};

struct tree_node {
    uint8_t hash[20];
    int depth;
};

static inline uint32_t rotate(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static inline void put_word(uint8_t *to, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(x >> (24 - 8 * i));
}

static inline uint32_t get_word(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* SHA-1 of a message of up to 55 bytes, which is one block. */
static inline void sha1(const uint8_t *message, size_t size, uint8_t out[20])
{
    uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    uint8_t block[64] = { 0 };

    memcpy(block, message, size);
    block[size] = 0x80;
    put_word(&block[60], (uint32_t)size * 8);
    for (int i = 0; i < 16; i++)
        w[i] = get_word(&block[4 * i]);
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                              : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t t = rotate(a, 5) + f + e + w[i];

        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    for (int i = 0; i < 5; i++)
        put_word(&out[4 * i], h[i]);
}

static inline void tree_root(struct tree_node *root)
{
    uint8_t seed[20] = { 0 };

    put_word(&seed[16], TREE_SEED);
    sha1(seed, sizeof seed, root->hash);
    root->depth = 0;
}

static inline void tree_child(const struct tree_node *parent, int i, struct tree_node *child)
{
    uint8_t message[24];

    memcpy(message, parent->hash, 20);
    put_word(&message[20], (uint32_t)i);
    sha1(message, sizeof message, child->hash);
    child->depth = parent->depth + 1;
}

/* Geometrically distributed, four in the mean, above the depth of the tree. */
static inline int tree_children(const struct tree_node *node)
{
    double u = (double)(get_word(&node->hash[16]) & 0x7fffffff) / 2147483648.0;
    int n = node->depth < TREE_DEPTH ? (int)floor(log(1.0 - u) / log(1.0 - 1.0 / 5.0)) : 0;

    return n < TREE_MOST ? n : TREE_MOST;
}

#endif
