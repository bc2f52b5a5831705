/* test_list.c: Lists as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "containers.h"
#include "object/class.h"

#include <pthread.h>

/* The list has these numbers. */
static void has(kith_list l, const int *x, int n)
{
    struct kith_view *v = kith_list_view(l, 0, INT64_MAX);
    struct kith_item i;
    int k = 0, y;

    CU_ASSERT_EQUAL(kith_list_len(l), n);
    CU_ASSERT_EQUAL(kith_view_len(v), (size_t)n);
    for (; kith_view_next(v, &i); k++)
        CU_ASSERT(i.size == sizeof y && memcmp(i.value, &x[k], sizeof y) == 0);
    kith_view_free(v);
    if (n > 0) {
        PASS(kith_fetch(l, -1, &y));
        CU_ASSERT_EQUAL(y, x[n - 1]);
    }
}

#define HAS(l, ...)                                         \
    do {                                                    \
        const int wanted[] = { __VA_ARGS__ };               \
                                                            \
        has(l, wanted, (int)(sizeof wanted / sizeof(int))); \
    } while (0)

/* ---------------------------------------------------------------------- as in Python */

static void elements_come_and_go(void)
{
    kith_list l = far_list_open();
    const int one = 1, nine = 9;
    int x = 0;

    has(l, &one, 0);
    FAILS_WITH(KITH_EMISSING, kith_fetch(l, 0, &x));
    FAILS_WITH(KITH_EMISSING, kith_fetch(l, -1, &x));
    FAILS_WITH(KITH_EMISSING, kith_list_pop(l, -1, &x, sizeof x));
    for (int i = 0; i < 4; i++)
        PASS(kith_append(l, i));
    HAS(l, 0, 1, 2, 3);
    PASS(kith_set(l, 1, 11));
    PASS(kith_set(l, -1, 33));
    HAS(l, 0, 11, 2, 33);
    FAILS_WITH(KITH_EMISSING, kith_set(l, 4, 5));
    FAILS_WITH(KITH_EMISSING, kith_set(l, -5, 5));
    PASS(kith_list_insert(l, 0, KITH_ARG(nine)));
    PASS(kith_list_insert(l, 100, KITH_ARG(one)));
    PASS(kith_list_insert(l, -100, KITH_ARG(one)));
    PASS(kith_list_insert(l, -1, KITH_ARG(nine)));
    HAS(l, 1, 9, 0, 11, 2, 33, 9, 1);
    CU_ASSERT_EQUAL(kith_list_index(l, KITH_ARG(nine)), 1);
    CU_ASSERT_EQUAL(kith_list_count(l, KITH_ARG(nine)), 2);
    PASS(kith_list_remove(l, KITH_ARG(nine)));
    FAILS_WITH(KITH_EMISSING, kith_list_index(l, "x", 1));
    HAS(l, 1, 0, 11, 2, 33, 9, 1);
    CU_ASSERT_EQUAL(kith_list_pop(l, -1, &x, sizeof x), sizeof x);
    CU_ASSERT_EQUAL(x, 1);
    FAILS_WITH(KITH_ETOOBIG, kith_list_pop(l, 0, &x, 1));
    CU_ASSERT_EQUAL(kith_list_pop(l, 0, &x, sizeof x), sizeof x);
    CU_ASSERT_EQUAL(kith_list_pop(l, 2, &x, sizeof x), sizeof x);
    CU_ASSERT_EQUAL(x, 2);
    PASS(kith_list_del(l, -2));
    HAS(l, 0, 11, 9);
    PASS(kith_list_reverse(l));
    HAS(l, 9, 11, 0);
    PASS(kith_inc(l, 1, 5));
    FAILS_WITH(KITH_EMISSING, kith_inc(l, 3, 5));
    HAS(l, 9, 16, 0);
    PASS(kith_list_clear(l));
    has(l, &one, 0);
    PASS(kith_append(l, 7));
    HAS(l, 7);
    PASS(kith_list_close(l));
}

static void elements_have_any_size_and_type(void)
{
    static char large[200000], seen[200000];
    const size_t sizes[] = { 0, 1, 8, 9, 100, 8192, 8193, sizeof large };
    enum { N = sizeof sizes / sizeof sizes[0] };
    kith_list l = far_list_open();
    double y;

    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 7 + i / 251);
    for (int i = 0; i < N; i++)
        PASS(kith_list_append(l, large, sizes[i]));
    for (int i = 0; i < N; i++) {
        CU_ASSERT_EQUAL(kith_list_get(l, i, NULL, 0), (int64_t)sizes[i]);
        CU_ASSERT_EQUAL(kith_list_get(l, i - N, seen, sizeof seen), (int64_t)sizes[i]);
        CU_ASSERT_EQUAL(memcmp(seen, large, sizes[i]), 0);
        PASS(kith_list_set(l, i, large + 1, sizes[N - 1 - i] > 0 ? sizes[N - 1 - i] - 1 : 0));
        PASS(kith_list_insert(l, i, large, sizes[i]));
        PASS(kith_list_del(l, i + 1));
    }
    for (int i = 0; i < N; i++)
        CU_ASSERT_EQUAL(kith_list_get(l, i, seen, sizeof seen), (int64_t)sizes[i]);
    PASS(kith_append(l, 2.5));
    PASS(kith_append(l, "text"));
    PASS(kith_fetch(l, -2, &y));
    CU_ASSERT(y == 2.5);
    FAILS_WITH(KITH_ETYPE, kith_fetch(l, -1, &y));
    CU_ASSERT_EQUAL(kith_list_get(l, -1, seen, sizeof seen), 5);
    CU_ASSERT_STRING_EQUAL(seen, "text");
    PASS(kith_list_close(l));
}

static void slices_and_extend(void)
{
    const int more[] = { 1, 2, 3, 4, 5 };
    static const char large[3][300] = { "a", "b", "c" };
    kith_list l = far_list_open();
    struct kith_view *v;
    struct kith_item i;

    PASS(kith_list_extend(l, more, sizeof(int), 5));
    PASS(kith_list_extend(l, more, sizeof(int), 0));
    HAS(l, 1, 2, 3, 4, 5);
    PASS(kith_list_extend(l, more, sizeof(int), 2)); /* there is room for them */
    HAS(l, 1, 2, 3, 4, 5, 1, 2);
    PASS(kith_list_del(l, -1));
    PASS(kith_list_del(l, -1));
    v = kith_list_view(l, 1, -1);
    CU_ASSERT_EQUAL(kith_view_len(v), 3);
    CU_ASSERT(kith_view_next(v, &i) && *(const int *)i.value == 2 && i.key_size == 0);
    kith_view_free(v);
    v = kith_list_view(l, 4, 2);
    CU_ASSERT_EQUAL(kith_view_len(v), 0);
    kith_view_free(v);
    PASS(kith_list_extend(l, large, sizeof large[0], 3));
    CU_ASSERT_EQUAL(kith_list_len(l), 8);
    CU_ASSERT_EQUAL(kith_list_index(l, large[1], sizeof large[1]), 6);
    PASS(kith_list_clear(l));
    PASS(kith_append(l, 9));
    PASS(kith_extend(l, more, 3)); /* numbers as kith_append appends them */
    PASS(kith_list_sort(l, NULL, KITH_FOREVER));
    HAS(l, 1, 2, 3, 9);
    PASS(kith_list_close(l));
}

static int last_digit(const struct kith_item *a, const struct kith_item *b)
{
    return *(const int *)a->value % 10 - *(const int *)b->value % 10;
}

static void sorting(void)
{
    kith_list l = far_list_open();
    const int x[] = { 31, 12, 2, -1, 21, 11, 22 };
    char text[8];

    PASS(kith_list_sort(l, NULL, 0));
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++)
        PASS(kith_append(l, x[i]));
    PASS(kith_list_sort(l, NULL, 0));
    HAS(l, -1, 2, 11, 12, 21, 22, 31);
    PASS(kith_list_sort(l, last_digit, 0));
    HAS(l, -1, 11, 21, 31, 2, 12, 22); /* equal ones keep their order */
    PASS(kith_append(l, "a"));
    FAILS_WITH(KITH_ETYPE, kith_list_sort(l, NULL, 0));
    PASS(kith_list_clear(l));
    PASS(kith_append(l, "b"));
    PASS(kith_append(l, "abc"));
    PASS(kith_append(l, "ab"));
    PASS(kith_list_sort(l, NULL, 0));
    PASS(kith_list_get(l, 0, text, sizeof text));
    CU_ASSERT_STRING_EQUAL(text, "ab");
    PASS(kith_list_get(l, 2, text, sizeof text));
    CU_ASSERT_STRING_EQUAL(text, "b");
    FAILS_WITH(KITH_EINVAL, kith_list_sort(l, NULL, -2));
    PASS(kith_list_close(l));
}

/* A list, or a queue, in a list is its handle. */
static int uses_nested(const void *arg)
{
    kith_list outer = *(const kith_list *)arg, inner;
    kith_queue q;

    return kith_fetch(outer, 0, &inner) < 0 || kith_append(inner, 7) < 0 || kith_fetch(outer, 1, &q) < 0 ||
           kith_put(q, inner) < 0;
}

static void containers_nest(void)
{
    kith_list outer = far_list_open(), inner = far_list_open(), same;
    kith_queue q = far_queue_open(0);

    PASS(kith_list_append(outer, KITH_ARG(inner)));
    PASS(kith_list_append(outer, KITH_ARG(q)));
    CU_ASSERT_EQUAL(code_of(kith_process_start(uses_nested, KITH_ARG(outer))), 0);
    PASS(kith_get(q, &same));
    CU_ASSERT_EQUAL(same.id, inner.id);
    HAS(inner, 7);
    CU_ASSERT_EQUAL(kith_list_index(outer, KITH_ARG(q)), 1);
    PASS(kith_list_close(inner));
    PASS(kith_list_close(outer));
    PASS(kith_queue_close(q));
}

/* ---------------------------------------------------------------------- against a model */

enum { MODEL = 2000 };

/* Of 50 bytes, which need a block, or of 4. */
static size_t element_of(int number, char *bytes)
{
    size_t size = number % 5 == 0 ? 50 : 4;

    memset(bytes, 0, 50);
    memcpy(bytes, &number, sizeof number);
    return size;
}

static int is_element(kith_list l, int64_t i, int number)
{
    char bytes[50], seen[50];
    size_t size = element_of(number, bytes);

    return kith_list_get(l, i, seen, sizeof seen) == (int64_t)size && memcmp(bytes, seen, size) == 0;
}

static void what_comes_in_anywhere_goes_anywhere(void)
{
    static int model[MODEL];
    unsigned long random = check_seed();
    int n = is_far() ? 600 : SANITIZED ? 5000 : 40000, count = 0, most = is_far() ? 60 : 300;
    kith_list l = far_list_open();
    char bytes[50];

    for (int i = 0; i < n; i++) {
        int at, grows = i / (n / 8) % 2 == 0;

        random = random * 6364136223846793005UL + 1442695040888963407UL;
        at = count ? (int)((random >> 33) % (unsigned long)count) : 0;
        at = (random >> 60) % 4 == 0 ? 0 : (random >> 60) % 4 == 1 && count ? count - 1 : at;
        if ((random >> 20) % 8 < (grows ? 6U : 2U) && count < most) {
            at += (random >> 50) % 2 && count > 0;
            memmove(model + at + 1, model + at, (size_t)(count - at) * sizeof(int));
            model[at] = i;
            count++;
            PASS(at == count - 1 ? kith_list_append(l, bytes, element_of(i, bytes))
                                 : kith_list_insert(l, at, bytes, element_of(i, bytes)));
        } else if (count > 0) {
            PASS(kith_list_del(l, (random >> 40) % 2 ? at : at - count));
            count--;
            memmove(model + at, model + at + 1, (size_t)(count - at) * sizeof(int));
        }
        if (count > 0) {
            at = (int)((random >> 13) % (unsigned long)count);
            CU_ASSERT(is_element(l, at, model[at]));
        }
    }
    CU_ASSERT_EQUAL(kith_list_len(l), count);
    for (int i = 0; i < count; i++)
        CU_ASSERT(is_element(l, i, model[i]));
    PASS(kith_list_close(l));
}

static void nothing_is_kept_for_ever(void)
{
    static const char text[100] = "x";
    uint64_t before;
    kith_list l;

    if (!is_here())
        SKIP("its blocks are elsewhere");
    before = used_blocks();
    l = kith_list_open();
    for (int i = 0; i < 1000; i++)
        PASS(kith_list_append(l, text, sizeof text));
    CU_ASSERT(used_blocks() >= before + 1000);
    for (int i = 0; i < 1000; i++)
        PASS(kith_list_set(l, i % 1000, text, sizeof text));
    CU_ASSERT(used_blocks() < before + 1100);
    PASS(kith_list_clear(l));
    CU_ASSERT(used_blocks() < before + 10);
    for (int i = 0; i < 1000; i++) { /* as a queue */
        PASS(kith_list_append(l, text, sizeof text));
        PASS(kith_list_del(l, 0));
    }
    CU_ASSERT(used_blocks() < before + 100);
    for (int i = 0; i < 1000; i++)
        PASS(kith_list_insert(l, 0, text, sizeof text));
    PASS(kith_list_close(l));
    CU_ASSERT_EQUAL(used_blocks(), before);
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

/* ---------------------------------------------------------------------- many at a time */

struct worker {
    kith_list l;
    int who, rounds;
};

static int appends(const void *arg)
{
    const struct worker *w = arg;

    for (int i = 0; i < w->rounds; i++)
        if (kith_append(w->l, w->who * 1000000 + i) < 0)
            return 1;
    return 0;
}

static void what_processes_append_is_there_in_their_order(void)
{
    struct worker w = { far_list_open(), 0, is_far() ? 100 : SANITIZED ? 1000 : 20000 };
    int next[4] = { 0 };
    struct kith_view *v;
    struct kith_item i;
    kith_process p[3];

    for (w.who = 0; w.who < 3; w.who++)
        p[w.who] = kith_process_start_with(appends, KITH_ARG(w), .node = KITH_NODE(w.who % kith_nodes()));
    CU_ASSERT_EQUAL(appends(&w), 0);
    for (int k = 0; k < 3; k++)
        CU_ASSERT_EQUAL(code_of(p[k]), 0);
    v = kith_list_view(w.l, 0, INT64_MAX);
    CU_ASSERT_EQUAL(kith_view_len(v), 4U * (size_t)w.rounds);
    while (kith_view_next(v, &i)) {
        int x = *(const int *)i.value;

        CU_ASSERT_EQUAL(x % 1000000, next[x / 1000000]);
        next[x / 1000000]++;
    }
    kith_view_free(v);
    PASS(kith_list_close(w.l));
}

static int rotates(const void *arg)
{
    const struct worker *w = arg;

    for (int i = 0; i < w->rounds; i++) {
        char x[100];
        int64_t size = kith_list_pop(w->l, i % 2 ? 0 : -1, x, sizeof x);

        if (size < 0 || kith_list_insert(w->l, i % 2 ? INT64_MAX : i % 3, x, (size_t)size) < 0)
            return 1;
    }
    return 0;
}

/* Each element is of one letter. */
static int reads_whole(const void *arg)
{
    const struct worker *w = arg;
    char x[100];

    for (int i = 0; i < w->rounds; i++) {
        int64_t size = kith_list_get(w->l, i % 12 - 6, x, sizeof x);

        for (int64_t k = 1; k < size; k++)
            if (x[k] != x[0])
                return 2;
        if (size >= 0 && size != 5 && size != 90)
            return 3;
    }
    return 0;
}

static void *reads_in_a_thread(void *arg)
{
    return reads_whole(arg) ? arg : NULL;
}

static void elements_are_seen_whole(void)
{
    struct worker w = { far_list_open(), 0, is_far() ? 100 : SANITIZED ? 2000 : 40000 };
    char x[90];
    kith_process p[3];
    pthread_t t;
    void *failed;

    for (int i = 0; i < 20; i++) {
        memset(x, 'a' + i, sizeof x);
        PASS(kith_list_append(w.l, x, i % 2 ? 5 : 90));
    }
    p[0] = kith_process_start(rotates, KITH_ARG(w));
    p[1] = kith_process_start(rotates, KITH_ARG(w));
    p[2] = kith_process_start(reads_whole, KITH_ARG(w));
    CU_ASSERT_FATAL(pthread_create(&t, NULL, reads_in_a_thread, &w) == 0);
    CU_ASSERT_EQUAL(reads_whole(&w), 0);
    pthread_join(t, &failed);
    CU_ASSERT_PTR_NULL(failed);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    CU_ASSERT_EQUAL(kith_list_len(w.l), 20);
    PASS(kith_list_close(w.l));
}

static int doubles_it(struct kith_entry *e, void *arg)
{
    int x;

    (void)arg;
    memcpy(&x, e->value, sizeof x);
    x *= 2;
    memcpy(e->value, &x, sizeof x);
    return 0;
}

static int removes_it(struct kith_entry *e, void *arg)
{
    (void)arg;
    e->exists = 0;
    return 0;
}

static void an_element_is_updated(void)
{
    kith_list l = far_list_open();
    const int seven = 7;
    int old;

    for (int i = 1; i <= 3; i++)
        PASS(kith_append(l, i));
    PASS(kith_list_update(l, -1, sizeof(int), doubles_it, NULL, 0));
    HAS(l, 1, 2, 6);
    PASS(kith_list_compute(l, 0, KITH_EXCHANGE, 'i', &seven, &old, sizeof old));
    CU_ASSERT_EQUAL(old, 1);
    PASS(kith_list_update(l, 1, sizeof(int), removes_it, NULL, 0));
    HAS(l, 7, 6);
    FAILS_WITH(KITH_EMISSING, kith_list_update(l, 2, sizeof(int), doubles_it, NULL, 0));
    PASS(kith_list_close(l));
}

/* --------------------------------------------------------------------------- deaths */

struct doomed {
    kith_list l;
    int step, what;
};

enum { APPEND, FRONT, MIDDLE, SET, POP, DEL_MIDDLE, REVERSE, SORT, EXTEND, CLEAR, KINDS };
enum { N = 8 }; /* elements: the next one needs another row */

static void changes(const void *arg)
{
    const struct doomed *m = arg;
    static const char large[60] = "new";
    const int few[] = { 100, 101, 102 };
    char x[60];

    switch (m->what) {
    case APPEND: kith_list_append(m->l, large, sizeof large); break;
    case FRONT: kith_list_insert(m->l, 0, large, sizeof large); break;
    case MIDDLE: kith_list_insert(m->l, 4, large, sizeof large); break;
    case SET: kith_list_set(m->l, 4, large, sizeof large); break;
    case POP: kith_list_pop(m->l, 1, x, sizeof x); break;
    case DEL_MIDDLE: kith_list_del(m->l, 4); break;
    case REVERSE: kith_list_reverse(m->l); break;
    case SORT: kith_list_sort(m->l, NULL, KITH_FOREVER); break;
    case EXTEND: kith_list_extend(m->l, few, sizeof few[0], 3); break;
    default: kith_list_clear(m->l); break;
    }
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(((const struct doomed *)arg)->step, changes, arg);
    return 0;
}

static const char unsorted[] = "hgfedcba";

static void fill(kith_list l)
{
    char x[60];

    PASS(kith_list_clear(l));
    for (int i = 0; i < N; i++) {
        memset(x, unsorted[i], sizeof x);
        PASS(kith_list_append(l, x, sizeof x));
    }
}

/* Until what a dead process has sent to the agent is done: the second call is behind it (see netjob.h). */
static void await_heard(kith_list l)
{
    PASS(kith_list_len(l));
    PASS(kith_list_len(l));
}

/* The first letters of the elements. */
static void spell(kith_list l, char *word)
{
    struct kith_view *v = kith_list_view(l, 0, INT64_MAX);
    struct kith_item i;

    while (kith_view_next(v, &i))
        *word++ = *(const char *)i.value;
    kith_view_free(v);
    *word = '\0';
}

static void whoever_dies_at_any_step_leaves_old_or_new(void)
{
    static const char *const after[] = { "hgfedcban", "nhgfedcba", "hgfendcba", "hgfencba",    "hfedcba",
                                         "hgfecba",   "abcdefgh",  "abcdefgh",  "hgfedcbadef", "" };

    for (int what = APPEND; what < KINDS; what++) {
        struct doomed m = { far_list_open(), 0, what };
        int code;
        char word[64] = "";

        AT_EACH_STEP(m.step, code) {
            fill(m.l);
            code = end_at_step(kith_process_start(dies_on_the_way, KITH_ARG(m)));
            if (!is_here())
                await_heard(m.l);
            spell(m.l, word);
            if (strcmp(word, unsorted) != 0 && strcmp(word, after[what]) != 0)
                printf("%d at %d: %s ", what, m.step, word);
            CU_ASSERT(strcmp(word, unsorted) == 0 || strcmp(word, after[what]) == 0);
        }
        CU_ASSERT(got_through(m.step, code));
        CU_ASSERT_STRING_EQUAL(word, after[what]);
        PASS(kith_list_close(m.l));
    }
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

/* ------------------------------------------------------------------------ names, wrong use */

static int finds_by_name(const void *arg)
{
    (void)arg;
    return kith_append(kith_list_named("log"), 1) < 0;
}

static void names_lead_to_one(void)
{
    kith_list l = kith_list_named("log");

    CU_ASSERT_EQUAL(code_of(kith_process_start(finds_by_name, NULL, 0)), 0);
    PASS(kith_append(l, 2));
    HAS(l, 1, 2);
    PASS(kith_list_close(l));
}

static void wrong_use_is_a_sentence(void)
{
    kith_list none = { 0 }, l = far_list_open();
    kith_dict d = far_dict_open();
    int x = 1;

    FAILS_WITH(KITH_ESTALE, kith_append(none, 1));
    FAILS_WITH(KITH_ESTALE, kith_fetch(none, 0, &x));
    FAILS_WITH(KITH_EINVAL, kith_list_append(l, NULL, 1));
    FAILS_WITH(KITH_EINVAL, kith_list_pop(l, 0, NULL, 1));
    FAILS_WITH(KITH_EINVAL, kith_list_extend(l, &x, SIZE_MAX / 2, 3));
    FAILS_WITH(KITH_EINVAL, kith_list_extend(l, &x, 0, 3));
    FAILS_WITH(KITH_ETYPE, kith_set(l, "first", 1));
    FAILS_WITH(KITH_ETYPE, kith_append((kith_list){ d.id }, 1));
    CU_ASSERT_PTR_NULL(kith_list_view(none, 0, 1));
    PASS(kith_list_close(l));
    FAILS_WITH(KITH_ESTALE, kith_append(l, 1));
    FAILS_WITH(KITH_ESTALE, kith_fetch(l, 0, &x));
    FAILS_WITH(KITH_ESTALE, kith_list_len(l));
    FAILS_WITH(KITH_ESTALE, kith_list_sort(l, NULL, 0));
    FAILS_WITH(KITH_ESTALE, kith_list_close(l));
    PASS(kith_dict_close(d));
}

static struct test tests[] = {
    TEST_LIKE(elements_come_and_go, "_TestSharedMemory.test_shared_memory_ShareableList_basics "
                                    "_TestContainers.test_list _TestContainers.test_list_iter"),
    TEST_LIKE(elements_have_any_size_and_type, "_TestSharedMemory.test_shared_memory_ShareableList_basics"),
    TEST_LIKE(slices_and_extend, "_TestContainers.test_list _TestContainers.test_list_iter"),
    TEST_LIKE(sorting, "_TestContainers.test_list _TestContainers.test_list_iter"),
    TEST_LIKE(containers_nest, "_TestContainers.test_list_proxy_in_list "
                               "_TestContainers.test_dict_proxy_nested _TestContainers.test_nested_queue"),
    TEST(what_comes_in_anywhere_goes_anywhere),
    TEST(nothing_is_kept_for_ever),
    TEST_LIKE(
        what_processes_append_is_there_in_their_order,
        "TestSyncManagerTypes.test_list TestSyncManagerTypes.test_dict TestSyncManagerTypes.test_namespace"),
    TEST(elements_are_seen_whole),
    TEST(an_element_is_updated),
    TEST(whoever_dies_at_any_step_leaves_old_or_new),
    TEST(names_lead_to_one),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("list", tests);
    return kith_finalize() ? 1 : rc;
}
