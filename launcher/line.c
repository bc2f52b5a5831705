/* line.c: see line.h. */
#include "config.h"
#include "line.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory) {
        log_line("no memory");
        exit(EXIT_OURS);
    }
    return memory;
}

static void append(char ***list, size_t *count, size_t *room, char *word)
{
    if (*count + 2 > *room) {
        *room = *room ? 2 * *room : 32;
        *list = must(realloc(*list, *room * sizeof **list));
    }
    (*list)[(*count)++] = word;
    (*list)[*count] = NULL;
}

void line_add(struct line *l, const char *word)
{
    append(&l->words, &l->count, &l->room, must(strdup(word)));
}

void line_add_two(struct line *l, const char *option, const char *value)
{
    line_add(l, option);
    line_add(l, value);
}

void line_add_format(struct line *l, const char *format, ...)
{
    char *word;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&word, format, ap) < 0)
        word = NULL;
    va_end(ap);
    append(&l->words, &l->count, &l->room, must(word));
}

void line_set(struct line *l, const char *name, const char *value)
{
    char *variable;

    if (asprintf(&variable, "%s=%s", name, value) < 0)
        variable = NULL;
    append(&l->variables, &l->variable_count, &l->variable_room, must(variable));
}

void line_free(struct line *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->words[i]);
    for (size_t i = 0; i < l->variable_count; i++)
        free(l->variables[i]);
    free(l->words);
    free(l->variables);
    memset(l, 0, sizeof *l);
}

/* ---- as a shell reads it */

static int is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_^";

    return *word && word[strspn(word, plain)] == '\0';
}

static void put_word(FILE *f, const char *word)
{
    if (is_plain(word)) {
        fputs(word, f);
        return;
    }
    putc('\'', f);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", f);
        else
            putc(*word, f);
    putc('\'', f);
}

char *line_text(const struct line *l)
{
    char *text = NULL;
    size_t size;
    FILE *f = must(open_memstream(&text, &size));

    for (size_t i = 0; i < l->variable_count; i++) {
        size_t name = strcspn(l->variables[i], "=") + 1;

        fprintf(f, "%.*s", (int)name, l->variables[i]);
        put_word(f, l->variables[i] + name);
        putc(' ', f);
    }
    for (size_t i = 0; i < l->count; i++) {
        if (i > 0)
            putc(' ', f);
        put_word(f, l->words[i]);
    }
    fclose(f);
    return must(text);
}
