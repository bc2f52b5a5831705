/* test_parcel.c: jobs, grants and results as bytes: they come out as they went in, and bytes that are cut, or
 * say what cannot be, are refused. The job is a true one of a pool, whose workers see nothing of it. */
#include "config.h"
#include "check.h"
#include "pool/call.h"
#include "pool/chunk.h"
#include "pool/parcel.h"
#include "pool/row.h"
#include "shm/heap.h"

static struct kith__object *object;
static uint32_t post;

static double halved(double x)
{
    return x / 2;
}

/* A map of 1000 doubles, whose arguments lie in a ring of 64. */
static struct kith__job *take_job(void)
{
    struct kith__job *j;
    int rc;

    kith__guard_enter(&object->guard);
    j = kith__job_take(object, &post, &rc);
    kith__object_leave(object);
    CU_ASSERT_FATAL(j != NULL);
    j->seq = 77;
    j->root = 76;
    j->priority = -2;
    j->kind = KITH__JOB_BYTES;
    j->shape = 5;
    j->tries = 2;
    j->halt = -1;
    j->n = j->units = 1000;
    j->in_size = j->out_size = sizeof(double);
    j->call = 12345;
    j->in_ring = 64;
    j->arg_size = 100;
    CU_ASSERT_FATAL((j->in = kith__heap_alloc(64 * sizeof(double), kith__me)) != 0);
    CU_ASSERT_FATAL((j->arg = kith__heap_alloc(100, kith__me)) != 0);
    PASS(kith__token_make(&j->fn, (kith__anyfn *)halved));
    snprintf(j->name, sizeof j->name, "halved");
    memset(kith__at(j->arg), 'a', 100);
    for (int i = 0; i < 64; i++)
        ((double *)kith__at(j->in))[i] = i;
    return j;
}

static void give_back(struct kith__job *j)
{
    kith__heap_free(j->in);
    kith__heap_free(j->arg);
    j->in = j->arg = 0;
    kith__job_withdraw(kith__pool_body(object), post);
}

/* Exactly as many bytes, so that who reads beyond them is seen by valgrind and a sanitizer. */
static void *cut(const void *bytes, size_t size)
{
    void *p = malloc(size ? size : 1);

    CU_ASSERT_FATAL(p != NULL);
    memcpy(p, bytes, size);
    return p;
}

static void *pack_job(struct kith__job *j, size_t *size)
{
    void *bytes = malloc(*size = kith__parcel_job_size(j));

    CU_ASSERT_FATAL(bytes != NULL);
    kith__parcel_write_job(j, post, bytes);
    return bytes;
}

static int read_job(const void *bytes, size_t size)
{
    struct kith__parcel_job job;
    const void *arg;
    void *p = cut(bytes, size);
    int rc = kith__parcel_read_job(p, size, &job, &arg);

    free(p);
    return rc;
}

static void a_job_is_the_same_there(void)
{
    struct kith__job *j = take_job();
    size_t size;
    void *bytes = pack_job(j, &size);
    struct kith__parcel_job job;
    kith__anyfn *fn;
    const void *arg;

    PASS(kith__parcel_read_job(bytes, size, &job, &arg));
    CU_ASSERT(job.seq == 77 && job.post == post && job.kind == KITH__JOB_BYTES && job.shape == 5 &&
              job.tries == 2);
    CU_ASSERT(job.halt == -1 && job.n == 1000 && job.units == 1000 && job.in_size == 8 && job.out_size == 8);
    CU_ASSERT(job.call == 12345 && job.arg_size == 100 && memcmp(arg, kith__at(j->arg), 100) == 0);
    CU_ASSERT_STRING_EQUAL(job.name, "halved");
    PASS(kith__token_resolve(&job.fn, &fn));
    CU_ASSERT(fn == (kith__anyfn *)halved);
    free(bytes);
    give_back(j);
}

static void a_job_that_makes_no_sense_is_refused(void)
{
    struct kith__job *j = take_job();
    struct kith__parcel_job *job;
    size_t size;
    char *bytes = pack_job(j, &size);

    for (size_t i = 0; i < size; i++)
        FAILS_WITH(KITH_EPEER, read_job(bytes, i));
#define REFUSED(change)                              \
    do {                                             \
        job = cut(bytes, size);                      \
        change;                                      \
        FAILS_WITH(KITH_EPEER, read_job(job, size)); \
        free(job);                                   \
    } while (0)
    REFUSED(job->kind = KITH__JOB_ROW);
    REFUSED(job->arg_size = 101);
    REFUSED(job->arg_size = UINT64_MAX - sizeof *job + 1);
    REFUSED(job->units = 0);
    REFUSED(job->units = 999);
    REFUSED(job->in_size = UINT64_MAX / 2);
    REFUSED(job->out_size = UINT64_MAX);
    REFUSED(memset(job->name, 'x', sizeof job->name));
    REFUSED(job->kind = KITH__JOB_SUM; job->n = 100000);
#undef REFUSED
    free(bytes);
    give_back(j);
}

static void a_grant_brings_its_arguments(void)
{
    struct kith__job *j = take_job();
    struct kith__grant g = { .epoch = 9, .lo = 130, .length = 10, .tries = 1 };
    size_t size = kith__parcel_grant_size(j, &g), job_size;
    void *described = pack_job(j, &job_size), *bytes = malloc(size);
    struct kith__parcel_job job;
    struct kith__parcel_grant head;
    const void *arg, *in;

    CU_ASSERT_FATAL(bytes != NULL);
    atomic_store(&j->cursor, UINT64_C(140) << 16);
    kith__parcel_write_grant(j, post, &g, bytes);
    PASS(kith__parcel_read_job(described, job_size, &job, &arg));
    PASS(kith__parcel_read_grant(bytes, size, &head));
    CU_ASSERT(head.seq == 77 && head.post == post && head.root == 76 && head.priority == -2);
    CU_ASSERT(head.grant.epoch == 9 && head.grant.lo == 130 && head.grant.length == 10 &&
              head.grant.tries == 1);
    PASS(kith__parcel_check_grant(&job, bytes, size, &in));
    for (int i = 0; i < 10; i++) {
        double x;

        memcpy(&x, (const char *)in + (size_t)i * sizeof x, sizeof x);
        CU_ASSERT_EQUAL(x, (130 + i) % 64);
    }
    free(described);
    free(bytes);
    give_back(j);
}

/* So a node that does not know it need not ask. */
static void a_small_job_comes_along_with_its_grant(void)
{
    struct kith__job *j = take_job();
    struct kith__grant g = { .epoch = 9, .lo = 130, .length = 10 };
    size_t own = kith__parcel_grant_size(j, &g), size = own + kith__parcel_job_size(j);
    char *bytes = malloc(size);
    struct kith__parcel_job job;
    struct kith__parcel_grant head;
    const void *described, *arg, *in;
    uint64_t job_size;

    CU_ASSERT_FATAL(bytes != NULL);
    kith__parcel_write_grant(j, post, &g, bytes);
    CU_ASSERT_PTR_NULL(kith__parcel_described(bytes, own, &job_size));
    kith__parcel_add_job(j, post, bytes, own);
    CU_ASSERT_FATAL((described = kith__parcel_described(bytes, size, &job_size)) == bytes + own);
    PASS(kith__parcel_read_job(described, job_size, &job, &arg));
    CU_ASSERT(job.seq == 77 && job.n == 1000 && memcmp(arg, kith__at(j->arg), 100) == 0);
    PASS(kith__parcel_check_grant(&job, bytes, size, &in));
    for (size_t i = 0; i < size; i++) {
        void *p = cut(bytes, i);

        FAILS_WITH(KITH_EPEER, kith__parcel_check_grant(&job, p, i, &in));
        free(p);
    }
    memcpy(&head, bytes, sizeof head);
    head.is_item = 1;
    FAILS_WITH(KITH_EPEER, kith__parcel_read_grant(&head, sizeof head, &head));
    free(bytes);
    give_back(j);
}

/* Of a job with an order each unit is some element, and brings the argument of that. */
static void an_order_goes_along(void)
{
    struct kith__job *j = take_job();
    struct kith__grant g = { .epoch = 9, .lo = 10, .length = 20 };
    size_t size, job_size;
    void *described, *bytes;
    struct kith__parcel_job job;
    const void *arg, *in, *elements;

    j->in_ring = 0;
    j->n = j->units = 64;
    CU_ASSERT_FATAL((j->order = kith__heap_alloc(64 * sizeof(uint64_t), kith__me)) != 0);
    for (uint64_t i = 0; i < 64; i++)
        ((uint64_t *)kith__at(j->order))[i] = 63 - i;
    CU_ASSERT_EQUAL(size = kith__parcel_grant_size(j, &g),
                    sizeof(struct kith__parcel_grant) + 20 * kith__parcel_unit_size(j));
    described = pack_job(j, &job_size);
    CU_ASSERT_FATAL((bytes = malloc(size)) != NULL);
    kith__parcel_write_grant(j, post, &g, bytes);
    PASS(kith__parcel_read_job(described, job_size, &job, &arg));
    PASS(kith__parcel_check_grant(&job, bytes, size, &in));
    CU_ASSERT_FATAL((elements = kith__parcel_elements(&job, bytes)) != NULL);
    for (uint64_t i = 0; i < 20; i++) {
        uint64_t element;
        double x;

        memcpy(&x, (const char *)in + i * sizeof x, sizeof x);
        memcpy(&element, (const char *)elements + i * sizeof element, sizeof element);
        CU_ASSERT(element == 53 - i && x == (double)element);
    }
    FAILS_WITH(KITH_EPEER, kith__parcel_check_grant(&job, bytes, size - 8, &in));
    kith__heap_free(j->order);
    j->order = 0;
    free(described);
    free(bytes);
    give_back(j);
}

/* An item says itself what is to be called. */
static void a_task_of_a_row_goes_along(void)
{
    enum { IN = 40, OUT = 200 };
    static struct kith__callee callee = { .kind = KITH__JOB_BYTES, .in_size = IN, .out_size = OUT };
    struct kith__job *j = take_job();
    struct kith__grant g = { .epoch = 9, .lo = 3, .length = 1 };
    struct kith__parcel_item item;
    struct kith__item *items;
    struct kith__row *row;
    uint64_t before = j->arg, map, block, at;
    const void *in;
    size_t size;
    char *bytes;

    CU_ASSERT_FATAL((j->arg = kith__heap_alloc(sizeof *row, kith__me)) != 0);
    CU_ASSERT_FATAL((map = kith__heap_alloc(KITH__ROW_MAP * sizeof(kith__word), kith__me)) != 0);
    CU_ASSERT_FATAL((block = kith__heap_alloc(8 * sizeof *items + sizeof callee, kith__me)) != 0);
    at = kith__heap_alloc(64 + OUT, kith__me);
    row = kith__at(j->arg);
    memset(row, 0, sizeof *row);
    atomic_store(&row->maps[0], map);
    atomic_store((kith__word *)kith__at(map), block);
    items = kith__at(block);
    callee.out_at = 64;
    callee.fn = j->fn;
    snprintf(callee.name, sizeof callee.name, "halved");
    memcpy(items + 8, &callee, sizeof callee);
    items[3] = (struct kith__item){ .callee = kith__offset(items + 8), .number = 4711, .in = { at } };
    memset(kith__at(at), 'b', IN);
    j->kind = KITH__JOB_ROW;
    CU_ASSERT_FATAL((bytes = malloc(size = kith__parcel_grant_size(j, &g))) != NULL);
    kith__parcel_write_grant(j, post, &g, bytes);
    PASS(kith__parcel_read_item(bytes, size, &item, &in));
    CU_ASSERT(item.number == 4711 && item.kind == KITH__JOB_BYTES && item.in_size == IN &&
              item.out_size == OUT && item.tries == 2);
    CU_ASSERT_STRING_EQUAL(item.name, "halved");
    for (int i = 0; i < IN; i++)
        CU_ASSERT_EQUAL(((const char *)in)[i], 'b');
    for (size_t i = 0; i < size; i++) {
        void *p = cut(bytes, i);

        FAILS_WITH(KITH_EPEER, kith__parcel_read_item(p, i, &item, &in));
        free(p);
    }
    memcpy(bytes + sizeof(struct kith__parcel_grant) + offsetof(struct kith__parcel_item, kind),
           &(uint32_t){ KITH__JOB_SUM }, sizeof(uint32_t));
    FAILS_WITH(KITH_EPEER, kith__parcel_read_item(bytes, size, &item, &in));
    free(bytes);
    kith__heap_free(at);
    kith__heap_free(block);
    kith__heap_free(map);
    kith__heap_free(j->arg);
    j->arg = before;
    give_back(j);
}

static int check_grant(const struct kith__parcel_job *job, const void *bytes, size_t size)
{
    void *p = cut(bytes, size);
    const void *in;
    int rc = kith__parcel_check_grant(job, p, size, &in);

    free(p);
    return rc;
}

static void a_grant_of_another_size_is_refused(void)
{
    struct kith__parcel_job job = { .seq = 1, .post = 2, .n = 1000, .units = 1000, .in_size = 8 };
    struct {
        struct kith__parcel_grant head;
        double in[11];
    } g = { .head = { .seq = 1, .post = 2, .grant = { .epoch = 1, .lo = 990, .length = 10 } } };
    size_t size = sizeof g.head + 10 * sizeof(double);

    PASS(check_grant(&job, &g, size));
    for (size_t i = 0; i < size; i++)
        FAILS_WITH(KITH_EPEER, check_grant(&job, &g, i));
    FAILS_WITH(KITH_EPEER, check_grant(&job, &g, size + sizeof(double)));
    g.head.grant.lo = 991;
    FAILS_WITH(KITH_EPEER, check_grant(&job, &g, size));
    g.head.grant.lo = UINT64_MAX - 5;
    FAILS_WITH(KITH_EPEER, check_grant(&job, &g, size));
    g.head.grant.lo = 0;
    g.head.grant.length = (UINT64_C(1) << 61) + 10; /* times 8 it is the same */
    FAILS_WITH(KITH_EPEER, check_grant(&job, &g, size));
    g.head.grant.length = 0;
    FAILS_WITH(KITH_EPEER, check_grant(&job, &g, sizeof g.head));
    g.head.grant.length = 10;
    g.head.priority = 5;
    FAILS_WITH(KITH_EPEER, check_grant(&job, &g, size));
    g.head.priority = -4;
    PASS(check_grant(&job, &g, size));
    g.head.seq = 2;
    FAILS_WITH(KITH_EPEER, check_grant(&job, &g, size));
}

/* ---- results */

static const struct kith__grant granted = { .epoch = 9, .lo = 130, .length = 10 };

/* Of six units that were done, two of which have failed. */
static char *pack_result(size_t *size)
{
    static const char *const texts[] = { "no such file", "" };
    struct kith__parcel_job job = { .out_size = sizeof(double) };
    struct kith__parcel_result r = {
        .seq = 77, .epoch = 9, .done = 6, .tries = 1, .post = post, .faults = 2, .size = 6 * sizeof(double)
    };
    uint64_t at = kith__parcel_result_size(&job, r.done);
    char *bytes;

    *size = at;
    for (int i = 0; i < 2; i++)
        *size += kith__parcel_fault_size((uint32_t)strlen(texts[i]));
    CU_ASSERT_FATAL((bytes = malloc(*size)) != NULL);
    memcpy(bytes, &r, sizeof r);
    for (int i = 0; i < 6; i++) {
        double x = i * 1.5;

        memcpy(bytes + sizeof r + (size_t)i * sizeof x, &x, sizeof x);
    }
    for (int i = 0; i < 2; i++) {
        struct kith__parcel_fault f = { .unit = (uint64_t)(i ? 5 : 2),
                                        .end = KITH_END_FAILED,
                                        .code = 40 + i,
                                        .pid = 1000,
                                        .worker = 3,
                                        .text_size = (uint32_t)strlen(texts[i]) };

        memcpy(bytes + at, &f, sizeof f);
        memcpy(bytes + at + sizeof f, texts[i], f.text_size);
        at += kith__parcel_fault_size(f.text_size);
    }
    CU_ASSERT_EQUAL(at, *size);
    return bytes;
}

static void results_and_faults_come_back(void)
{
    struct kith__job *j = take_job();
    struct kith__parcel_faults faults;
    struct kith__parcel_result r;
    struct kith__parcel_fault f;
    const char *text;
    size_t size;
    char *bytes = pack_result(&size);
    double x;

    PASS(kith__parcel_read_result(bytes, size, &r));
    CU_ASSERT(r.epoch == 9 && r.done == 6 && r.tries == 1 && r.post == post);
    PASS(kith__parcel_check_result(j, &granted, bytes, size));
    memcpy(&x, (const char *)kith__parcel_results(bytes) + 4 * sizeof x, sizeof x);
    CU_ASSERT_EQUAL(x, 6.0);
    faults = kith__parcel_faults(bytes);
    CU_ASSERT(kith__parcel_next_fault(&faults, &f, &text) && f.unit == 2 && f.code == 40 &&
              f.text_size == 12);
    CU_ASSERT(memcmp(text, "no such file", 12) == 0);
    CU_ASSERT(kith__parcel_next_fault(&faults, &f, &text) && f.unit == 5 && f.code == 41 && f.text_size == 0);
    CU_ASSERT(!kith__parcel_next_fault(&faults, &f, &text));
    free(bytes);
    give_back(j);
}

static int check_result(const struct kith__job *j, const void *bytes, size_t size)
{
    void *p = cut(bytes, size);
    int rc = kith__parcel_check_result(j, &granted, p, size);

    free(p);
    return rc;
}

static void results_that_do_not_fit_are_refused(void)
{
    struct kith__job *j = take_job();
    struct kith__parcel_result *r;
    size_t size;
    char *bytes = pack_result(&size), *more;

    for (size_t i = 0; i < size; i++)
        FAILS_WITH(KITH_EPEER, check_result(j, bytes, i));
    more = realloc(cut(bytes, size), size + 1);
    CU_ASSERT_FATAL(more != NULL);
    more[size] = 0;
    FAILS_WITH(KITH_EPEER, check_result(j, more, size + 1));
    free(more);
#define REFUSED(change)                                   \
    do {                                                  \
        r = cut(bytes, size);                             \
        change;                                           \
        FAILS_WITH(KITH_EPEER, check_result(j, r, size)); \
        free(r);                                          \
    } while (0)
    REFUSED(r->seq = 78);
    REFUSED(r->epoch = 10);
    REFUSED(r->done = 11);
    REFUSED(r->done = 5);
    REFUSED(r->done = (UINT64_C(1) << 61) + 6);
    REFUSED(r->size += 8);
    REFUSED(r->size = UINT64_MAX);
    REFUSED(r->faults = 1);
    REFUSED(r->faults = 3);
    REFUSED(r->faults = UINT32_MAX);
    REFUSED(((struct kith__parcel_fault *)(void *)((char *)(r + 1) + 48))->unit = 6);
    REFUSED(((struct kith__parcel_fault *)(void *)((char *)(r + 1) + 48))->text_size = UINT32_MAX);
#undef REFUSED
    free(bytes);
    give_back(j);
}

/* Three of any size, one of which is nothing, and has failed. */
static char *pack_bytes(size_t *size)
{
    static const uint64_t sizes[] = { 5, 0, 12 };
    static const char text[] = "fivesa dozen....";
    struct kith__parcel_fault f = { .unit = 1, .end = KITH_END_FAILED };
    struct kith__parcel_result r = {
        .seq = 77, .epoch = 9, .done = 3, .post = post, .faults = 1, .size = sizeof sizes + 17
    };
    char *bytes = malloc(*size = sizeof r + r.size + sizeof f);

    CU_ASSERT_FATAL(bytes != NULL);
    memcpy(bytes, &r, sizeof r);
    memcpy(bytes + sizeof r, sizes, sizeof sizes);
    memcpy(bytes + sizeof r + sizeof sizes, text, 17);
    memcpy(bytes + sizeof r + r.size, &f, sizeof f);
    return bytes;
}

static void results_of_any_size_come_back(void)
{
    struct kith__job *j = take_job();
    struct kith__parcel_faults faults;
    struct kith__parcel_fault f;
    uint64_t at = 0, its;
    const char *text;
    size_t size;
    char *bytes = pack_bytes(&size);

    j->kind = KITH__JOB_VARIABLE;
    j->out_size = sizeof(kith_bytes);
    PASS(check_result(j, bytes, size));
    CU_ASSERT(memcmp(kith__parcel_result_of(bytes, 0, &at, &its), "fives", 5) == 0 && its == 5);
    kith__parcel_result_of(bytes, 1, &at, &its);
    CU_ASSERT_EQUAL(its, 0);
    CU_ASSERT(memcmp(kith__parcel_result_of(bytes, 2, &at, &its), "a dozen....", 12) == 0 && its == 12);
    faults = kith__parcel_faults(bytes);
    CU_ASSERT(kith__parcel_next_fault(&faults, &f, &text) && f.unit == 1 && f.text_size == 0);
    for (size_t i = 0; i < size; i++)
        FAILS_WITH(KITH_EPEER, check_result(j, bytes, i));
    for (int i = 0; i < 3; i++) {
        uint64_t *sizes = (void *)(bytes + sizeof(struct kith__parcel_result)), before = sizes[i];

        sizes[i] = before + 1;
        FAILS_WITH(KITH_EPEER, check_result(j, bytes, size));
        sizes[i] = UINT64_MAX;
        FAILS_WITH(KITH_EPEER, check_result(j, bytes, size));
        sizes[i] = before;
    }
    free(bytes);
    give_back(j);
}

/* Whatever a peer sends: it is refused, or can be read to its end. */
static void drawn_bytes_are_refused_or_read(void)
{
    struct kith__job *j = take_job();
    uint64_t state = 1;
    size_t size;
    char *bytes = pack_result(&size);

    for (int round = 0; round < 20000; round++) {
        char *p = cut(bytes, size);

        for (int k = 0; k < 2; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            p[(state >> 33) % size] = (char)(state >> 56);
        }
        if (kith__parcel_check_result(j, &granted, p, size) == 0) {
            struct kith__parcel_faults faults = kith__parcel_faults(p);
            struct kith__parcel_fault f;
            const char *text;

            while (kith__parcel_next_fault(&faults, &f, &text))
                CU_ASSERT(f.unit < granted.length && text + f.text_size <= p + size);
        }
        free(p);
    }
    free(bytes);
    give_back(j);
}

static struct test tests[] = { TEST(a_job_is_the_same_there),
                               TEST(a_job_that_makes_no_sense_is_refused),
                               TEST(a_grant_brings_its_arguments),
                               TEST(a_grant_of_another_size_is_refused),
                               TEST(results_and_faults_come_back),
                               TEST(results_that_do_not_fit_are_refused),
                               TEST(drawn_bytes_are_refused_or_read),
                               TEST(a_small_job_comes_along_with_its_grant),
                               TEST(an_order_goes_along),
                               TEST(a_task_of_a_row_goes_along),
                               TEST(results_of_any_size_come_back),
                               TEST_END };

int main(int argc, char **argv)
{
    kith_pool opened;
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    opened = kith_pool_open(1);
    if (kith__pool_find(opened, &object) < 0)
        check_die("a pool", __FILE__, __LINE__);
    rc = run_tests("parcel", tests);
    kith_pool_close(opened);
    return kith_finalize() ? 1 : rc;
}
