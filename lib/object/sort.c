/* sort.c: see sort.h. A merge sort. */
#include "config.h"
#include "object/sort.h"
#include "base/error.h"
#include "object/number.h"

#include <stdlib.h>
#include <string.h>

struct sorted {
    struct kith_item *items;
    uint64_t *order, *merged; /* numbers of items */
    uint64_t n;
    kith_compare_fn *compare;
};

static int by_bytes(const struct kith_item *a, const struct kith_item *b)
{
    int rc = memcmp(a->value, b->value, a->size < b->size ? a->size : b->size);

    return rc != 0 ? rc : (a->size > b->size) - (a->size < b->size);
}

#define COMPARE(letter, T)                    \
    if (a->type == (#letter)[0]) {            \
        const T *x = a->value, *y = b->value; \
                                              \
        return (*x > *y) - (*x < *y);         \
    }

static int by_nature(const struct kith_item *a, const struct kith_item *b)
{
    KITH__NUMBERS(COMPARE)
    return by_bytes(a, b);
}

/* Two neighbours of order that are sorted, from up to middle, and up to end. */
static void merge(struct sorted *s, uint64_t from, uint64_t middle, uint64_t end)
{
    uint64_t a = from, b = middle;

    for (uint64_t i = from; i < end; i++)
        if (b == end || (a < middle && s->compare(&s->items[s->order[a]], &s->items[s->order[b]]) <= 0))
            s->merged[i] = s->order[a++];
        else
            s->merged[i] = s->order[b++];
}

static void sort(struct sorted *s)
{
    for (uint64_t size = 1; size < s->n; size *= 2) {
        uint64_t *before = s->order;

        for (uint64_t from = 0; from < s->n; from += 2 * size) {
            uint64_t middle = from + size < s->n ? from + size : s->n;

            merge(s, from, middle, middle + size < s->n ? middle + size : s->n);
        }
        s->order = s->merged;
        s->merged = before;
    }
}

static int take_items(struct sorted *s, struct kith_view *v)
{
    s->n = kith_view_len(v);
    s->items = calloc(s->n + 1, sizeof *s->items);
    s->order = calloc(s->n + 1, sizeof *s->order);
    s->merged = calloc(s->n + 1, sizeof *s->merged);
    if (!s->items || !s->order || !s->merged)
        return kith__fail(KITH_ENOMEM, "no memory to sort %llu elements", (unsigned long long)s->n);
    for (uint64_t i = 0; i < s->n; i++) {
        kith_view_next(v, &s->items[i]);
        s->order[i] = i;
        if (s->compare == by_nature && s->items[i].type != s->items[0].type)
            return kith__fail(KITH_ETYPE, "a List with %s and %s has no natural order: give a function",
                              kith__type_name(s->items[0].type), kith__type_name(s->items[i].type));
    }
    return 0;
}

int kith__sort(struct kith_view *v, kith_compare_fn *compare, uint64_t **order)
{
    struct sorted s = { .compare = compare ? compare : by_nature };
    int rc = take_items(&s, v);

    if (rc == 0)
        sort(&s);
    free(s.items);
    free(s.merged);
    if (rc < 0)
        free(s.order);
    else
        *order = s.order;
    return rc;
}
