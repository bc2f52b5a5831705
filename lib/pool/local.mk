# Jobs and who does them.
lib_libkith_all_la_SOURCES += \
	lib/pool/board.c \
	lib/pool/board.h \
	lib/pool/call.c \
	lib/pool/call.h \
	lib/pool/chunk.c \
	lib/pool/chunk.h \
	lib/pool/crowd.h \
	lib/pool/deal.c \
	lib/pool/deal.h \
	lib/pool/fault.c \
	lib/pool/fault.h \
	lib/pool/feed.c \
	lib/pool/feed.h \
	lib/pool/imap.c \
	lib/pool/later.c \
	lib/pool/later.h \
	lib/pool/local.c \
	lib/pool/local.h \
	lib/pool/map.c \
	lib/pool/pool.c \
	lib/pool/pool.h \
	lib/pool/random.c \
	lib/pool/random.h \
	lib/pool/result.c \
	lib/pool/ring.c \
	lib/pool/ring.h \
	lib/pool/row.c \
	lib/pool/row.h \
	lib/pool/serial.c \
	lib/pool/serial.h \
	lib/pool/state.c \
	lib/pool/state.h \
	lib/pool/task.c \
	lib/pool/task.h \
	lib/pool/worker.c \
	lib/pool/worker.h
