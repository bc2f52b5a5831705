/* line.h: a command line in the making: words, and variables of the environment. */
#ifndef KITH_CONN_H
#define KITH_CONN_H

#include <stddef.h>

struct line {
    char **words; /* ends with NULL */
    size_t count, room;
    char **variables; /* NAME=value; ends with NULL */
    size_t variable_count, variable_room;
};

/* All copy what they get. There is no way on without memory: then they say so and end kith. */
void line_add(struct line *l, const char *word);
void line_add_two(struct line *l, const char *option, const char *value);
void line_add_format(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
void line_set(struct line *l, const char *name, const char *value);
void line_free(struct line *l);

/* The line as a shell reads it, without a newline. The caller frees it. */
char *line_text(const struct line *l);

#endif
