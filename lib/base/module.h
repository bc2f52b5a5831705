/* module.h: parts of kith that are loaded when they are needed, because they need libraries that most
 * programs can do without. */
#ifndef KITH_MODULE_H
#define KITH_MODULE_H

#include <stddef.h>

/* Where kith-NAME.so is: in $KITH_MODULES when that is set; else in the directory kith/ beside libkith,
 * wherever that was moved to; else where it was installed. 1 when it can be read there. */
int kith__module_path(const char *name, char *path, size_t room);

/* Loads it from there, once; later calls give the same handle, for dlsym. NULL: it was not built, or cannot
 * be loaded (the sentence says why, and on which host). */
void *kith__module(const char *name);

#endif
