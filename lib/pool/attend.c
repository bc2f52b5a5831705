/* attend.c: see attend.h. Called by call.c. */
#include "config.h"
#include "pool/attend.h"
#include "base/error.h"
#include "object/process.h"
#include "pool/chunk.h"
#include "pool/fault.h"
#include "pool/parcel.h"
#include "pool/turn.h"
#include "shm/heap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ what is sent */

struct errand { /* behind it: context, arguments, costs */
    uint64_t pool, call, n, in_size, out_size, arg_size;
    uint32_t kind, shape, has_costs;
    int32_t priority;
    struct kith__token fn;
    char name[64];
};

struct answer { /* behind it: faults, a bit for each element of a map that was not begun, results */
    int32_t code;
    uint32_t spare;
    uint64_t faults, bits, results; /* how many; bytes; bytes */
    uint64_t units;                 /* of results of a range */
    char text[1024];
};

struct message { /* from malloc */
    char *bytes;
    uint64_t size;
};

static int receive(kith_pipe end, struct message *m)
{
    int64_t size = kith_pipe_next(end, KITH_FOREVER);

    *m = (struct message){ 0 };
    if (size < 0)
        return (int)size;
    if (!(m->bytes = malloc((size_t)size + 1)))
        return kith__fail(KITH_ENOMEM, "no memory for a call of %lld bytes", (long long)size);
    m->size = (uint64_t)size;
    if ((size = kith_pipe_recv(end, m->bytes, m->size, KITH_FOREVER)) >= 0)
        return 0;
    free(m->bytes);
    return (int)size;
}

/* ------------------------------------------------------------------ the attendant */

struct outcome {
    int code;
    void *out; /* of a map a block of the heap, of a range from malloc */
    uint64_t units;
    unsigned char *bits; /* of a map that has not come to its end; NULL: all were begun */
};

static void set_bit(unsigned char *bits, uint64_t i)
{
    bits[i / 8] |= (unsigned char)(1 << i % 8);
}

static int has_bit(const unsigned char *bits, uint64_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

static void mark_units(struct kith__job *j, uint64_t lo, uint64_t hi, unsigned char *bits)
{
    for (uint64_t unit = lo; unit < hi; unit++)
        set_bit(bits, kith__job_element(j, unit));
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
static int look_at(struct kith__call *c, enum kith__step_result last, struct outcome *o)
{
    struct kith__job *j = c->job;

    if (kith__is_map(j->kind)) {
        if (last == KITH__STEP_DONE)
            return 0;
        if (!(o->bits = calloc(j->n / 8 + 1, 1)))
            return kith__fail(KITH_ENOMEM, "no memory for the outcome of a call");
        mark_not_begun(j, last, o->bits);
        return 0;
    }
    if (last != KITH__STEP_DONE || j->out_size == 0)
        return 0;
    o->units = j->units;
    if (!(o->out = malloc(j->units * j->out_size)))
        return kith__fail(KITH_ENOMEM, "no memory for the outcome of a call");
    memcpy(o->out, kith__at(j->out), j->units * j->out_size);
    return 0;
}

static void make_call(struct kith__call_spec *s, struct outcome *o)
{
    enum kith__step_result last = KITH__STEP_WAIT;
    uint64_t size = s->n * s->out_size;
    struct kith__call c;
    int rc;

    if (kith__is_map(s->kind)) { /* in kith's memory: it needs no ring */
        uint64_t block = kith__heap_alloc(size, kith__me);

        if ((o->code = block ? 0 : KITH_ENOMEM) < 0)
            return;
        s->out = o->out = kith__at(block);
        memset(o->out, 0, s->kind == KITH__JOB_VARIABLE ? size : 0);
    }
    if ((o->code = kith__call_begin(&c, s)) < 0)
        return;
    rc = kith__call_wait(&c, -1, &last);
    if (rc == 0)
        rc = look_at(&c, last, o);
    o->code = kith__call_end(&c, last);
    if (rc < 0)
        o->code = rc;
}

/* 0; KITH_EPEER: it is none; KITH_EFUNC. */
static int read_errand(const struct message *m, struct errand *e, struct kith__call_spec *s)
{
    const char *behind = m->bytes + sizeof *e;
    uint64_t left, in;
    int rc;

    if (m->size < sizeof *e)
        return kith__fail(KITH_EPEER, "a call from another node makes no sense: two versions of kith?");
    left = m->size - sizeof *e;
    memcpy(e, m->bytes, sizeof *e);
    e->name[sizeof e->name - 1] = '\0';
    in = kith__is_map(e->kind) ? e->n : 0;
    if (e->kind >= KITH__JOB_ROW || e->arg_size > left ||
        (e->in_size && in > (left - e->arg_size) / e->in_size) ||
        (e->has_costs && e->n > left / sizeof(double)) ||
        left != e->arg_size + in * e->in_size + (e->has_costs ? e->n * sizeof(double) : 0))
        return kith__fail(KITH_EPEER, "a call from another node makes no sense: two versions of kith?");
    *s = (struct kith__call_spec){ .pool = { e->pool },
                                   .name = e->name[0] ? e->name : NULL,
                                   .kind = (enum kith__job_kind)e->kind,
                                   .shape = (int)e->shape,
                                   .n = e->n,
                                   .call = e->call,
                                   .arg = e->arg_size ? behind : NULL,
                                   .in = behind + e->arg_size,
                                   .in_size = e->in_size,
                                   .out_size = e->out_size,
                                   .arg_size = e->arg_size };
    if ((rc = kith__token_resolve(&e->fn, &s->fn)) < 0)
        return rc;
    kith__turn.priority = e->priority;
    return 0;
}

/* Costs may lie anywhere, and are copied to where they are aligned. */
static int copy_costs(const struct message *m, const struct errand *e, struct kith__call_spec *s,
                      double **costs)
{
    uint64_t size = e->n * sizeof **costs;

    if (!e->has_costs)
        return 0;
    if (!(*costs = malloc(size)))
        return kith__fail(KITH_ENOMEM, "no memory for the costs of %llu tasks", (unsigned long long)e->n);
    memcpy(*costs, m->bytes + m->size - size, size);
    s->costs = *costs;
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

static uint64_t size_of_results(const struct kith__call_spec *s, const struct outcome *o)
{
    if (!o->out || (o->code < 0 && o->code != KITH_ETASK && o->code != KITH_ECANCELLED))
        return 0;
    if (s->kind == KITH__JOB_VARIABLE)
        return kith__parcel_bytes_size(o->out, s->n);
    return (kith__is_map(s->kind) ? s->n : o->units) * s->out_size;
}

static int send_answer(kith_pipe end, const struct kith__call_spec *s, const struct outcome *o)
{
    struct answer a = { .code = o->code, .units = o->units };
    struct kith_fault f;
    char *bytes, *to;
    int rc;

    if (o->code < 0)
        snprintf(a.text, sizeof a.text, "%s", kith_last_error());
    a.faults = count_faults(o->code);
    a.bits = o->bits ? s->n / 8 + 1 : 0;
    a.results = size_of_results(s, o);
    if (!(bytes = malloc(sizeof a + a.faults * sizeof f + a.bits + a.results))) {
        a = (struct answer){ .code = KITH_ENOMEM, .text = "no memory for the outcome of a call" };
        return kith_pipe_send(end, &a, sizeof a, KITH_FOREVER);
    }
    memcpy(bytes, &a, sizeof a);
    to = bytes + sizeof a;
    for (uint64_t i = 0; i < a.faults && kith_last_fault(&f, i) == 0; i++, to += sizeof f)
        memcpy(to, &f, sizeof f);
    if (a.bits)
        memcpy(to, o->bits, a.bits);
    if (a.results && s->kind == KITH__JOB_VARIABLE)
        kith__parcel_write_bytes(o->out, s->n, to + a.bits);
    else if (a.results)
        memcpy(to + a.bits, o->out, a.results);
    rc = kith_pipe_send(end, bytes, sizeof a + a.faults * sizeof f + a.bits + a.results, KITH_FOREVER);
    free(bytes);
    return rc;
}

static void free_outcome(const struct kith__call_spec *s, struct outcome *o)
{
    kith_bytes *list = o->out;

    free(o->bits);
    if (!o->out)
        return;
    if (!kith__is_map(s->kind)) {
        free(o->out);
        return;
    }
    for (uint64_t i = 0; s->kind == KITH__JOB_VARIABLE && i < s->n; i++)
        if (list[i].data)
            kith__heap_free(kith__offset(list[i].data));
    kith__heap_free(kith__offset(o->out));
}

static int do_errand(kith_pipe end, const struct message *m)
{
    struct kith__call_spec s = { 0 };
    struct outcome o = { 0 };
    double *costs = NULL;
    struct errand e;
    int rc;

    if ((o.code = read_errand(m, &e, &s)) == 0 && (o.code = copy_costs(m, &e, &s, &costs)) == 0)
        make_call(&s, &o);
    rc = send_answer(end, &s, &o);
    free_outcome(&s, &o);
    free(costs);
    return rc;
}

/* The target of its Process, which ends when nobody is at the other end any more. */
static int attendant(const void *arg)
{
    struct message m;
    kith_pipe end;
    int rc;

    memcpy(&end, arg, sizeof end);
    while (receive(end, &m) == 0) {
        rc = do_errand(end, &m);
        free(m.bytes);
        if (rc < 0)
            break;
    }
    return 0;
}

/* ------------------------------------------------------------------ who is served */

struct attendant {
    struct attendant *next;
    kith_pipe end;
    kith_process process;
    uint32_t node;
};

static struct attendant *idle;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

int kith__attend_is_needed(kith_pool pool)
{
    return kith__base && kith__me && pool.id != 0 && pool.id >> 62 == 0 &&
           kith__handle_home(pool.id) != kith__shared->node &&
           kith__handle_home(pool.id) < kith__shared->nodes;
}

static void dismiss(struct attendant *a)
{
    kith_pipe_close(a->end);
    kith_process_close(a->process);
    free(a);
}

static int engage(uint32_t node, struct attendant **out)
{
    struct kith_process_options o = { .name = "attendant", .daemon = 1, .node = (int)node + 1 };
    struct attendant *a = calloc(1, sizeof *a);
    kith_pipe ends[2];
    struct kith__run run = { (kith__anyfn *)attendant, 0, &ends[1], sizeof ends[1], 1 };
    int64_t process;
    int rc;

    if (!a)
        return kith__fail(KITH_ENOMEM, "no memory for a call");
    if ((rc = kith_pipe_open(ends)) < 0) {
        free(a);
        return rc;
    }
    if ((process = kith__process_begin(&run, &o)) < 0) {
        kith_pipe_close(ends[0]);
        kith_pipe_close(ends[1]);
        free(a);
        return (int)process;
    }
    *a = (struct attendant){ .end = ends[0], .process = { (uint64_t)process }, .node = node };
    kith_pipe_give(ends[1], a->process);
    *out = a;
    return 0;
}

static struct attendant *take_idle(uint32_t node)
{
    struct attendant **at = &idle, *a;

    pthread_mutex_lock(&mutex);
    while ((a = *at) && a->node != node)
        at = &a->next;
    if (a)
        *at = a->next;
    pthread_mutex_unlock(&mutex);
    return a;
}

static void put_idle(struct attendant *a)
{
    pthread_mutex_lock(&mutex);
    a->next = idle;
    idle = a;
    pthread_mutex_unlock(&mutex);
}

/* 0; a code. */
static int make_errand(const struct kith__call_spec *s, struct message *m)
{
    uint64_t in = kith__is_map(s->kind) ? s->n * s->in_size : 0,
             costs = s->costs ? s->n * sizeof *s->costs : 0;
    struct errand e;
    char *to;
    int rc;

    memset(&e, 0, sizeof e); /* also what lies between its members */
    if ((rc = kith__token_make(&e.fn, s->fn)) < 0)
        return rc;
    e.pool = s->pool.id;
    e.call = kith__call_number();
    e.n = s->n;
    e.in_size = s->in_size;
    e.out_size = s->out_size;
    e.arg_size = s->arg_size;
    e.kind = (uint32_t)s->kind;
    e.shape = (uint32_t)s->shape;
    e.has_costs = s->costs != NULL;
    e.priority = kith__turn.priority;
    if (s->name)
        memcpy(e.name, s->name, strnlen(s->name, sizeof e.name - 1));
    m->size = sizeof e + s->arg_size + in + costs;
    if (!(to = m->bytes = malloc(m->size)))
        return kith__fail(KITH_ENOMEM, "no memory for a call of %llu bytes", (unsigned long long)m->size);
    memcpy(to, &e, sizeof e);
    to += sizeof e;
    if (s->arg_size)
        memcpy(to, s->arg, s->arg_size);
    if (in)
        memcpy(to + s->arg_size, s->in, in);
    if (costs)
        memcpy(to + s->arg_size + in, s->costs, costs);
    return 0;
}

/* An idle one may have ended, with its node's memory or at somebody's hand: then the next one. */
static int send_errand(uint32_t node, const struct message *m, struct attendant **out)
{
    struct attendant *a;
    int rc;

    while ((a = take_idle(node))) {
        if (kith_pipe_send(a->end, m->bytes, m->size, KITH_FOREVER) == 0) {
            *out = a;
            return 0;
        }
        dismiss(a);
    }
    if ((rc = engage(node, &a)) < 0)
        return rc;
    if ((rc = kith_pipe_send(a->end, m->bytes, m->size, KITH_FOREVER)) < 0)
        dismiss(a);
    else
        *out = a;
    return rc;
}

/* ------------------------------------------------------------------ what comes back */

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
static int take_results(const struct kith__call_spec *s, const struct answer *a,
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
static int fold_results(const struct kith__call_spec *s, const struct answer *a, const char *results,
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

static int sizes_fit(const struct kith__call_spec *s, const struct answer *a, uint64_t left)
{
    return a->faults <= left / sizeof(struct kith_fault) && a->bits <= left && a->results <= left &&
           a->faults * sizeof(struct kith_fault) + a->bits + a->results == left &&
           (a->bits == 0 || a->bits == s->n / 8 + 1);
}

static int results_fit(const struct kith__call_spec *s, const struct answer *a, const char *results)
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

static int take_answer(const struct kith__call_spec *s, const struct message *m,
                       void (*fold)(struct kith__call *c, void *context), void *context)
{
    static const char damaged[] = "what came of a call makes no sense: two versions of kith?";
    const struct kith_fault *faults = (const void *)(m->bytes + sizeof(struct answer));
    const char *bits, *results;
    struct answer a;
    int rc = 0;

    if (m->size < sizeof a)
        return kith__fail(KITH_EPEER, damaged);
    memcpy(&a, m->bytes, sizeof a);
    a.text[sizeof a.text - 1] = '\0';
    if (!sizes_fit(s, &a, m->size - sizeof a))
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

int kith__attend(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
                 void *context)
{
    uint32_t node = kith__handle_home(s->pool.id);
    struct message errand = { 0 }, answer = { 0 };
    struct attendant *a = NULL;
    int rc = make_errand(s, &errand);

    if (rc == 0)
        rc = send_errand(node, &errand, &a);
    free(errand.bytes);
    if (rc < 0)
        return rc;
    if ((rc = receive(a->end, &answer)) < 0) {
        dismiss(a);
        return rc == KITH_EEND
                   ? kith__fail(KITH_EPEER, "the process on node %u that made this call has ended", node)
                   : rc;
    }
    put_idle(a);
    rc = take_answer(s, &answer, fold, context);
    free(answer.bytes);
    return rc;
}
