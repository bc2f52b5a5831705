/* picture.h: run time against cores, as an SVG. */
#ifndef KITH_PICTURE_H
#define KITH_PICTURE_H

#include "timing.h"

/* Writes it to the file path: the median of each timing, its fastest and slowest run, and the ideal line
 * through the first of them. 0, or an errno. */
int picture_write(const char *path, const char *title, const struct timing *timings, int count);

#endif
