/* log.h: what the command kith says to people: one line each, on stderr, "kith: what: why". */
#ifndef KITH_LOG_H
#define KITH_LOG_H

#if defined __GNUC__
#define LOG_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define LOG_PRINTF(text, first)
#endif

/* What kith ends with when it is not the exit status of a program; env and timeout use the same. */
enum {
    EXIT_LOST = 1,             /* what the program has printed cannot be written; of kith_finalize too */
    EXIT_OURS = 125,           /* kith itself could not do it; wrong use included */
    EXIT_NOT_EXECUTABLE = 126, /* the program is there, and cannot be executed */
    EXIT_NOT_FOUND = 127,      /* there is no such program */
    EXIT_BY_SIGNAL = 128       /* and the signal's number */
};

/* Always said. */
void log_line(const char *format, ...) LOG_PRINTF(1, 2);

/* Said when KITH_LOG asks for it: KITH_LOG=info, KITH_LOG=debug. */
void log_info(const char *format, ...) LOG_PRINTF(1, 2);
void log_debug(const char *format, ...) LOG_PRINTF(1, 2);

#endif
