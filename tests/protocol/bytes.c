/* bytes.c: a generator of its own, for the seed; memory; blocks, of which none may be left at the end; and
 * what is in them. */
#include "config.h"
#include "../check.h"
#include "bytes.h"
#include "net/protocol.h"

enum { BLOCKS = 4096, LARGEST = 700000 };

static uint64_t state;
static struct block blocks[BLOCKS];

void seed_draw(uint64_t seed)
{
    const char *own = getenv("KITH_TEST_SEED");

    state = own && !strchr(own, '-') ? strtoull(own, NULL, 0) : seed;
}

uint64_t draw(uint64_t below)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = state;

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return below ? (z ^ z >> 31) % below : 0;
}

uint64_t some_size(void)
{
    switch (draw(8)) {
    case 0: return 0;
    case 1: return KITH__INLINE_MOST;
    case 2: return KITH__INLINE_MOST + 1;
    case 3: return KITH__PIECE_MOST + draw(3) - 1;
    case 4: return draw(LARGEST);
    default: return draw(200);
    }
}

#if defined __SANITIZE_THREAD__
/* ThreadSanitizer gives large memory back to the system with each free, and four times as much of its own. */
enum { SMALL = 16 << 10, CLASSES = 8 };

static struct spare {
    struct spare *next;
} * spares[CLASSES];

/* Which list; CLASSES: none. */
static int class_of(size_t size)
{
    int i = 0;

    while (i < CLASSES && size > (size_t)SMALL << i)
        i++;
    return size <= SMALL ? CLASSES : i;
}

void *new_bytes(size_t size)
{
    int i = class_of(size);
    struct spare *s;

    if (i == CLASSES)
        return malloc(size ? size : 1);
    if (!(s = spares[i]))
        return malloc((size_t)SMALL << i);
    spares[i] = s->next;
    return s;
}

void free_bytes(void *bytes, size_t size)
{
    int i = class_of(size);
    struct spare *s = bytes;

    if (i == CLASSES) {
        free(bytes);
        return;
    }
    s->next = spares[i];
    spares[i] = s;
}
#else
void *new_bytes(size_t size)
{
    return malloc(size ? size : 1);
}

void free_bytes(void *bytes, size_t size)
{
    (void)size;
    free(bytes);
}
#endif

uint64_t new_block(uint64_t size)
{
    for (uint64_t i = 1; i < BLOCKS; i++)
        if (!blocks[i].bytes) {
            blocks[i].bytes = new_bytes(size);
            blocks[i].size = size;
            blocks[i].filled = 0;
            return i;
        }
    abort();
}

struct block *block_of(uint64_t number)
{
    CU_ASSERT_FATAL(number > 0 && number < BLOCKS && blocks[number].bytes);
    return &blocks[number];
}

void drop_block(uint64_t number)
{
    struct block *b = block_of(number);

    free_bytes(b->bytes, b->size);
    b->bytes = NULL;
}

int blocks_in_use(void)
{
    int n = 0;

    for (int i = 0; i < BLOCKS; i++)
        n += blocks[i].bytes != NULL;
    return n;
}

/* ThreadSanitizer would look at each eight bytes of many megabytes, which nobody shares. */
#define UNWATCHED __attribute__((no_sanitize("thread")))

/* The 8 bytes from i on. */
UNWATCHED static uint64_t pattern(uint64_t id, uint32_t salt, uint64_t i)
{
    uint64_t z = (id * 31 + salt * 7 + i * 13) * UINT64_C(0x9e3779b97f4a7c15);

    return z ^ z >> 32;
}

UNWATCHED void paint(unsigned char *at, uint64_t size, uint64_t id, uint32_t salt)
{
    uint64_t i = 0, word;

    for (; i + sizeof word <= size; i += sizeof word) {
        word = pattern(id, salt, i);
        memcpy(at + i, &word, sizeof word);
    }
    word = pattern(id, salt, i);
    if (i < size)
        memcpy(at + i, &word, size - i);
}

UNWATCHED int is_painted(const unsigned char *at, uint64_t size, uint64_t id, uint32_t salt)
{
    uint64_t i = 0, word, right;

    for (; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        if (word != pattern(id, salt, i))
            return 0;
    }
    right = pattern(id, salt, i);
    return i == size || memcmp(at + i, &right, size - i) == 0;
}
