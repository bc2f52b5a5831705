/* memory.c: blocks of kith_alloc, counted: at the end of a history as many are left as died in the hands of
 * somebody. */
#include "config.h"
#include "memory.h"
#include "world.h"

#include <stdlib.h>

/* Counted before it is there: who is killed in between has none too many. */
static void *take_block(size_t size)
{
    void *p;

    atomic_fetch_add(&world->blocks, 1);
    if (!(p = kith_alloc(size))) {
        CHECK(getenv("KITH_MEM") != NULL, "kith_alloc(%zu) gives none", size);
        atomic_fetch_sub(&world->blocks, 1);
    }
    return p;
}

static void free_block(void *p, size_t size)
{
    CHECK(kith_free(p) == 0, "a block of %zu bytes cannot be freed", size);
    atomic_fetch_sub(&world->blocks, 1);
}

void *give(size_t size, enum memory kind)
{
    return kind == MALLOCED ? malloc(size + 1) : take_block(size);
}

void take_back(void *p, enum memory kind)
{
    if (kind == MALLOCED)
        free(p);
    else if (p) {
        CHECK(kith_free(p) == 0, "an argument of a call cannot be freed");
        atomic_fetch_sub(&world->blocks, 1);
    }
}

static void mark(unsigned char *p, size_t size)
{
    CHECK((uintptr_t)p % 64 == 0, "a block at %p", (void *)p);
    p[0] = (unsigned char)size;
    p[size - 1] = (unsigned char)(size + 1);
}

static int is_marked(const unsigned char *p, size_t size)
{
    return p[0] == (unsigned char)size && p[size - 1] == (unsigned char)(size + 1);
}

void churn(struct dice *d)
{
    enum { MOST = 6 };
    unsigned char *p[MOST] = { 0 };
    size_t size[MOST] = { 0 };

    for (int i = 0; i < 20; i++) {
        int k = (int)roll(d, MOST);

        if (p[k]) {
            CHECK(is_marked(p[k], size[k]), "a block of %zu bytes is changed", size[k]);
            free_block(p[k], size[k]);
            p[k] = NULL;
            continue;
        }
        size[k] = roll(d, 5) ? 2 + roll(d, 3000) : 2 + roll(d, 300000);
        if ((p[k] = take_block(size[k])))
            mark(p[k], size[k]);
    }
    for (int k = 0; k < MOST; k++)
        if (p[k])
            free_block(p[k], size[k]);
}
