/* maps.h: the memory of this process, to tell pointers from numbers. */
#ifndef KITH_MAPS_H
#define KITH_MAPS_H

#include <stdint.h>

/* 1: address was memory of the program, its libraries, its heap or a stack when this process first asked.
 * Where address spaces are randomized that is so by chance on another node only. Not below 4 GiB, where
 * programs that are not position independent have the same addresses everywhere, and numbers are found. */
int kith__maps_hold(uint64_t address);

#endif
