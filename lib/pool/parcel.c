/* parcel.c: see parcel.h. */
#include "config.h"
#include "pool/parcel.h"
#include "pool/chunk.h"
#include "pool/row.h"
#include "pool/turn.h"
#include "base/error.h"

#include <string.h>

static int is_damaged(const char *what)
{
    return kith__fail(KITH_EPEER, "%s from another node makes no sense: two versions of kith?", what);
}

/* n things of that size, in no more than most bytes. */
static int fit(uint64_t n, uint64_t size, uint64_t most)
{
    return size == 0 || n <= most / size;
}

/* ------------------------------------------------------------------ jobs */

uint64_t kith__parcel_job_size(const struct kith__job *j)
{
    return sizeof(struct kith__parcel_job) + j->arg_size;
}

void kith__parcel_write_job(struct kith__job *j, uint32_t post, void *to)
{
    struct kith__parcel_job head;

    memset(&head, 0, sizeof head); /* also what lies between its members */
    head.seq = j->seq;
    head.post = post;
    head.kind = j->kind;
    head.shape = j->shape;
    head.tries = j->tries;
    head.in_place = j->in_place;
    head.ordered = j->order != 0;
    head.halt = j->halt;
    head.n = j->n;
    head.units = j->units;
    head.chunk = j->chunk;
    head.in_size = j->in_size;
    head.out_size = j->out_size;
    head.call = j->call;
    head.arg_size = j->arg_size;
    head.fn = j->fn;
    memcpy(head.name, j->name, sizeof head.name);
    memcpy(to, &head, sizeof head);
    if (j->arg_size)
        memcpy((char *)to + sizeof head, kith__at(j->arg), j->arg_size);
}

int kith__parcel_read_job(const void *bytes, uint64_t size, struct kith__parcel_job *job, const void **arg)
{
    if (size < sizeof *job)
        return is_damaged("a job");
    memcpy(job, bytes, sizeof *job);
    if (job->kind >= KITH__JOB_ROW || job->arg_size != size - sizeof *job ||
        !memchr(job->name, '\0', sizeof job->name) || job->units == 0 ||
        job->units != (kith__is_map(job->kind) ? job->n : kith__block_count(job->n)) ||
        (job->ordered && !kith__is_map(job->kind)) ||
        (job->kind == KITH__JOB_VARIABLE && job->out_size != sizeof(kith_bytes)) ||
        !fit(job->units, job->in_size, INT64_MAX) || !fit(job->units, job->out_size, INT64_MAX))
        return is_damaged("a job");
    *arg = job->arg_size ? (const char *)bytes + sizeof *job : NULL;
    return 0;
}

/* ------------------------------------------------------------------ grants */

static const char *argument(const struct kith__job *j, uint64_t unit)
{
    return (const char *)kith__at(j->in) +
           j->in_size * (j->in_ring ? unit % j->in_ring : kith__job_position(j, unit));
}

uint64_t kith__parcel_unit_size(const struct kith__job *j)
{
    return j->in_size + (j->order ? sizeof(uint64_t) : 0);
}

static struct kith__item *item_of(const struct kith__job *j, const struct kith__grant *g)
{
    return kith__row_item(kith__job_row(j), g->lo);
}

static const struct kith__callee *callee_of(const struct kith__job *j, const struct kith__grant *g)
{
    return kith__at(item_of(j, g)->callee);
}

uint64_t kith__parcel_grant_size(const struct kith__job *j, const struct kith__grant *g)
{
    if (j->kind == KITH__JOB_ROW)
        return sizeof(struct kith__parcel_grant) + sizeof(struct kith__parcel_item) +
               callee_of(j, g)->in_size;
    return sizeof(struct kith__parcel_grant) + g->length * kith__parcel_unit_size(j);
}

/* Of a job with an order: in a ring they lie side by side, in place each at its element. */
static void write_by_order(const struct kith__job *j, const struct kith__grant *g, char *to)
{
    char *elements = to + g->length * j->in_size;

    for (uint64_t i = 0; i < g->length; i++) {
        uint64_t element = kith__job_element(j, g->lo + i);

        memcpy(elements + i * sizeof element, &element, sizeof element);
        if (j->in_size)
            memcpy(to + i * j->in_size, argument(j, g->lo + i), j->in_size);
    }
}

/* It runs, and so it stays what it is. */
static void write_item(const struct kith__job *j, const struct kith__grant *g, char *to)
{
    const struct kith__item *item = item_of(j, g);
    const struct kith__callee *c = callee_of(j, g);
    struct kith__parcel_item head;

    memset(&head, 0, sizeof head);
    head.number = item->number;
    head.in_size = c->in_size;
    head.out_size = c->out_size;
    head.kind = c->kind;
    head.shape = c->shape;
    head.tries = j->tries;
    head.fn = c->fn;
    memcpy(head.name, c->name, sizeof head.name - 1);
    memcpy(to, &head, sizeof head);
    if (c->in_size)
        memcpy(to + sizeof head, kith__item_in(item, c), c->in_size);
}

void kith__parcel_write_grant(const struct kith__job *j, uint32_t post, const struct kith__grant *g, void *to)
{
    struct kith__parcel_grant head;

    memset(&head, 0, sizeof head);
    head.seq = j->seq;
    head.grant = *g;
    head.root = j->root;
    head.priority = j->priority;
    head.post = post;
    head.is_item = j->kind == KITH__JOB_ROW;
    memcpy(to, &head, sizeof head);
    if (head.is_item)
        write_item(j, g, (char *)to + sizeof head);
    else if (j->order)
        write_by_order(j, g, (char *)to + sizeof head);
    else if (j->in_size)
        memcpy((char *)to + sizeof head, argument(j, g->lo), g->length * j->in_size);
}

void kith__parcel_say_items(void *grant, uint32_t count)
{
    struct kith__parcel_grant head;

    memcpy(&head, grant, sizeof head);
    head.is_item = count;
    memcpy(grant, &head, sizeof head);
}

void kith__parcel_add_job(struct kith__job *j, uint32_t post, void *grant, uint64_t size)
{
    struct kith__parcel_grant head;

    memcpy(&head, grant, sizeof head);
    head.described = (uint32_t)kith__parcel_job_size(j);
    memcpy(grant, &head, sizeof head);
    kith__parcel_write_job(j, post, (char *)grant + size);
}

int kith__parcel_read_grant(const void *bytes, uint64_t size, struct kith__parcel_grant *g)
{
    if (size < sizeof *g)
        return is_damaged("a grant");
    memcpy(g, bytes, sizeof *g);
    if (g->priority < -KITH__PRIORITY_MOST || g->priority > KITH__PRIORITY_MOST ||
        g->described > size - sizeof *g || (g->is_item && g->described))
        return is_damaged("a grant");
    return 0;
}

const void *kith__parcel_described(const void *bytes, uint64_t size, uint64_t *job_size)
{
    struct kith__parcel_grant g;

    memcpy(&g, bytes, sizeof g);
    *job_size = g.described;
    return g.described ? (const char *)bytes + size - g.described : NULL;
}

int kith__parcel_check_grant(const struct kith__parcel_job *job, const void *bytes, uint64_t size,
                             const void **in)
{
    uint64_t each = job->in_size + (job->ordered ? sizeof(uint64_t) : 0);
    struct kith__parcel_grant g;
    int rc = kith__parcel_read_grant(bytes, size, &g);

    if (rc < 0)
        return rc;
    size -= sizeof g + g.described;
    if (g.seq != job->seq || g.post != job->post || g.grant.length == 0 || g.grant.length > job->units ||
        g.grant.lo > job->units - g.grant.length || !fit(g.grant.length, each, size) ||
        g.grant.length * each != size)
        return is_damaged("a grant");
    *in = (const char *)bytes + sizeof g;
    return 0;
}

const void *kith__parcel_elements(const struct kith__parcel_job *job, const void *bytes)
{
    struct kith__parcel_grant g;

    memcpy(&g, bytes, sizeof g);
    return job->ordered ? (const char *)bytes + sizeof g + g.grant.length * job->in_size : NULL;
}

const void *kith__parcel_next_item(const void *bytes, uint64_t size, uint64_t *at, uint64_t *its)
{
    const uint64_t heads = sizeof(struct kith__parcel_grant) + sizeof(struct kith__parcel_item);
    const char *from = (const char *)bytes + *at;
    struct kith__parcel_item item;

    if (*at > size || size - *at < heads)
        return NULL;
    memcpy(&item, from + sizeof(struct kith__parcel_grant), sizeof item);
    if (item.in_size > size - *at - heads)
        return NULL;
    *its = heads + item.in_size;
    *at += kith__parcel_item_room(*its);
    return from;
}

int kith__parcel_read_item(const void *bytes, uint64_t size, struct kith__parcel_item *item, const void **in)
{
    struct kith__parcel_grant g;
    int rc = kith__parcel_read_grant(bytes, size, &g);

    if (rc < 0)
        return rc;
    size -= sizeof g;
    if (!g.is_item || g.grant.length != 1 || size < sizeof *item)
        return is_damaged("a task");
    memcpy(item, (const char *)bytes + sizeof g, sizeof *item);
    if (item->in_size != size - sizeof *item || !memchr(item->name, '\0', sizeof item->name) ||
        item->out_size > INT64_MAX ||
        (item->kind != KITH__JOB_NUMBERS && item->kind != KITH__JOB_BYTES &&
         (item->kind != KITH__JOB_VARIABLE || item->out_size != sizeof(kith_bytes))))
        return is_damaged("a task");
    *in = (const char *)bytes + sizeof g + sizeof *item;
    return 0;
}

/* ------------------------------------------------------------------ results */

uint64_t kith__parcel_result_size(const struct kith__parcel_job *job, uint64_t done)
{
    return sizeof(struct kith__parcel_result) + done * job->out_size;
}

uint64_t kith__parcel_fault_size(uint32_t text_size)
{
    return sizeof(struct kith__parcel_fault) + text_size;
}

int kith__parcel_read_result(const void *bytes, uint64_t size, struct kith__parcel_result *r)
{
    if (size < sizeof *r)
        return is_damaged("a result");
    memcpy(r, bytes, sizeof *r);
    if (r->length && (r->length < sizeof *r || r->length > size))
        return is_damaged("a result");
    return 0;
}

const void *kith__parcel_results(const void *bytes)
{
    return (const char *)bytes + sizeof(struct kith__parcel_result);
}

/* 1: at is behind it then; 0: it does not end before the bytes do. */
static int skip_fault(const void *bytes, uint64_t size, uint64_t *at, struct kith__parcel_fault *f)
{
    if (size - *at < sizeof *f)
        return 0;
    memcpy(f, (const char *)bytes + *at, sizeof *f);
    *at += sizeof *f;
    if (size - *at < f->text_size)
        return 0;
    *at += f->text_size;
    return 1;
}

const void *kith__parcel_result_of(const void *bytes, uint64_t unit, uint64_t *at, uint64_t *size)
{
    const char *results = kith__parcel_results(bytes), *its;
    struct kith__parcel_result r;

    memcpy(&r, bytes, sizeof r);
    memcpy(size, results + unit * sizeof *size, sizeof *size);
    its = results + r.done * sizeof *size + *at;
    *at += *size;
    return its;
}

/* 1: results of any size are as many bytes as r says, of which there are no more than most. */
static int is_whole(const struct kith__parcel_result *r, const void *bytes, uint64_t most)
{
    uint64_t left, size;

    if (r->size > most || !fit(r->done, sizeof size, r->size))
        return 0;
    left = r->size - r->done * sizeof size;
    for (uint64_t i = 0; i < r->done; i++, left -= size) {
        memcpy(&size, (const char *)kith__parcel_results(bytes) + i * sizeof size, sizeof size);
        if (size > left)
            return 0;
    }
    return left == 0;
}

int kith__parcel_check_result(const struct kith__job *j, const struct kith__grant *g, const void *bytes,
                              uint64_t size)
{
    struct kith__parcel_result r;
    struct kith__parcel_fault f;
    uint32_t kind = j->kind;
    uint64_t at, out_size = j->out_size;
    int rc = kith__parcel_read_result(bytes, size, &r);

    if (rc < 0)
        return rc;
    if (kind == KITH__JOB_ROW) {
        kind = callee_of(j, g)->kind;
        out_size = callee_of(j, g)->out_size;
    }
    if (r.seq != j->seq || r.epoch != g->epoch || r.done > g->length || r.faults > r.done ||
        (kind == KITH__JOB_VARIABLE ? !is_whole(&r, bytes, size - sizeof r)
                                    : !fit(r.done, out_size, size - sizeof r) || r.size != r.done * out_size))
        return is_damaged("a result");
    at = sizeof r + r.size;
    for (uint32_t i = 0; i < r.faults; i++)
        if (!skip_fault(bytes, size, &at, &f) || f.unit >= r.done)
            return is_damaged("a result");
    return at == size ? 0 : is_damaged("a result");
}

struct kith__parcel_faults kith__parcel_faults(const void *bytes)
{
    struct kith__parcel_result r;

    memcpy(&r, bytes, sizeof r);
    return (struct kith__parcel_faults){ (const char *)bytes + sizeof r + r.size, r.faults };
}

int kith__parcel_next_fault(struct kith__parcel_faults *faults, struct kith__parcel_fault *f,
                            const char **text)
{
    if (faults->left == 0)
        return 0;
    memcpy(f, faults->at, sizeof *f);
    *text = faults->at + sizeof *f;
    faults->at = *text + f->text_size;
    faults->left--;
    return 1;
}

uint64_t kith__parcel_bytes_size(const kith_bytes *list, uint64_t n)
{
    uint64_t size = n * sizeof(uint64_t);

    for (uint64_t i = 0; i < n; i++)
        size += list[i].size;
    return size;
}

void kith__parcel_write_bytes(const kith_bytes *list, uint64_t n, char *to)
{
    char *bytes = to + n * sizeof(uint64_t);

    for (uint64_t i = 0; i < n; i++) {
        uint64_t size = list[i].size;

        memcpy(to + i * sizeof size, &size, sizeof size);
        if (size)
            memcpy(bytes, list[i].data, size);
        bytes += size;
    }
}
