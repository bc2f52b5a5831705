/* cxxname.h: the names of C++ functions, for messages. */
#ifndef KITH_CXXNAME_H
#define KITH_CXXNAME_H

#include <stddef.h>

/* The symbol as its program has it, without its arguments: of _ZN2ns5countEi ns::count, of a lambda in main
 * main::lambda. Templates, operators and members of classes with them stay as they are, and so does what is
 * no name of C++. Takes no memory: it may be called in a signal handler. */
void kith__cxx_name(const char *symbol, char *buf, size_t room);

#endif
