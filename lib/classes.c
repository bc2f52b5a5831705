/* classes.c: all classes of objects, by their number. Here, above all folders, as some are in higher ones. */
#include "config.h"
#include "object/class.h"

#define ROW(name, NAME) [KITH__##NAME##_KIND] = &kith__##name##_class,
const struct kith__class *const kith__classes[KITH__KINDS] = { KITH__CLASSES(ROW) };
