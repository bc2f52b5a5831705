/* test_dict_shared.c: Dicts that many use at a time: updates, readers, and those that die in the middle. */
#include "config.h"
#include "containers.h"
#include "object/class.h"

#include <pthread.h>

/* ---------------------------------------------------------------------- many at a time */

struct worker {
    kith_dict d;
    int who, rounds, how;
};

enum { INC, UPDATE, UPDATE_BYTES };

struct history {
    long count;
    char same[64];
};

/* Changes all of a value that needs a block, in which everything must agree. */
static int rewrites(struct kith_entry *e, void *arg)
{
    struct history h = { 0 };

    if (e->exists)
        memcpy(&h, e->value, sizeof h);
    for (size_t i = 0; i < sizeof h.same; i++)
        if (h.same[i] != (char)h.count)
            return 77;
    h.count += *(long *)arg;
    memset(h.same, (char)h.count, sizeof h.same);
    memcpy(e->value, &h, sizeof h);
    e->size = sizeof h;
    e->exists = 1;
    return 0;
}

static int works(const void *arg)
{
    const struct worker *w = arg;
    long one = 1;
    int rc = 0;

    for (int i = 0; i < w->rounds && rc == 0; i++)
        rc = w->how == INC ? kith_inc(w->d, "hits", 1L)
                           : kith_dict_update(w->d, KITH_TEXT("hits"), sizeof(struct history),
                                              w->how == UPDATE ? adds_one : rewrites, &one, KITH_FOREVER);
    if (rc != 0)
        printf("worker %d: %d: %s\n", w->who, rc, kith_last_error());
    return rc != 0;
}

/* Python's Manager().dict loses them: d[k] += 1 are two calls. */
static void no_update_is_lost(void)
{
    for (int how = INC; how <= UPDATE_BYTES; how++) {
        struct worker w = { far_dict_open(), 0, is_far() ? 100 : SANITIZED ? 500 : 5000, how };
        kith_process p[3];
        struct history h = { 0 };

        for (int i = 0; i < 3; i++) {
            w.who = i;
            p[i] = kith_process_start_with(works, KITH_ARG(w), .node = KITH_NODE(i % kith_nodes()));
        }
        w.who = 3;
        CU_ASSERT_EQUAL(works(&w), 0);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(code_of(p[i]), 0);
        PASS(kith_dict_get(w.d, KITH_TEXT("hits"), &h, sizeof h));
        CU_ASSERT_EQUAL(h.count, 4L * w.rounds);
        PASS(kith_dict_close(w.d));
    }
}

/* Takes until another one has changed the value, as long as others do. */
static int slow_one(struct kith_entry *e, void *arg)
{
    const struct worker *w = arg;
    long one = 1, x = 0;

    for (int i = 0; i < 300; i++) {
        usleep(1000);
        if (kith_dict_get(w->d, KITH_TEXT("x"), &x, sizeof x) == sizeof x &&
            memcmp(&x, e->value, sizeof x) != 0)
            break;
    }
    return adds_one(e, &one);
}

static int updates_until_told(const void *arg)
{
    const struct worker *w = arg;
    long one = 1;

    while (kith_dict_has(w->d, KITH_TEXT("stop")) == 0)
        if (kith_dict_update(w->d, KITH_TEXT("x"), 8, adds_one, &one, KITH_FOREVER) != 0)
            return 1;
    return 0;
}

/* Whoever is always overtaken has his turn after all. */
static void a_slow_update_gets_through(void)
{
    struct worker w = { far_dict_open(), 0, 0, 0 };
    kith_process p = kith_process_start(updates_until_told, KITH_ARG(w));

    while (kith_dict_has(w.d, KITH_TEXT("x")) == 0)
        ;
    PASS(kith_dict_update(w.d, KITH_TEXT("x"), 8, slow_one, &w, 10000 * slowdown()));
    PASS(kith_set(w.d, "stop", 1));
    CU_ASSERT_EQUAL(code_of(p), 0);
    PASS(kith_dict_close(w.d));
}

/* Overtakes itself, so that it needs the lock of the Dict, and updates something else there. */
static int updates_inside(struct kith_entry *e, void *arg)
{
    const struct worker *w = arg;
    static long count;
    long one = 1;

    PASS(kith_dict_update(w->d, KITH_TEXT("y"), 8, adds_one, &one, 2000 * slowdown()));
    if (++count < 6)
        PASS(kith_set(w->d, "x", count));
    return adds_one(e, &one);
}

static void an_update_may_update_something_else(void)
{
    struct worker w = { far_dict_open(), 0, 0, 0 };
    long y = 0;

    PASS(kith_dict_update(w.d, KITH_TEXT("x"), 8, updates_inside, &w, 20000 * slowdown()));
    PASS(kith_fetch(w.d, "y", &y));
    CU_ASSERT_EQUAL(y, 6);
    PASS(kith_dict_close(w.d));
}

static int refuses(struct kith_entry *e, void *arg)
{
    (void)arg;
    memset(e->value, 'x', e->room);
    return 42;
}

static int removes(struct kith_entry *e, void *arg)
{
    *(int *)arg = e->exists;
    e->exists = 0;
    return 0;
}

static int grows_too_much(struct kith_entry *e, void *arg)
{
    (void)arg;
    e->exists = 1;
    e->size = e->room + 1;
    return 0;
}

static void an_update_may_refuse_and_remove(void)
{
    kith_dict d = far_dict_open();
    int x = -1;

    PASS(kith_set(d, "x", 5));
    CU_ASSERT_EQUAL(kith_dict_update(d, KITH_TEXT("x"), 4, refuses, NULL, 0), 42);
    PASS(kith_fetch(d, "x", &x));
    CU_ASSERT_EQUAL(x, 5);
    FAILS_WITH(KITH_ETOOBIG, kith_dict_update(d, KITH_TEXT("x"), 3, refuses, NULL, 0));
    FAILS_WITH(KITH_EINVAL, kith_dict_update(d, KITH_TEXT("x"), 8, grows_too_much, NULL, 0));
    FAILS_WITH(KITH_EINVAL, kith_dict_update(d, KITH_TEXT("x"), 8, NULL, NULL, 0));
    FAILS_WITH(KITH_EINVAL, kith_dict_update(d, KITH_TEXT("x"), 8, refuses, NULL, -2));
    PASS(kith_dict_update(d, KITH_TEXT("x"), 4, removes, &x, 0));
    CU_ASSERT_EQUAL(x, 1);
    CU_ASSERT_EQUAL(kith_dict_has(d, KITH_TEXT("x")), 0);
    PASS(kith_dict_update(d, KITH_TEXT("x"), 4, removes, &x, 0));
    CU_ASSERT_EQUAL(x, 0);
    PASS(kith_dict_close(d));
}

static void numbers_are_computed(void)
{
    kith_dict d = far_dict_open();
    const long seven = 7, nine = 9;
    long old = -1, x;
    double y;

    PASS(kith_dict_compute(d, "n", 1, KITH_ADD, 'l', &seven, &old, sizeof old));
    CU_ASSERT_EQUAL(old, 0);
    PASS(kith_dict_compute(d, "n", 1, KITH_MAX, 'l', &nine, &old, sizeof old));
    CU_ASSERT_EQUAL(old, 7);
    PASS(kith_inc(d, "n", 1L));
    PASS(kith_fetch(d, "n", &x));
    CU_ASSERT_EQUAL(x, 10);
    PASS(kith_inc(d, "y", 0.5));
    PASS(kith_inc(d, "y", 0.25));
    PASS(kith_fetch(d, "y", &y));
    CU_ASSERT(y == 0.75);
    FAILS_WITH(KITH_ETYPE, kith_inc(d, "n", 1));
    FAILS_WITH(KITH_EINVAL, kith_dict_compute(d, "n", 1, 77, 'l', &seven, NULL, sizeof seven));
    FAILS_WITH(KITH_ESIZE, kith_dict_compute(d, "n", 1, KITH_ADD, 'i', &seven, NULL, sizeof seven));
    FAILS_WITH(KITH_ESIZE, kith_dict_compute(d, "n", 1, KITH_ADD, 'l', &seven, NULL, 100));
    FAILS_WITH(KITH_EINVAL, kith_dict_compute(d, "n", 1, KITH_ADD, 'l', NULL, NULL, sizeof seven));
    PASS(kith_dict_set(d, "b", 1, &seven, sizeof seven)); /* bytes are of any type */
    PASS(kith_inc(d, "b", 1L));
    PASS(kith_fetch(d, "b", &x));
    CU_ASSERT_EQUAL(x, 8);
    FAILS_WITH(KITH_ETYPE, kith_inc(d, "b", 1));
    PASS(kith_set(d, "t", "text"));
    FAILS_WITH(KITH_ETYPE, kith_inc(d, "t", 1));
    PASS(kith_dict_close(d));
}

/* Each value is all of one letter, and of one of the two sizes. */
static int writes_whole_values(const void *arg)
{
    const struct worker *w = arg;
    char bytes[600];

    for (int i = 0; i < w->rounds; i++) {
        char key[2] = { 'k', (char)('0' + i % 4) };

        memset(bytes, 'a' + i % 26, sizeof bytes);
        if (kith_dict_set(w->d, key, 2, bytes, i % 3 ? 600 : 5) < 0 ||
            (i % 7 == 0 && kith_dict_del(w->d, key, 2) == KITH_EPEER))
            return 1;
    }
    return 0;
}

static int is_whole(const char *bytes, int64_t size)
{
    for (int64_t i = 1; i < size; i++)
        if (bytes[i] != bytes[0])
            return 0;
    return size == 5 || size == 600;
}

static int reads_whole_values(const void *arg)
{
    const struct worker *w = arg;
    char bytes[600];

    for (int i = 0; i < w->rounds; i++) {
        char key[2] = { 'k', (char)('0' + i % 4) };
        int64_t size = kith_dict_get(w->d, key, 2, bytes, sizeof bytes);

        if (size != KITH_EMISSING && !is_whole(bytes, size))
            return 2;
    }
    return 0;
}

static void *reads_in_a_thread(void *arg)
{
    return reads_whole_values(arg) ? arg : NULL;
}

static void values_are_seen_whole(void)
{
    struct worker w = { far_dict_open(), 0, is_far() ? 200 : SANITIZED ? 3000 : 60000, 0 };
    kith_process p[3];
    pthread_t t;
    void *failed;

    /* That another process has looked at our thread's pin before it freed something is nothing that
     * ThreadSanitizer sees. */
    p[0] = kith_process_start(SANITIZED ? reads_whole_values : writes_whole_values, KITH_ARG(w));
    p[1] = kith_process_start(reads_whole_values, KITH_ARG(w));
    p[2] = kith_process_start(reads_whole_values, KITH_ARG(w));
    CU_ASSERT_FATAL(pthread_create(&t, NULL, reads_in_a_thread, &w) == 0);
    CU_ASSERT_EQUAL(writes_whole_values(&w), 0);
    pthread_join(t, &failed);
    CU_ASSERT_PTR_NULL(failed);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    PASS(kith_dict_close(w.d));
}

static struct worker changer;

static void change_in_the_middle(const char *step)
{
    char bytes[600];

    if (strcmp(step, "cell: half read") != 0)
        return;
    kith__failpoint_hook = NULL;
    memset(bytes, 'b', sizeof bytes);
    PASS(kith_dict_set(changer.d, "k0", 2, bytes, sizeof bytes));
}

/* The size of one value and the bytes of another would be nobody's. */
static void no_value_is_read_in_halves(void)
{
    char bytes[600];
    int64_t size;

    if (!is_here())
        SKIP("readers are in the guard there");
    changer.d = kith_dict_open();
    PASS(kith_dict_set(changer.d, "k0", 2, "aaaaa", 5));
    kith__failpoint_hook = change_in_the_middle;
    size = kith_dict_get(changer.d, "k0", 2, bytes, sizeof bytes);
    CU_ASSERT_PTR_NULL(kith__failpoint_hook);
    CU_ASSERT(size == 600 && is_whole(bytes, size) && bytes[0] == 'b');
    PASS(kith_dict_close(changer.d));
}

/* Two keys that a view never sees more than one step apart. */
static int moves_about(const void *arg)
{
    const struct worker *w = arg;

    for (int i = 0; i < w->rounds; i++)
        if (kith_set(w->d, "a", i) < 0 || kith_set(w->d, "b", i) < 0)
            return 1;
    return 0;
}

static void a_view_is_of_one_moment(void)
{
    struct worker w = { far_dict_open(), 0, is_far() ? 200 : SANITIZED ? 2000 : 40000, 0 };
    kith_process p;
    int last[2] = { 0, 0 };

    PASS(moves_about(&(struct worker){ w.d, 0, 1, 0 }));
    p = kith_process_start(moves_about, KITH_ARG(w));
    do {
        struct kith_view *v = kith_dict_view(w.d);
        struct kith_item i;

        for (int k = 0; kith_view_next(v, &i); k++)
            last[k & 1] = *(const int *)i.value;
        CU_ASSERT(last[0] == last[1] || last[0] == last[1] + 1);
        kith_view_free(v);
    } while (last[1] < w.rounds - 1);
    CU_ASSERT_EQUAL(code_of(p), 0);
    PASS(kith_dict_close(w.d));
}

/* --------------------------------------------------------------------------- deaths */

struct doomed {
    kith_dict d;
    int step, what;
};

enum { NEW_KEY, NEW_VALUE, NEW_LARGE, GONE, CLEARED, UPDATED, KINDS };

static const char large[700] = "new";

static void changes(const void *arg)
{
    const struct doomed *m = arg;
    long one = 1;

    switch (m->what) {
    case NEW_KEY: kith_set(m->d, "new", 1); break;
    case NEW_VALUE: kith_set(m->d, "old", 2L); break;
    case NEW_LARGE: kith_dict_set(m->d, KITH_TEXT("large"), KITH_ARG(large)); break;
    case GONE: kith_dict_del(m->d, KITH_TEXT("large")); break;
    case CLEARED: kith_dict_clear(m->d); break;
    default: kith_dict_update(m->d, KITH_TEXT("old"), 8, adds_one, &one, KITH_FOREVER); break;
    }
}

/* Makes one change, and is killed at failpoint number .step, if it gets there: 0 when it does not. */
static int dies_on_the_way(const void *arg)
{
    die_on_the_way(((const struct doomed *)arg)->step, changes, arg);
    return 0;
}

static void fill(kith_dict d, int keys)
{
    static const char old[300] = "old";

    PASS(kith_dict_clear(d));
    for (int i = 0; i < keys; i++)
        PASS(kith_set(d, i, i));
    PASS(kith_set(d, "old", 1L));
    PASS(kith_dict_set(d, KITH_TEXT("large"), KITH_ARG(old)));
}

/* Until what a dead process has sent to the agent is done: the second call is behind it (see netjob.h). */
static void await_heard(kith_dict d)
{
    PASS(kith_dict_len(d));
    PASS(kith_dict_len(d));
}

/* The content before, or after; a view, a look-up and the length agree. 1: it was changed. */
static int is_old_or_new(const struct doomed *m, int keys)
{
    char bytes[1000] = "";
    int64_t size = kith_dict_get(m->d, KITH_TEXT("large"), bytes, sizeof bytes), len = kith_dict_len(m->d);
    int has_new = kith_dict_has(m->d, KITH_TEXT("new")), x, rc = 0;
    struct kith_view *v = kith_dict_view(m->d);
    struct kith_item i;
    long old = -1;

    CU_ASSERT_EQUAL(kith_view_len(v), (uint64_t)len);
    for (int64_t n = 0; kith_view_next(v, &i); n++)
        CU_ASSERT_EQUAL(kith_dict_has(m->d, i.key, i.key_size), 1);
    kith_view_free(v);
    if (len == 0 && m->what == CLEARED)
        return 1;
    CU_ASSERT_EQUAL(len, keys + 2 + has_new - (size < 0));
    for (int k = 0; k < keys; k++)
        CU_ASSERT(kith_fetch(m->d, k, &x) == 0 && x == k);
    PASS(kith_fetch(m->d, "old", &old));
    CU_ASSERT((size == 300 && strcmp(bytes, "old") == 0) || (size == 700 && strcmp(bytes, "new") == 0) ||
              (size == KITH_EMISSING && m->what == GONE));
    rc += has_new == 1;
    rc += old == 2;
    rc += size != 300;
    CU_ASSERT(rc <= 1);
    return rc;
}

static void whoever_dies_at_any_step_leaves_old_or_new(void)
{
    for (int what = NEW_KEY; what < KINDS; what++) {
        /* With these a new key begins a new index. */
        int keys = what == NEW_KEY ? 8 : 3, code, changed = 0;
        struct doomed m = { far_dict_open(), 0, what };

        AT_EACH_STEP(m.step, code) {
            fill(m.d, keys);
            code = end_at_step(kith_process_start(dies_on_the_way, KITH_ARG(m)));
            if (!is_here())
                await_heard(m.d);
            changed = is_old_or_new(&m, keys);
        }
        CU_ASSERT(got_through(m.step, code));
        CU_ASSERT_EQUAL(changed, 1);
        PASS(kith_dict_close(m.d));
    }
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

static int holds_and_dies(const void *arg)
{
    const struct worker *w = arg;
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    enum { LOCK = KITH__FIRST_METHOD + 14 };

    if (kith__invoke(w->d.id, KITH__DICT_KIND, LOCK, &in, &out, KITH_FOREVER) < 0)
        return 1;
    raise(SIGKILL);
    return 1;
}

/* Who held up other updates no longer does. */
static void whoever_dies_with_the_turn_holds_up_nobody(void)
{
    struct worker w = { far_dict_open(), 0, 0, 0 };
    long one = 1, x = 0;

    CU_ASSERT_EQUAL(code_of(kith_process_start(holds_and_dies, KITH_ARG(w))), -SIGKILL);
    PASS(kith_dict_update(w.d, KITH_TEXT("x"), 8, adds_one, &one, SOON * slowdown()));
    PASS(kith_dict_get(w.d, KITH_TEXT("x"), &x, sizeof x));
    CU_ASSERT_EQUAL(x, 1);
    PASS(kith_dict_close(w.d));
}

static void die_when_decided(const char *step)
{
    if (strcmp(step, "guard: record complete") == 0)
        raise(SIGKILL);
}

static int decides_and_dies(const void *arg)
{
    const struct worker *w = arg;

    kith__failpoint_hook = die_when_decided;
    return kith_set(w->d, "x", 2);
}

/* What counts, and is not in its place yet, is seen: not the old value first, and the new one later, when the
 * process that has set it is known to be dead. */
static void what_the_dead_have_decided_is_seen_at_once(void)
{
    struct worker w = { kith_dict_open(), 0, 0, 0 };
    int x = 0;

    if (!is_here())
        SKIP("readers are in the guard there");
    for (int i = 0; i < 5; i++) {
        PASS(kith_set(w.d, "x", 1));
        CU_ASSERT_EQUAL(code_of(kith_process_start_with(decides_and_dies, KITH_ARG(w), .node = KITH_HERE)),
                        -SIGKILL);
        PASS(kith_fetch(w.d, "x", &x));
        CU_ASSERT_EQUAL(x, 2);
    }
    PASS(kith_dict_close(w.d));
}

/* A reader that is stopped with a pin: what it may look at stays, and nobody waits for it. */
static void stop_when_pinned(const char *step)
{
    if (strcmp(step, "pin: set") == 0)
        raise(SIGSTOP);
}

static int stops_reading(const void *arg)
{
    const struct worker *w = arg;
    char bytes[600];

    kith__failpoint_hook = stop_when_pinned;
    return !is_whole(bytes, kith_dict_get(w->d, "k0", 2, bytes, sizeof bytes));
}

static void a_stopped_reader_holds_up_nobody(void)
{
    struct worker w = { kith_dict_open(), 0, 2000, 0 };
    uint64_t before;
    char bytes[600];
    kith_process p;

    if (!is_here())
        SKIP("readers are in the guard there");
    memset(bytes, 'a', sizeof bytes);
    PASS(kith_dict_set(w.d, "k0", 2, bytes, sizeof bytes));
    p = kith_process_start_with(stops_reading, KITH_ARG(w), .node = KITH_HERE);
    for (char state = 0; state != 'T';) {
        char path[64], line[256];
        FILE *f;

        snprintf(path, sizeof path, "/proc/%d/stat", kith_process_pid(p));
        if ((f = fopen(path, "r"))) {
            if (fgets(line, sizeof line, f) && strrchr(line, ')'))
                state = strrchr(line, ')')[2];
            fclose(f);
        }
        usleep(1000);
    }
    before = used_blocks();
    CU_ASSERT_EQUAL(writes_whole_values(&w), 0);
    CU_ASSERT(used_blocks() > before + 500); /* nothing was freed */
    kill(kith_process_pid(p), SIGCONT);
    CU_ASSERT_EQUAL(code_of(p), 0);
    for (int i = 0; i < 200; i++)
        PASS(kith_dict_set(w.d, "k1", 2, bytes, sizeof bytes));
    CU_ASSERT(used_blocks() < before + 100);
    PASS(kith_dict_close(w.d));
}

static int writes_until_closed(const void *arg)
{
    const struct worker *w = arg;
    int rc;

    for (int i = 0; (rc = kith_set(w->d, i % 100, i)) == 0;)
        i++;
    return rc == KITH_ESTALE ? 0 : 1;
}

static int reads_until_closed(const void *arg)
{
    const struct worker *w = arg;
    int rc, x;

    do
        rc = kith_fetch(w->d, 5, &x);
    while (rc == 0 || rc == KITH_EMISSING);
    return rc == KITH_ESTALE ? 0 : 1;
}

static void those_that_use_it_learn_that_it_is_closed(void)
{
    for (int i = 0; i < (SANITIZED || is_far() ? 3 : 20); i++) {
        struct worker w = { far_dict_open(), 0, 0, 0 };
        kith_process p[2] = { kith_process_start(writes_until_closed, KITH_ARG(w)),
                              kith_process_start(reads_until_closed, KITH_ARG(w)) };

        while (kith_dict_len(w.d) < 50)
            ;
        PASS(kith_dict_close(w.d));
        CU_ASSERT_EQUAL(code_of(p[0]), 0);
        CU_ASSERT_EQUAL(code_of(p[1]), 0);
    }
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

static struct test tests[] = {
    TEST_LIKE(
        no_update_is_lost,
        "TestSyncManagerTypes.test_list TestSyncManagerTypes.test_dict TestSyncManagerTypes.test_namespace"),
    TEST(a_slow_update_gets_through),
    TEST(an_update_may_update_something_else),
    TEST(an_update_may_refuse_and_remove),
    TEST(numbers_are_computed),
    TEST_LIKE(
        values_are_seen_whole,
        "TestSyncManagerTypes.test_list TestSyncManagerTypes.test_dict TestSyncManagerTypes.test_namespace"),
    TEST(no_value_is_read_in_halves),
    TEST_LIKE(a_view_is_of_one_moment, "_TestContainers.test_dict_iter"),
    TEST(whoever_dies_at_any_step_leaves_old_or_new),
    TEST(whoever_dies_with_the_turn_holds_up_nobody),
    TEST(what_the_dead_have_decided_is_seen_at_once),
    TEST(a_stopped_reader_holds_up_nobody),
    TEST_LIKE(those_that_use_it_learn_that_it_is_closed,
              "TestManagerExceptions.test_queue_get TestManagerExceptions.test_dispatch"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("dict_shared", tests);
    return kith_finalize() ? 1 : rc;
}
