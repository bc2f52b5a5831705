# The program's own code: symbols, tokens, crashes.
lib_libkith_all_la_SOURCES += \
	lib/code/checkglobals.c \
	lib/code/checkglobals.h \
	lib/code/coverage.c \
	lib/code/coverage.h \
	lib/code/crash.c \
	lib/code/crash.h \
	lib/code/crashtext.c \
	lib/code/crashtext.h \
	lib/code/cxxname.c \
	lib/code/cxxname.h \
	lib/code/family.c \
	lib/code/family.h \
	lib/code/frames.c \
	lib/code/frames.h \
	lib/code/image.c \
	lib/code/image.h \
	lib/code/lateglobals.c \
	lib/code/lateglobals.h \
	lib/code/token.c \
	lib/code/token.h \
	lib/code/trace.c \
	lib/code/trace.h
