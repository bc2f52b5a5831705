# The other end of a call on an object.
lib_libkith_all_la_SOURCES += \
	lib/agent/agent.c \
	lib/agent/agent.h \
	lib/agent/alloc.h \
	lib/agent/delivery.c \
	lib/agent/delivery.h \
	lib/agent/engine.c \
	lib/agent/engine.h \
	lib/agent/pending.c \
	lib/agent/pending.h \
	lib/agent/placement.c \
	lib/agent/placement.h \
	lib/agent/request.c \
	lib/agent/request.h \
	lib/agent/waitlist.c \
	lib/agent/waitlist.h
