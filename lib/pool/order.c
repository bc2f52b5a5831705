/* order.c: see order.h. Called by attend.c, away.c and clerk.c. */
#include "config.h"
#include "pool/order.h"
#include "base/error.h"
#include "pool/chunk.h"
#include "pool/fault.h"
#include "pool/parcel.h"
#include "pool/turn.h"
#include "shm/heap.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct order { /* behind it: context, arguments, costs */
    uint64_t pool, call, n, in_size, out_size, arg_size, task;
    uint32_t kind, shape, has_costs, is_task;
    int32_t priority, spare;
    struct kith__token fn;
    char name[64];
};

struct outcome { /* behind it: faults, a bit for each element of a map that was not begun, results */
    int32_t code;
    uint32_t spare;
    uint64_t faults, bits, results; /* how many; bytes; bytes */
    uint64_t units;                 /* of results of a range */
    char text[1024];
};

/* ------------------------------------------------------------------ where it is called */

/* Letters (line.h) are followed by up to 7 bytes. */
static int make_room(struct kith__message *m, uint64_t size)
{
    m->size = size;
    if (!(m->bytes = malloc(size + 8)))
        return KITH_ENOMEM;
    memset(m->bytes + size, 0, 8);
    return 0;
}

int kith__order_make(const struct kith__call_spec *s, uint64_t head, struct kith__message *m)
{
    uint64_t in = kith__is_map(s->kind) ? s->n * s->in_size : 0,
             costs = s->costs ? s->n * sizeof *s->costs : 0;
    struct order e;
    char *to;
    int rc;

    memset(&e, 0, sizeof e); /* also what lies between its members */
    if ((rc = kith__token_make(&e.fn, s->fn)) < 0)
        return rc;
    e.pool = s->pool.id;
    e.call = s->call ? s->call : kith__call_number();
    e.n = s->n;
    e.in_size = s->in_size;
    e.out_size = s->out_size;
    e.arg_size = s->arg_size;
    e.task = s->task;
    e.kind = (uint32_t)s->kind;
    e.shape = (uint32_t)s->shape;
    e.has_costs = s->costs != NULL;
    e.is_task = s->is_task != 0;
    e.priority = kith__turn.priority;
    if (s->name)
        memcpy(e.name, s->name, strnlen(s->name, sizeof e.name - 1));
    if (make_room(m, head + sizeof e + s->arg_size + in + costs) < 0)
        return kith__fail(KITH_ENOMEM, "no memory for a call of %llu bytes", (unsigned long long)m->size);
    to = m->bytes + head + sizeof e;
    memcpy(m->bytes + head, &e, sizeof e);
    if (s->arg_size)
        memcpy(to, s->arg, s->arg_size);
    if (in)
        memcpy(to + s->arg_size, s->in, in);
    if (costs)
        memcpy(to + s->arg_size + in, s->costs, costs);
    return 0;
}

static void set_bit(unsigned char *bits, uint64_t i)
{
    bits[i / 8] |= (unsigned char)(1 << i % 8);
}

static int has_bit(const unsigned char *bits, uint64_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

static int take_bytes(const struct kith__call_spec *s, const char *results, const unsigned char *skip)
{
    const char *bytes = results + s->n * sizeof(uint64_t);
    kith_bytes *out = s->out;
    uint64_t size;

    for (uint64_t i = 0; i < s->n; i++, bytes += size) {
        memcpy(&size, results + i * sizeof size, sizeof size);
        if (has_bit(skip, i) || size == 0)
            continue;
        if (!(out[i].data = kith_alloc(size)))
            return KITH_ENOMEM;
        memcpy(out[i].data, bytes, out[i].size = size);
    }
    return 0;
}

/* Failed tasks, and those that were not begun, leave their outputs as they are. */
static int take_results(const struct kith__call_spec *s, const struct outcome *a,
                        const struct kith_fault *faults, const char *bits, const char *results)
{
    unsigned char *skip = calloc(s->n / 8 + 1, 1);
    int rc = 0;

    if (!skip)
        return kith__fail(KITH_ENOMEM, "no memory for the results of a call");
    if (a->bits)
        memcpy(skip, bits, a->bits);
    for (uint64_t i = 0; i < a->faults; i++)
        if (faults[i].task < s->n)
            set_bit(skip, faults[i].task);
    if (s->kind == KITH__JOB_VARIABLE)
        rc = take_bytes(s, results, skip);
    else
        for (uint64_t i = 0; i < s->n; i++)
            if (!has_bit(skip, i))
                memcpy((char *)s->out + i * s->out_size, results + i * s->out_size, s->out_size);
    free(skip);
    return rc;
}

/* The results of its blocks are folded here, in the same order as there. */
static int fold_results(const struct kith__call_spec *s, const struct outcome *a, const char *results,
                        void (*fold)(struct kith__call *c, void *context), void *context)
{
    struct kith__job *job = calloc(1, sizeof *job);
    uint64_t block = kith__heap_alloc(a->results, kith__me);
    struct kith__call c = { .job = job };
    int rc = 0;

    if (job && block) {
        memcpy(kith__at(block), results, a->results);
        job->units = a->units;
        job->out_size = s->out_size;
        job->out = block;
        fold(&c, context);
    } else
        rc = kith__fail(KITH_ENOMEM, "no memory for the results of a call");
    kith__heap_free(block);
    free(job);
    return rc;
}

static int sizes_fit(const struct kith__call_spec *s, const struct outcome *a, uint64_t left)
{
    return a->faults <= left / sizeof(struct kith_fault) && a->bits <= left && a->results <= left &&
           a->faults * sizeof(struct kith_fault) + a->bits + a->results == left &&
           (a->bits == 0 || a->bits == s->n / 8 + 1);
}

static int results_fit(const struct kith__call_spec *s, const struct outcome *a, const char *results)
{
    uint64_t left = a->results, size;

    if (left == 0)
        return a->code < 0 || s->out_size == 0;
    if (s->kind != KITH__JOB_VARIABLE)
        return left == (kith__is_map(s->kind) ? s->n : a->units) * s->out_size;
    if (left < s->n * sizeof size)
        return 0;
    left -= s->n * sizeof size;
    for (uint64_t i = 0; i < s->n; i++, left -= size) {
        memcpy(&size, results + i * sizeof size, sizeof size);
        if (size > left)
            return 0;
    }
    return left == 0;
}

int kith__outcome_take(const struct kith__call_spec *s, const char *bytes, uint64_t size,
                       void (*fold)(struct kith__call *c, void *context), void *context)
{
    static const char damaged[] = "what came of a call makes no sense: two versions of kith?";
    const struct kith_fault *faults = (const void *)(bytes + sizeof(struct outcome));
    const char *bits, *results;
    struct outcome a;
    int rc = 0;

    if (size < sizeof a)
        return kith__fail(KITH_EPEER, damaged);
    memcpy(&a, bytes, sizeof a);
    a.text[sizeof a.text - 1] = '\0';
    if (!sizes_fit(s, &a, size - sizeof a))
        return kith__fail(KITH_EPEER, damaged);
    bits = (const char *)(faults + a.faults);
    results = bits + a.bits;
    if (!results_fit(s, &a, results))
        return kith__fail(KITH_EPEER, damaged);
    if (a.results && kith__is_map(s->kind))
        rc = take_results(s, &a, faults, bits, results);
    else if (a.results && a.code == 0 && fold)
        rc = fold_results(s, &a, results, fold, context);
    if (a.code == KITH_ETASK)
        kith__faults_keep_list(faults, a.faults);
    return a.code < 0 ? kith__fail(a.code, "%s", a.text) : rc;
}

/* ------------------------------------------------------------------ where it is made */

/* 0; KITH_EPEER: it is none; KITH_EFUNC. */
static int read_it(const char *bytes, uint64_t size, struct order *e, struct kith__call_spec *s)
{
    const char *behind = bytes + sizeof *e;
    uint64_t left, in;
    int rc;

    if (size < sizeof *e)
        return kith__fail(KITH_EPEER, "a call from another node makes no sense: two versions of kith?");
    left = size - sizeof *e;
    memcpy(e, bytes, sizeof *e);
    in = kith__is_map(e->kind) ? e->n : 0;
    if (e->kind >= KITH__JOB_ROW || e->name[sizeof e->name - 1] != '\0' || e->arg_size > left ||
        (e->in_size && in > (left - e->arg_size) / e->in_size) ||
        (e->has_costs && e->n > left / sizeof(double)) ||
        left != e->arg_size + in * e->in_size + (e->has_costs ? e->n * sizeof(double) : 0))
        return kith__fail(KITH_EPEER, "a call from another node makes no sense: two versions of kith?");
    *s = (struct kith__call_spec){ .pool = { e->pool },
                                   .name = e->name[0] ? bytes + offsetof(struct order, name) : NULL,
                                   .kind = (enum kith__job_kind)e->kind,
                                   .shape = (int)e->shape,
                                   .n = e->n,
                                   .call = e->call,
                                   .arg = e->arg_size ? behind : NULL,
                                   .in = behind + e->arg_size,
                                   .in_size = e->in_size,
                                   .out_size = e->out_size,
                                   .arg_size = e->arg_size,
                                   .is_task = (int)e->is_task,
                                   .task = e->task };
    if ((rc = kith__token_resolve(&e->fn, &s->fn)) < 0)
        return rc;
    kith__turn.priority = e->priority;
    return 0;
}

/* Costs may lie anywhere, and are copied to where they are aligned. */
static int copy_costs(const char *end, const struct order *e, struct kith__order *o)
{
    uint64_t size = e->n * sizeof *o->costs;

    if (!e->has_costs)
        return 0;
    if (!(o->costs = malloc(size)))
        return kith__fail(KITH_ENOMEM, "no memory for the costs of %llu tasks", (unsigned long long)e->n);
    memcpy(o->costs, end - size, size);
    o->s.costs = o->costs;
    return 0;
}

int kith__order_read(const char *bytes, uint64_t size, struct kith__order *o)
{
    struct order e;
    int rc;

    *o = (struct kith__order){ 0 };
    if ((rc = read_it(bytes, size, &e, &o->s)) == 0)
        rc = copy_costs(bytes + size, &e, o);
    return rc;
}

static void mark_units(struct kith__job *j, uint64_t lo, uint64_t hi, unsigned char *bits)
{
    for (uint64_t unit = lo; unit < hi; unit++)
        set_bit(bits, kith__job_element(j, unit));
}

/* Also those that were killed when the call was cancelled, of which nobody else is told. */
static void mark_failed(struct kith__job *j, unsigned char *bits)
{
    const struct kith__fault_entry *e;

    for (uint64_t at = atomic_load(&j->faults); at; at = atomic_load(&e->next)) {
        e = kith__at(at);
        mark_units(j, e->unit, e->unit + 1, bits);
    }
}

/* Of a job that nobody touches any more. */
static void mark_not_begun(struct kith__job *j, enum kith__step_result last, unsigned char *bits)
{
    uint64_t count = atomic_load(&j->returned_count);

    if (last != KITH__STEP_HALTED) {
        memset(bits, 255, j->n / 8 + 1);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        const struct kith__range *r = &kith__job_returned(j)[i];

        mark_units(j, atomic_load(&r->lo), atomic_load(&r->lo) + atomic_load(&r->length), bits);
    }
    mark_units(j, atomic_load(&j->cursor) >> 16, j->units, bits);
}

/* What of its results is to be known before the call ends. 0; KITH_ENOMEM. */
static int look_at(struct kith__call *c, enum kith__step_result last, struct kith__order *o)
{
    struct kith__job *j = c->job;

    if (kith__is_map(j->kind)) {
        if (last == KITH__STEP_DONE && atomic_load(&j->fault_count) == 0)
            return 0;
        if (!(o->bits = calloc(j->n / 8 + 1, 1)))
            return KITH_ENOMEM;
        if (last != KITH__STEP_DONE)
            mark_not_begun(j, last, o->bits);
        mark_failed(j, o->bits);
        return 0;
    }
    if (last != KITH__STEP_DONE || j->out_size == 0)
        return 0;
    o->units = j->units;
    if (!(o->out = malloc(j->units * j->out_size)))
        return KITH_ENOMEM;
    memcpy(o->out, kith__at(j->out), j->units * j->out_size);
    return 0;
}

static void look(struct kith__call *c, enum kith__step_result last, void *context)
{
    struct kith__order *o = context;

    if (look_at(c, last, o) < 0)
        o->code = KITH_ENOMEM;
    else
        o->is_over = 1;
}

int kith__order_prepare(struct kith__order *o)
{
    struct kith__call_spec *s = &o->s;
    uint64_t size = s->n * s->out_size, block;

    s->look = look;
    s->look_context = o;
    if (!kith__is_map(s->kind))
        return 0;
    if (!(block = kith__heap_alloc(size, kith__me))) /* in kith's memory: it needs no ring */
        return KITH_ENOMEM;
    s->out = o->out = kith__at(block);
    memset(o->out, 0, s->kind == KITH__JOB_VARIABLE ? size : 0);
    return 0;
}

static uint64_t count_faults(int code)
{
    struct kith_fault f;
    uint64_t count = 0;

    while (code == KITH_ETASK && kith_last_fault(&f, count) == 0)
        count++;
    return count;
}

static uint64_t size_of_results(const struct kith__order *o)
{
    const struct kith__call_spec *s = &o->s;

    if (!o->out || !o->is_over || (o->code < 0 && o->code != KITH_ETASK && o->code != KITH_ECANCELLED))
        return 0;
    if (s->kind == KITH__JOB_VARIABLE)
        return kith__parcel_bytes_size(o->out, s->n);
    return (kith__is_map(s->kind) ? s->n : o->units) * s->out_size;
}

int kith__outcome_make(const struct kith__order *o, uint64_t head, struct kith__message *m)
{
    struct outcome a = { .code = o->code, .units = o->units };
    struct kith_fault f;
    char *to;

    if (o->code < 0)
        snprintf(a.text, sizeof a.text, "%s", kith_last_error());
    a.faults = count_faults(o->code);
    a.bits = o->bits ? o->s.n / 8 + 1 : 0;
    a.results = size_of_results(o);
    if (make_room(m, head + sizeof a + a.faults * sizeof f + a.bits + a.results) < 0)
        return kith__fail(KITH_ENOMEM, "no memory for the outcome of a call");
    to = m->bytes + head + sizeof a;
    memcpy(m->bytes + head, &a, sizeof a);
    for (uint64_t i = 0; i < a.faults && kith_last_fault(&f, i) == 0; i++, to += sizeof f)
        memcpy(to, &f, sizeof f);
    if (a.bits)
        memcpy(to, o->bits, a.bits);
    if (a.results && o->s.kind == KITH__JOB_VARIABLE)
        kith__parcel_write_bytes(o->out, o->s.n, to + a.bits);
    else if (a.results)
        memcpy(to + a.bits, o->out, a.results);
    return 0;
}

void kith__order_free(struct kith__order *o)
{
    kith_bytes *list = o->out;

    free(o->costs);
    free(o->bits);
    if (!o->out)
        return;
    if (!kith__is_map(o->s.kind)) {
        free(o->out);
        return;
    }
    for (uint64_t i = 0; o->s.kind == KITH__JOB_VARIABLE && i < o->s.n; i++)
        if (list[i].data)
            kith__heap_free(kith__offset(list[i].data));
    kith__heap_free(kith__offset(o->out));
}
