/* handle.h: the layout of a handle, which nobody else knows.
 *
 * Bit 63 set: a failed constructor (error.c). Else the number of the home node in bits 48 to 61, the slot in
 * 32 to 47, the generation in 0 to 31. Generations begin at 1, so no handle is 0. Bit 62 is for a class whose
 * handles mean a part of the object, as an end of a Pipe: it takes the bit out before anybody else looks.
 */
#ifndef KITH_HANDLE_H
#define KITH_HANDLE_H

#include <stdint.h>

#define KITH__HANDLE_PART (UINT64_C(1) << 62)

static inline uint64_t kith__handle(uint32_t home, uint64_t slot, uint64_t generation)
{
    return (uint64_t)home << 48 | slot << 32 | generation;
}

static inline uint32_t kith__handle_home(uint64_t id)
{
    return (uint32_t)(id >> 48 & 0x7fff);
}

static inline uint32_t kith__handle_slot(uint64_t id)
{
    return (uint32_t)(id >> 32 & 0xffff);
}

static inline uint32_t kith__handle_generation(uint64_t id)
{
    return (uint32_t)id;
}

#endif
