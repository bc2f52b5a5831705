# A thread's end of a call.
lib_libkith_all_la_SOURCES += \
	lib/rpc/agent_control.c \
	lib/rpc/agent_control.h \
	lib/rpc/mailbox.c \
	lib/rpc/mailbox.h \
	lib/rpc/remote.c \
	lib/rpc/remote.h
