/* family.h: what was loaded when the family began: at the same address in all processes forked since.
 *
 * A library may be closed and loaded again by then, as another build and even at the same address. What the
 * other processes have is the old one. */
#ifndef KITH_FAMILY_H
#define KITH_FAMILY_H

#include "code/image.h"

#include <stdint.h>

enum kith__kinship {
    KITH__STRANGER,  /* not at this place; it may be elsewhere, or nowhere */
    KITH__RELATIVE,  /* there, and the same */
    KITH__SUPPLANTED /* there, or elsewhere by that name, is another build */
};

/* Once, before the first fork. 0, or KITH_ENOMEM or another code with a sentence. */
int kith__family_begin(void);

uint64_t kith__family(void); /* its number, 0: there is none yet */

enum kith__kinship kith__family_kinship(const struct kith__image *image);

/* A library that was loaded then, as other hosts know it. */
struct kith__library {
    char name[43];
    unsigned char of_system; /* 1: it came with the system */
    unsigned char id[KITH__ID_SIZE];
};

/* Those that have a build-id, in the order of their names, most at the most: their number. Of a name that is
 * there twice the first one. */
size_t kith__family_libraries(struct kith__library *out, size_t most);

/* Grows whenever a library is closed: what was found before in a library may be false. Some 30 ns. */
uint64_t kith__family_closings(void);

#endif
