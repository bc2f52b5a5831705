/* dice.h: random numbers of which a seed decides. Each actor's step, each task and each Process has dice of
 * its own, so what one draws does not depend on how fast the others are. */
#ifndef CHAOS_DICE_H
#define CHAOS_DICE_H

#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t mixed(uint64_t x) /* splitmix64 */
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t roll(struct dice *d, uint64_t sides)
{
    return mixed(d->state += UINT64_C(0x9e3779b97f4a7c15)) % sides;
}

/* Those of a and b in the history of that seed. */
static inline struct dice dice_of(uint64_t seed, uint64_t a, uint64_t b)
{
    return (struct dice){ mixed(seed + mixed(a * 1000003 + mixed(b + 12345))) };
}

#endif
