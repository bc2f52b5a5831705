/* view.c: see view.h, and kith.h. */
#include "config.h"
#include "object/view.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct kith_view {
    char *bytes;
    uint64_t count, next; /* items: all; which is next */
    const char *at, *end; /* where that stands; where they all end */
};

struct head {
    uint64_t key_size, size, type;
};

static uint64_t padded(uint64_t size)
{
    return (size + 8) & ~UINT64_C(7); /* one zero at least */
}

uint64_t kith__view_need(uint64_t key_size, uint64_t size)
{
    return sizeof(struct head) + padded(key_size) + padded(size);
}

char *kith__view_begin(char *at, uint64_t count, uint64_t version)
{
    memcpy(at, &count, sizeof count);
    memcpy(at + sizeof count, &version, sizeof version);
    return at + KITH__VIEW_HEAD;
}

static char *add_bytes(char *at, const void *bytes, uint64_t size)
{
    memset(at + padded(size) - 8, 0, 8);
    if (size > 0)
        memcpy(at, bytes, size);
    return at + padded(size);
}

char *kith__view_add(char *at, const void *key, uint64_t key_size, int key_type, const struct kith__held *h)
{
    struct head head = { key_size, kith__held_size(h),
                         (uint64_t)kith__held_type(h) | (uint64_t)key_type << 8 };

    memcpy(at, &head, sizeof head);
    return add_bytes(add_bytes(at + sizeof head, key, key_size), kith__held_bytes(h), head.size);
}

struct kith_view *kith__view_of(int64_t rc, struct kith__result *out)
{
    struct kith_view *v = rc >= 0 ? calloc(1, sizeof *v) : NULL;

    if (rc >= 0 && !v)
        rc = kith__fail(KITH_ENOMEM, "no memory for a view");
    if (rc >= 0 && out->size < KITH__VIEW_HEAD)
        rc = kith__fail(KITH_EPEER, "a node has sent a view of %llu bytes", (unsigned long long)out->size);
    if (rc < 0) {
        free(v);
        free(out->buf);
        kith__report64(rc);
        return NULL;
    }
    v->bytes = out->buf;
    v->end = v->bytes + out->size;
    memcpy(&v->count, v->bytes, sizeof v->count);
    kith_view_rewind(v);
    return v;
}

uint64_t kith__view_version(const struct kith_view *v)
{
    uint64_t version;

    memcpy(&version, v->bytes + sizeof v->count, sizeof version);
    return version;
}

/* As it came from a node that may have said anything. */
static int has_item(const struct kith_view *v, struct head *head)
{
    uint64_t rest = (uint64_t)(v->end - v->at);

    if (rest < sizeof *head)
        return 0;
    memcpy(head, v->at, sizeof *head);
    return head->key_size < rest && head->size < rest && kith__view_need(head->key_size, head->size) <= rest;
}

int kith_view_next(struct kith_view *v, struct kith_item *item)
{
    struct head head;

    if (!v || v->next == v->count || !has_item(v, &head))
        return 0;
    item->key = v->at + sizeof head;
    item->key_size = head.key_size;
    item->value = v->at + sizeof head + padded(head.key_size);
    item->size = head.size;
    item->type = (int)(head.type & 255);
    item->key_type = (int)(head.type >> 8);
    v->at += kith__view_need(head.key_size, head.size);
    v->next++;
    return 1;
}

void kith_view_rewind(struct kith_view *v)
{
    if (!v)
        return;
    v->next = 0;
    v->at = v->bytes + KITH__VIEW_HEAD;
}

size_t kith_view_len(const struct kith_view *v)
{
    return v ? v->count : 0;
}

void kith_view_free(struct kith_view *v)
{
    if (!v)
        return;
    free(v->bytes);
    free(v);
}
