/* wire.c: see wire.h. */
#include "config.h"
#include "net/wire.h"

#include <assert.h>
#include <string.h>

enum { MAGIC = 0x4874694b, WIRE_VERSION = 4 };

/* Byte by byte: the compiler makes one load or store of it where the machine is little-endian. */
static unsigned char *put(unsigned char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
    return at + bytes;
}

static const unsigned char *get(const unsigned char *at, uint64_t *value, size_t bytes)
{
    *value = 0;
    for (size_t i = 0; i < bytes; i++)
        *value |= (uint64_t)at[i] << 8 * i;
    return at + bytes;
}

#define NUMBER(type)                                                                            \
    static inline unsigned char *put_##type(unsigned char *at, kith__##type value)              \
    {                                                                                           \
        return put(at, (uint64_t)value, sizeof value);                                          \
    }                                                                                           \
    static inline const unsigned char *get_##type(const unsigned char *at, kith__##type *value) \
    {                                                                                           \
        uint64_t wide;                                                                          \
                                                                                                \
        at = get(at, &wide, sizeof *value);                                                     \
        *value = (kith__##type)wide;                                                            \
        return at;                                                                              \
    }
NUMBER(u8)
NUMBER(u16)
NUMBER(u32)
NUMBER(u64)
NUMBER(i64)

static unsigned char *put_counts(unsigned char *at, kith__counts counts)
{
    for (int i = 0; i < KITH__LANES; i++)
        at = put_u64(at, counts.of[i]);
    return at;
}

static const unsigned char *get_counts(const unsigned char *at, kith__counts *counts)
{
    for (int i = 0; i < KITH__LANES; i++)
        at = get_u64(at, &counts->of[i]);
    return at;
}

#define PUT(type, name) at = put_##type(at, v->name);
#define GET(type, name) at = get_##type(at, &v->name);

void kith__header_encode(unsigned char to[KITH__HEADER_SIZE], const struct kith__header *given)
{
    struct kith__header h = *given, *v = &h;
    unsigned char *at = to;

    h.magic = MAGIC;
    h.version = WIRE_VERSION;
    KITH__FIELDS_HEADER(PUT)
    assert(at == to + KITH__HEADER_SIZE);
}

int kith__header_decode(const unsigned char *from, size_t size, struct kith__header *v)
{
    const unsigned char *at = from;

    if (size < KITH__HEADER_SIZE || size > KITH__FRAME_MOST)
        return 0;
    KITH__FIELDS_HEADER(GET)
    return v->magic == MAGIC && v->version == WIRE_VERSION && v->size == size && v->lane < KITH__LANES;
}

#define CODEC(NAME, name)                                                                   \
    static unsigned char *put_##name(unsigned char *at, const struct kith__##name *v)       \
    {                                                                                       \
        KITH__FIELDS_##NAME(PUT) return at;                                                 \
    }                                                                                       \
    static const unsigned char *get_##name(const unsigned char *at, struct kith__##name *v) \
    {                                                                                       \
        KITH__FIELDS_##NAME(GET) return at;                                                 \
    }
KITH__MESSAGES(CODEC)

static size_t size_of_fields(uint64_t kind)
{
#define SIZE(NAME, name) [KITH__MESSAGE_##NAME] = KITH__FIELDS_##NAME(KITH__WIRE_SIZE) 0,
    static const size_t sizes[KITH__MESSAGE_KINDS] = { KITH__MESSAGES(SIZE) };

    return kind < KITH__MESSAGE_KINDS ? sizes[kind] : SIZE_MAX;
}

size_t kith__message_encode(unsigned char *to, const struct kith__message *m)
{
    unsigned char *at = put_u32(put_u32(to, (uint32_t)m->kind), m->tail_size);

#define ENCODE(NAME, name) \
    case KITH__MESSAGE_##NAME: at = put_##name(at, &m->name); break;
    switch (m->kind) {
        KITH__MESSAGES(ENCODE)
    case KITH__MESSAGE_KINDS: break;
    }
    return (size_t)(at - to);
}

size_t kith__message_decode(const unsigned char *from, size_t size, struct kith__message *m)
{
    uint32_t kind;
    size_t fields;
    const unsigned char *at;

    if (size < KITH__MESSAGE_HEAD)
        return 0;
    at = get_u32(get_u32(from, &kind), &m->tail_size);
    fields = size_of_fields(kind);
    if (fields == SIZE_MAX || size - KITH__MESSAGE_HEAD < fields ||
        size - KITH__MESSAGE_HEAD - fields < m->tail_size)
        return 0;
    m->kind = (enum kith__message_kind)kind;
#define DECODE(NAME, name) \
    case KITH__MESSAGE_##NAME: at = get_##name(at, &m->name); break;
    switch (m->kind) {
        KITH__MESSAGES(DECODE)
    case KITH__MESSAGE_KINDS: return 0;
    }
    m->tail = at;
    return (size_t)(at - from) + m->tail_size;
}
