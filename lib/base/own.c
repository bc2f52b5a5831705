/* own.c: see own.h. */
#include "config.h"
#include "base/own.h"

#include <pthread.h>
#include <stdlib.h>

_Thread_local void *kith__owned[KITH__OWN_COUNT + 2];

static pthread_key_t key; /* kith__owned once more: so the blocks are freed with their thread */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int has_key;

/* Called in the thread that ends. What other destructors still say makes a new block, and the key is set
 * anew. */
static void let_go(void *blocks)
{
    void **owned = blocks;

    for (int i = 0; i < KITH__OWN_COUNT; i++) {
        free(owned[i]);
        owned[i] = NULL;
    }
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, let_go) == 0;
}

void kith__own_replace(enum kith__own what, void *block)
{
    pthread_once(&once, make_key);
    free(kith__owned[what]);
    kith__owned[what] = block;
    if (has_key)
        pthread_setspecific(key, kith__owned);
}

void *kith__own(enum kith__own what, size_t size)
{
    if (!kith__owned[what])
        kith__own_replace(what, calloc(1, size));
    return kith__owned[what];
}

char *kith__own_text(enum kith__own what)
{
    static char scarce[KITH__OWN_COUNT][KITH__OWN_TEXT];
    char *text = kith__own(what, KITH__OWN_TEXT);

    return text ? text : scarce[what];
}
