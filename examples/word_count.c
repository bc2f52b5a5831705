/* word_count: a small MapReduce over text files. Each task takes a file and adds its
 * words to one dict; addition in the dict is the reduction, and no word is lost.
 *
 *     ./word_count texts/river.txt texts/harbour.txt texts/mill.txt
 *     mpirun -n 4 ./word_count texts/river.txt texts/harbour.txt texts/mill.txt
 */
#include "args.h"

#include <ctype.h>
#include <kith.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10 };

struct text {
    kith_dict words;
    char path[500];
};

/* Takes the next word of f, in small letters. Returns its length, 0 at the end. */
static size_t next_word(FILE *f, char *word, size_t room)
{
    size_t n = 0;

    for (int c; (c = getc(f)) != EOF && (isalpha(c) || n == 0);)
        if (isalpha(c) && n < room)
            word[n++] = (char)tolower(c);
    return n;
}

static int count_words(const void *in, void *out)
{
    const struct text *t = in;
    FILE *f = fopen(t->path, "r");
    char word[64];
    long *words = out;

    *words = 0;
    if (!f)
        return kith_fail(1, "%s cannot be read", t->path);
    for (size_t n; (n = next_word(f, word, sizeof word)) > 0; ++*words)
        kith_dict_compute(t->words, word, n, KITH_ADD, 'i', &(int){ 1 }, NULL, sizeof(int));
    fclose(f);
    return 0;
}

/* The most frequent first, then by the alphabet. */
static int compare(const void *a, const void *b)
{
    const struct kith_item *x = a, *y = b;
    int by = *(const int *)y->value - *(const int *)x->value;

    return by ? by : strcmp(x->key, y->key);
}

static void print_most_frequent(kith_dict words)
{
    struct kith_view *v = kith_dict_view(words);
    size_t n = kith_view_len(v);
    struct kith_item *items = calloc(n + 1, sizeof *items);

    for (size_t i = 0; i < n; i++)
        kith_view_next(v, &items[i]);
    qsort(items, n, sizeof *items, compare);
    for (size_t i = 0; i < n && i < SHOWN; i++)
        printf("%4d %s\n", *(const int *)items[i].value, (const char *)items[i].key);
    free(items);
    kith_view_free(v);
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    args_files(argc, argv);
    size_t n = (size_t)argc - 1;
    struct text *texts = calloc(n + 1, sizeof *texts);
    long *counts = calloc(n + 1, sizeof *counts);
    kith_dict words = kith_dict_open();
    kith_pool pool = kith_pool_open(0);

    for (size_t i = 0; i < n; i++) {
        texts[i].words = words;
        snprintf(texts[i].path, sizeof texts[i].path, "%s", argv[i + 1]);
    }
    kith_map(pool, count_words, texts, counts, n);
    for (size_t i = 0; i < n; i++)
        printf("%ld words in %s\n", counts[i], basename(texts[i].path));
    print_most_frequent(words);
    free(counts);
    free(texts);
    return kith_finalize();
}
