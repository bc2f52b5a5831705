/* test_dict.c: Dicts and Namespaces as users see them, over each way that one can be reached (see
 * test_queue.c). */
#include "config.h"
#include "containers.h"
#include "object/class.h"

#include <pthread.h>

/* ---------------------------------------------------------------------- as in Python */

static void keys_lead_to_values(void)
{
    kith_dict d = far_dict_open();
    int x = 0;

    CU_ASSERT_EQUAL(kith_dict_len(d), 0);
    PASS(kith_set(d, "one", 1));
    PASS(kith_set(d, "two", 2));
    PASS(kith_set(d, 3, 33));
    CU_ASSERT_EQUAL(kith_dict_len(d), 3);
    PASS(kith_fetch(d, "two", &x));
    CU_ASSERT_EQUAL(x, 2);
    PASS(kith_fetch(d, 3L, &x)); /* whatever the type of the number is */
    CU_ASSERT_EQUAL(x, 33);
    PASS(kith_set(d, "two", 22));
    PASS(kith_fetch(d, "two", &x));
    CU_ASSERT_EQUAL(x, 22);
    CU_ASSERT_EQUAL(kith_dict_len(d), 3);
    CU_ASSERT_EQUAL(kith_dict_has(d, KITH_TEXT("one")), 1);
    CU_ASSERT_EQUAL(kith_dict_has(d, KITH_TEXT("on")), 0);
    FAILS_WITH(KITH_EMISSING, kith_fetch(d, "three", &x));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "\"three\""));
    FAILS_WITH(KITH_EMISSING, kith_fetch(d, 77, &x));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "77"));
    PASS(kith_dict_del(d, KITH_TEXT("one")));
    FAILS_WITH(KITH_EMISSING, kith_dict_del(d, KITH_TEXT("one")));
    CU_ASSERT_EQUAL(kith_dict_len(d), 2);
    PASS(kith_dict_close(d));
}

struct point {
    double x, y, z;
};

static void values_have_any_size(void)
{
    static char large[300000], seen[300000];
    const size_t sizes[] = { 0, 1, 7, 8, 9, 16, 17, 100, 4000, 8192, 8193, 33000, sizeof large };
    kith_dict d = far_dict_open();
    struct point p = { 1, 2, 3 }, q;

    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t key = 1 + i * 700;

        PASS(kith_dict_set(d, large, key, large, sizes[i]));
        CU_ASSERT_EQUAL(kith_dict_get(d, large, key, NULL, 0), (int64_t)sizes[i]);
        memset(seen, 0, sizes[i]);
        CU_ASSERT_EQUAL(kith_dict_get(d, large, key, seen, sizeof seen), (int64_t)sizes[i]);
        CU_ASSERT_EQUAL(memcmp(seen, large, sizes[i]), 0);
        if (sizes[i] > 0)
            FAILS_WITH(KITH_ETOOBIG, kith_dict_get(d, large, key, seen, sizes[i] - 1));
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) /* one key, each size after each */
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k += is_far() ? 4 : 1) {
            PASS(kith_dict_set(d, "k", 1, large, sizes[i]));
            PASS(kith_dict_set(d, "k", 1, large + 1, sizes[k] > 0 ? sizes[k] - 1 : 0));
            CU_ASSERT_EQUAL(kith_dict_get(d, "k", 1, seen, sizeof seen), (int64_t)sizes[k] - (sizes[k] > 0));
            CU_ASSERT_EQUAL(memcmp(seen, large + 1, sizes[k] > 0 ? sizes[k] - 1 : 0), 0);
        }
    PASS(kith_dict_set(d, KITH_TEXT("point"), KITH_ARG(p)));
    PASS(kith_fetch(d, "point", &q));
    CU_ASSERT(q.x == 1 && q.y == 2 && q.z == 3);
    PASS(kith_dict_set(d, "", 0, "empty", 5)); /* no key is a key, too */
    CU_ASSERT_EQUAL(kith_dict_get(d, "", 0, seen, sizeof seen), 5);
    PASS(kith_dict_close(d));
}

static void types_are_remembered(void)
{
    kith_dict d = far_dict_open();
    char text[16];
    double y;
    long l;
    int x = 5;

    PASS(kith_set(d, "x", 1));
    FAILS_WITH(KITH_ETYPE, kith_fetch(d, "x", &y));
    FAILS_WITH(KITH_ETYPE, kith_fetch(d, "x", &l));
    PASS(kith_set(d, "x", 2.5));
    PASS(kith_fetch(d, "x", &y));
    CU_ASSERT(y == 2.5);
    PASS(kith_set(d, "name", "kith"));
    CU_ASSERT_EQUAL(kith_dict_get(d, KITH_TEXT("name"), text, sizeof text), 5);
    CU_ASSERT_STRING_EQUAL(text, "kith");
    FAILS_WITH(KITH_ETYPE, kith_fetch(d, "name", &y));
    FAILS_WITH(KITH_ESIZE, kith_fetch(d, "name", text));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "read it by kith_dict_get"));
    PASS(kith_dict_set(d, KITH_TEXT("b"), KITH_ARG(x))); /* bytes are of any type */
    PASS(kith_fetch(d, "b", &x));
    FAILS_WITH(KITH_ESIZE, kith_fetch(d, "b", &y));
    PASS(kith_dict_close(d));
}

static void order_is_that_of_coming(void)
{
    kith_dict d = far_dict_open();
    const char *left[] = { "b", "d", "a" };
    struct kith_view *v;
    struct kith_item i;
    int n = 0;

    for (const char *k = "abcd"; *k; k++)
        PASS(kith_dict_set(d, k, 1, k, 1));
    PASS(kith_dict_set(d, "b", 1, "B", 1)); /* stays where it is */
    PASS(kith_dict_del(d, "c", 1));
    PASS(kith_dict_del(d, "a", 1));
    PASS(kith_dict_set(d, "a", 1, "A", 1)); /* comes last */
    v = kith_dict_view(d);
    CU_ASSERT_EQUAL(kith_view_len(v), 3);
    PASS(kith_dict_clear(d)); /* the view is a copy */
    CU_ASSERT_EQUAL(kith_dict_len(d), 0);
    while (kith_view_next(v, &i)) {
        CU_ASSERT_STRING_EQUAL((const char *)i.key, left[n]);
        CU_ASSERT_STRING_EQUAL((const char *)i.value, n == 1 ? "d" : n == 0 ? "B" : "A");
        CU_ASSERT(i.key_size == 1 && i.size == 1 && i.type == 'b');
        n++;
    }
    CU_ASSERT_EQUAL(n, 3);
    kith_view_rewind(v);
    CU_ASSERT_EQUAL(kith_view_next(v, &i), 1);
    kith_view_free(v);
    kith_view_free(NULL);
    v = kith_dict_view(d);
    CU_ASSERT_EQUAL(kith_view_next(v, &i), 0);
    kith_view_free(v);
    PASS(kith_dict_close(d));
}

static void pop_popitem_setdefault_merge(void)
{
    kith_dict d = far_dict_open(), other = far_dict_open();
    struct kith_view *v;
    char key[8], buf[8];
    size_t size = sizeof key;

    PASS(kith_dict_set(d, "a", 1, "1", 1));
    PASS(kith_dict_set(d, "bb", 2, "22", 2));
    CU_ASSERT_EQUAL(kith_dict_setdefault(d, "a", 1, "xx", 2, buf, sizeof buf), 1);
    CU_ASSERT_EQUAL(buf[0], '1');
    CU_ASSERT_EQUAL(kith_dict_setdefault(d, "ccc", 3, "333", 3, buf, sizeof buf), 3);
    CU_ASSERT_EQUAL(memcmp(buf, "333", 3), 0);
    CU_ASSERT_EQUAL(kith_dict_len(d), 3);
    FAILS_WITH(KITH_ETOOBIG, kith_dict_pop(d, "bb", 2, buf, 1));
    CU_ASSERT_EQUAL(kith_dict_pop(d, "bb", 2, buf, sizeof buf), 2);
    CU_ASSERT_EQUAL(memcmp(buf, "22", 2), 0);
    FAILS_WITH(KITH_EMISSING, kith_dict_pop(d, "bb", 2, buf, sizeof buf));
    PASS(kith_dict_set(other, "z", 1, "26", 2));
    PASS(kith_dict_set(other, "a", 1, "one", 3));
    v = kith_dict_view(other);
    PASS(kith_dict_merge(d, v));
    kith_view_free(v);
    CU_ASSERT_EQUAL(kith_dict_get(d, "a", 1, buf, sizeof buf), 3);
    FAILS_WITH(KITH_ETOOBIG, kith_dict_popitem(d, key, &(size_t){ 0 }, buf, sizeof buf));
    CU_ASSERT_EQUAL(kith_dict_popitem(d, key, &size, buf, sizeof buf), 2);
    CU_ASSERT(size == 1 && key[0] == 'z' && memcmp(buf, "26", 2) == 0);
    for (int i = 0; i < 2; i++) {
        size = sizeof key;
        PASS(kith_dict_popitem(d, key, &size, buf, sizeof buf));
    }
    CU_ASSERT(size == 1 && key[0] == 'a');
    FAILS_WITH(KITH_EMISSING, kith_dict_popitem(d, key, &size, buf, sizeof buf));
    PASS(kith_dict_close(d));
    PASS(kith_dict_close(other));
}

static void a_namespace_has_names(void)
{
    kith_ns ns = far_ns_open();
    struct point p = { 1, 2, 3 }, q;
    struct kith_view *v;
    int x;

    PASS(kith_set(ns, "x", 10));
    PASS(kith_inc(ns, "x", 5));
    PASS(kith_fetch(ns, "x", &x));
    CU_ASSERT_EQUAL(x, 15);
    PASS(kith_ns_set(ns, "origin", KITH_ARG(p)));
    CU_ASSERT_EQUAL(kith_ns_get(ns, "origin", &q, sizeof q), sizeof q);
    CU_ASSERT(q.z == 3);
    CU_ASSERT_EQUAL(kith_ns_has(ns, "origin"), 1);
    v = kith_ns_view(ns);
    CU_ASSERT_EQUAL(kith_view_len(v), 2);
    kith_view_free(v);
    PASS(kith_ns_del(ns, "x"));
    CU_ASSERT_EQUAL(kith_ns_has(ns, "x"), 0);
    FAILS_WITH(KITH_EMISSING, kith_ns_get(ns, "x", &x, sizeof x));
    FAILS_WITH(KITH_EINVAL, kith_ns_get(ns, NULL, &x, sizeof x));
    FAILS_WITH(KITH_ETYPE, kith_dict_len((kith_dict){ ns.id }));
    PASS(kith_ns_close(ns));
}

/* A dict in a dict is its handle. */
static int fills_inner(const void *arg)
{
    kith_dict outer = *(const kith_dict *)arg, inner;

    return kith_fetch(outer, "inner", &inner) < 0 || kith_set(inner, "x", 7) < 0;
}

static void dicts_nest(void)
{
    kith_dict outer = far_dict_open(), inner = far_dict_open();
    int x = 0;

    PASS(kith_dict_set(outer, KITH_TEXT("inner"), KITH_ARG(inner)));
    CU_ASSERT_EQUAL(code_of(kith_process_start(fills_inner, KITH_ARG(outer))), 0);
    PASS(kith_fetch(inner, "x", &x));
    CU_ASSERT_EQUAL(x, 7);
    PASS(kith_dict_close(inner));
    PASS(kith_dict_close(outer));
}

/* ---------------------------------------------------------------------- against a model */

enum { MODEL = 4000 };

/* Grows, shrinks, and is moved from one index to the next; each look-up finds what the model has. */
static void many_keys_come_and_go(void)
{
    static int model[MODEL]; /* 0: not there */
    unsigned long random = check_seed();
    int n = is_far() ? 1500 : SANITIZED ? 20000 : 200000, count = 0, keys = is_far() ? 200 : MODEL, x;
    kith_dict d = far_dict_open();

    memset(model, 0, sizeof model);
    for (int i = 1; i <= n; i++) {
        int k, grows = i / (n / 8) % 2 == 0; /* mostly grows, then mostly shrinks ... */

        random = random * 6364136223846793005UL + 1442695040888963407UL;
        k = (int)((random >> 33) % (unsigned long)keys);
        if ((random >> 20) % 8 < (grows ? 7U : 1U)) {
            PASS(kith_set(d, k, i));
            count += model[k] == 0;
            model[k] = i;
        } else if (model[k]) {
            PASS(kith_dict_del(d, &(long long){ k }, sizeof(long long)));
            model[k] = 0;
            count--;
        } else
            FAILS_WITH(KITH_EMISSING, kith_fetch(d, k, &x));
        if (model[k])
            CU_ASSERT(kith_fetch(d, k, &x) == 0 && x == model[k]);
    }
    CU_ASSERT_EQUAL(kith_dict_len(d), count);
    for (int k = 0; k < keys; k++) {
        int rc = kith_fetch(d, k, &x);

        CU_ASSERT(model[k] ? rc == 0 && x == model[k] : rc == KITH_EMISSING);
    }
    PASS(kith_dict_close(d));
}

/* What was replaced, removed and closed is given back: at once, or as soon as nobody reads. */
static void nothing_is_kept_for_ever(void)
{
    uint64_t before;
    static const char text[100] = "x";
    kith_dict d;

    if (!is_here())
        SKIP("its blocks are elsewhere");
    before = used_blocks();
    d = kith_dict_open();
    for (int i = 0; i < 1000; i++)
        PASS(kith_dict_set(d, "k", 1, text, sizeof text));
    CU_ASSERT(used_blocks() < before + 100);
    for (int i = 0; i < 1000; i++) {
        PASS(kith_dict_set(d, &i, sizeof i, text, sizeof text));
        PASS(kith_dict_del(d, &i, sizeof i));
    }
    CU_ASSERT(used_blocks() < before + 100);
    for (int i = 0; i < 1000; i++)
        PASS(kith_dict_set(d, &i, sizeof i, text, sizeof text));
    CU_ASSERT(used_blocks() > before + 2000);
    PASS(kith_dict_clear(d));
    CU_ASSERT(used_blocks() < before + 10);
    for (int i = 0; i < 1000; i++)
        PASS(kith_dict_set(d, &i, sizeof i, text, sizeof text));
    PASS(kith_dict_close(d));
    CU_ASSERT_EQUAL(used_blocks(), before);
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

/* ------------------------------------------------------------------------ names, wrong use */

static int finds_by_name(const void *arg)
{
    (void)arg;
    return kith_inc(kith_dict_named("counts"), "n", 1) < 0 || kith_inc(kith_ns_named("counts"), "n", 1) < 0;
}

static void names_lead_to_one(void)
{
    kith_dict d = kith_dict_named("counts");
    kith_ns ns = kith_ns_named("counts"); /* a Namespace is another thing */
    int x = 0;

    CU_ASSERT_EQUAL(code_of(kith_process_start(finds_by_name, NULL, 0)), 0);
    PASS(kith_inc(d, "n", 1));
    PASS(kith_fetch(d, "n", &x));
    CU_ASSERT_EQUAL(x, 2);
    PASS(kith_fetch(ns, "n", &x));
    CU_ASSERT_EQUAL(x, 1);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_dict_named("")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_dict_named(NULL)));
    PASS(kith_dict_close(d));
    PASS(kith_ns_close(ns));
}

static int leaves_it(struct kith_entry *e, void *arg)
{
    (void)e;
    (void)arg;
    return 1;
}

static void wrong_use_is_a_sentence(void)
{
    kith_dict none = { 0 }, d = far_dict_open();
    kith_queue q = far_queue_open(0);
    int x = 1;

    FAILS_WITH(KITH_ESTALE, kith_set(none, "x", 1));
    FAILS_WITH(KITH_ESTALE, kith_fetch(none, "x", &x));
    FAILS_WITH(KITH_ESTALE, kith_dict_len(none));
    FAILS_WITH(KITH_EINVAL, kith_dict_set(d, NULL, 1, &x, sizeof x));
    FAILS_WITH(KITH_EINVAL, kith_dict_set(d, "x", 1, NULL, sizeof x));
    FAILS_WITH(KITH_EINVAL, kith_dict_pop(d, "x", 1, NULL, 4));
    FAILS_WITH(KITH_EINVAL, kith_fetch(d, "x", (int *)NULL));
    FAILS_WITH(KITH_ETYPE, kith_set((kith_dict){ q.id }, "x", 1));
    FAILS_WITH(KITH_ETYPE, kith_fetch((kith_dict){ q.id }, "x", &x));
    CU_ASSERT_PTR_NULL(kith_dict_view(none));
    CU_ASSERT_EQUAL(kith_view_len(NULL), 0);
    PASS(kith_set(d, "x", 1));
    PASS(kith_dict_close(d));
    FAILS_WITH(KITH_ESTALE, kith_set(d, "x", 1));
    FAILS_WITH(KITH_ESTALE, kith_fetch(d, "x", &x));
    FAILS_WITH(KITH_ESTALE, kith_dict_has(d, "x", 1));
    FAILS_WITH(KITH_ESTALE, kith_dict_del(d, "x", 1));
    FAILS_WITH(KITH_ESTALE, kith_dict_clear(d));
    FAILS_WITH(KITH_ESTALE, kith_dict_update(d, "x", 1, 8, leaves_it, NULL, 0));
    FAILS_WITH(KITH_ESTALE, kith_dict_close(d));
    PASS(kith_queue_close(q));
}

static struct test tests[] = {
    TEST_LIKE(keys_lead_to_values, "_TestContainers.test_dict"),
    TEST(values_have_any_size),
    TEST(types_are_remembered),
    TEST_LIKE(order_is_that_of_coming, "_TestContainers.test_dict"),
    TEST_LIKE(pop_popitem_setdefault_merge, "_TestContainers.test_dict"),
    TEST_LIKE(a_namespace_has_names, "_TestContainers.test_namespace"),
    TEST_LIKE(dicts_nest, "_TestContainers.test_list_proxy_in_list _TestContainers.test_dict_proxy_nested "
                          "_TestContainers.test_nested_queue"),
    TEST(many_keys_come_and_go),
    TEST(nothing_is_kept_for_ever),
    TEST(names_lead_to_one),
    TEST_LIKE(wrong_use_is_a_sentence,
              "TestManagerExceptions.test_queue_get TestManagerExceptions.test_dispatch"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("dict", tests);
    return kith_finalize() ? 1 : rc;
}
