/* mark.h: included by the compiler's command line in each file of the library. When kith is linked
 * statically, this symbol tells its variables from the program's (checkglobals.c). */
__asm__(".set kith__object, 0");
