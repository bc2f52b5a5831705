/* module.h: parts of kith that are loaded when they are needed, because they need libraries that most
 * programs can do without. */
#ifndef KITH_MODULE_H
#define KITH_MODULE_H

/* Loads kith-NAME.so from $KITH_MODULES, else from where it was installed, once; later calls give the same
 * handle, for dlsym. NULL: it was not built, or cannot be loaded (the sentence says why). */
void *kith__module(const char *name);

#endif
