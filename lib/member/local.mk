# Processes of the node, and threads that wait.
lib_libkith_all_la_SOURCES += \
	lib/member/bell.c \
	lib/member/bell.h \
	lib/member/members.c \
	lib/member/members.h \
	lib/member/output.c \
	lib/member/output.h \
	lib/member/wait.c \
	lib/member/wait.h
