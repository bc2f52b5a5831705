# Agents to agents.
lib_libkith_all_la_SOURCES += \
	lib/net/address.c \
	lib/net/address.h \
	lib/net/channel.c \
	lib/net/channel.h \
	lib/net/hearing.c \
	lib/net/hearing.h \
	lib/net/links.c \
	lib/net/links.h \
	lib/net/subnet.c \
	lib/net/subnet.h \
	lib/net/protocol.c \
	lib/net/protocol.h \
	lib/net/transport.h \
	lib/net/wire.c \
	lib/net/wire.h
