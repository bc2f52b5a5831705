/* answer.c: see answer.h. */
#include "config.h"
#include "pool/answer.h"
#include "base/system.h"
#include "pool/branch.h"
#include "pool/crew.h"
#include "pool/errand.h"
#include "pool/fault.h"
#include "pool/settle.h"
#include "shm/heap.h"

#include <string.h>

enum { TEXT = 512, TRIES = 10, RIDES = 16 };

static const int64_t memory_ns = 100 * KITH__MS;

int kith__buffer_reserve(struct kith__buffer *b, uint64_t size, uint64_t keep)
{
    uint64_t block;

    if (b->size >= size)
        return 0;
    if (!(block = kith__heap_alloc(size, kith__me)))
        return KITH_ENOMEM;
    if (keep)
        memcpy(kith__at(block), b->at, keep);
    kith__heap_free(b->block);
    *b = (struct kith__buffer){ block, size, kith__at(block) };
    return 0;
}

void kith__buffer_release(struct kith__buffer *b)
{
    kith__heap_free(b->block);
    memset(b, 0, sizeof *b);
}

/* A result, of which the head and what stands behind it lie in b. gives: b goes with it, and is empty then.
 */
static int64_t send_result(struct kith__crew *crew, struct kith__buffer *b, uint64_t size, int gives)
{
    struct kith__args in = { .bytes = b->at, .size = size, .block = gives ? b->block : 0 };
    struct kith__result out = { 0 };
    int64_t begin = kith__now_ns(), rc = kith__crew_ask(crew, KITH__POOL_RETURN, &in, &out);

    if (gives && in.block == 0)
        memset(b, 0, sizeof *b);
    if (rc == 0) {
        kith__crew_lock(crew);
        kith__deal_travelled(&crew->line, size, kith__now_ns() - begin);
        kith__crew_unlock(crew);
    }
    return rc;
}

/* 0: the home has no memory for it, and had none for a while. */
static int is_sent(struct kith__crew *crew, struct kith__buffer *b, uint64_t size)
{
    for (int i = 0; i < TRIES; i++) {
        if (send_result(crew, b, size, 0) != KITH_ENOMEM)
            return 1;
        kith__nap(memory_ns);
    }
    return 0;
}

/* What is so little that there will be memory for it. */
static void send_at_last(struct kith__crew *crew, struct kith__buffer *b, uint64_t size)
{
    while (!is_sent(crew, b, size))
        ;
}

/* As of a grant of which nothing was done. */
static struct kith__parcel_result none_of(const struct kith__parcel_grant *g)
{
    return (struct kith__parcel_result){
        .seq = g->seq, .epoch = g->grant.epoch, .tries = g->grant.tries, .post = g->post
    };
}

void kith__answer_send(struct kith__crew *crew, const struct kith__parcel_grant *g, struct kith__buffer *b,
                       uint64_t size)
{
    struct kith__parcel_result none = none_of(g);
    struct kith__buffer head = { 0, sizeof none, (char *)&none };

    if (is_sent(crew, b, size))
        return;
    send_at_last(crew, &head, sizeof none);
}

void kith__answer_give(struct kith__crew *crew, const struct kith__parcel_grant *g, struct kith__buffer *b,
                       uint64_t size)
{
    struct kith__parcel_result none = none_of(g);
    struct kith__buffer head = { 0, sizeof none, (char *)&none };

    if (send_result(crew, b, size, 1) != KITH_ENOMEM)
        return;
    kith__nap(memory_ns);
    send_at_last(crew, &head, sizeof none);
}

/* Their heads alone, as of what was not done: how many bytes. */
static uint64_t take_back(const struct kith__buffer *b, uint64_t size)
{
    struct kith__parcel_result head;
    uint64_t to = 0;

    for (uint64_t at = 0, length; at < size; at += length, to += sizeof head) {
        memcpy(&head, b->at + at, sizeof head);
        length = kith__parcel_result_length(&head, size - at);
        head.done = head.size = head.faults = 0;
        head.length = sizeof head;
        memcpy(b->at + to, &head, sizeof head);
    }
    return to;
}

void kith__answer_send_several(struct kith__crew *crew, struct kith__buffer *b, uint64_t size)
{
    if (!is_sent(crew, b, size))
        send_at_last(crew, b, take_back(b, size));
}

int kith__answer_owe(struct kith__hand *h, const struct kith__buffer *b, uint64_t size)
{
    if (size > sizeof h->carried.results || ++h->rides % RIDES == 0)
        return 0;
    memcpy(h->carried.results, b->at, size);
    h->owed = size;
    return 1;
}

void kith__answer_owed(struct kith__hand *h)
{
    struct kith__buffer b = { 0, sizeof h->carried.results, h->carried.results };
    uint64_t size = h->owed;

    h->owed = 0;
    if (size > 0)
        kith__answer_send_several(h->of, &b, size);
}

void kith__answer_nothing(struct kith__crew *crew, const struct kith__parcel_grant *g, struct kith__buffer *b)
{
    struct kith__parcel_result head = none_of(g);

    memcpy(b->at, &head, sizeof head);
    kith__answer_send(crew, g, b, sizeof head);
}

int kith__answer_add_fault(struct kith__crew *crew, struct kith__buffer *b, uint64_t *size,
                           const struct kith__fault_entry *e, uint64_t unit)
{
    struct kith__parcel_fault f = { .unit = unit,
                                    .end = e->end,
                                    .code = e->code,
                                    .signal = e->signal,
                                    .pid = e->pid,
                                    .worker = e->worker + (int32_t)crew->first_worker };
    char text[TEXT];

    kith__fault_text(e, text, sizeof text);
    f.text_size = (uint32_t)strlen(text);
    if (kith__buffer_reserve(b, *size + kith__parcel_fault_size(f.text_size), *size) < 0)
        return KITH_ENOMEM;
    memcpy(b->at + *size, &f, sizeof f);
    memcpy(b->at + *size + sizeof f, text, f.text_size);
    *size += kith__parcel_fault_size(f.text_size);
    return 0;
}

int64_t kith__answer_add_faults(struct kith__crew *crew, struct kith__job *j, uint64_t done,
                                struct kith__buffer *b, uint64_t *size)
{
    uint64_t left = atomic_load(&j->fault_count);
    int64_t count = 0;

    for (uint64_t at; (at = kith__job_pop_fault(j)) != 0; kith__heap_free(at), left--) {
        const struct kith__fault_entry *e = kith__at(at);

        if (e->unit < done && count >= 0)
            count = kith__answer_add_fault(crew, b, size, e, e->unit) < 0 ? -1 : count + 1;
    }
    return left > 0 ? -1 : count;
}

int kith__answer_pack_bytes(const kith_bytes *from, uint64_t done, struct kith__buffer *b, uint64_t *size)
{
    *size = sizeof(struct kith__parcel_result) + kith__parcel_bytes_size(from, done);
    if (kith__buffer_reserve(b, *size, 0) < 0)
        return KITH_ENOMEM;
    kith__parcel_write_bytes(from, done, b->at + sizeof(struct kith__parcel_result));
    return 0;
}

void kith__answer_free_bytes(kith_bytes *of, uint64_t units)
{
    for (uint64_t i = 0; i < units; i++)
        if (of[i].data)
            kith__heap_free(kith__offset(of[i].data));
}
