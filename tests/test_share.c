/* test_share.c: large constant data, one copy on each node. With KITH_TRANSPORT=net (values_net.sh) this node
 * has a copy, too, which comes over the network; with KITH_TEST_FAR (tests/cluster) other nodes have. */
#include "config.h"
#include "steps.h"
#include "used.h"
#include "object/share.h"
#include "shm/arena.h"
#include "shm/heap.h"

#include <pthread.h>
#include <signal.h>

enum { LARGE = 21000000 }; /* several pieces, the last of them a part */

static int through_net(void)
{
    const char *transport = getenv("KITH_TRANSPORT");

    return transport && strcmp(transport, "net") == 0;
}

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 2654435761u >> 13);
}

static unsigned char *filled(unsigned char *p, size_t size)
{
    for (size_t i = 0; p && i < size; i++)
        p[i] = byte_at(i);
    return p;
}

static int is_right(const unsigned char *p, size_t size)
{
    if (!p)
        return 0;
    for (size_t i = 0; i < size; i++)
        if (p[i] != byte_at(i))
            return 0;
    return 1;
}

struct shared {
    kith_shared s;
    size_t size;
};

static int reads(const void *arg)
{
    const struct shared *x = arg;

    if (kith_shared_size(x->s) != (int64_t)x->size)
        return 1;
    return is_right(kith_shared_data(x->s), x->size) ? 0 : 2;
}

static void processes_read_what_is_shared(void)
{
    const size_t sizes[] = { 0, 1, 4096, 5000000, LARGE };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct shared x = { .size = sizes[i] };
        unsigned char *p = filled(malloc(x.size + 1), x.size);
        kith_process reader[4];

        CU_ASSERT_FATAL(p != NULL);
        x.s = kith_share(p, x.size);
        PASS(kith_check(x.s));
        free(p);
        for (int k = 0; k < 4; k++)
            reader[k] = kith_process_start_with(reads, KITH_ARG(x), .node = k % 2 ? far_node() : KITH_HERE);
        for (int k = 0; k < 4; k++)
            CU_ASSERT_EQUAL(code_of(reader[k]), 0);
        CU_ASSERT(is_right(kith_shared_data(x.s), x.size));
        CU_ASSERT_PTR_EQUAL(kith_shared_data(x.s), kith_shared_data(x.s));
        CU_ASSERT_EQUAL((uintptr_t)kith_shared_data(x.s) % 64, 0);
        PASS(kith_shared_close(x.s));
    }
}

/* What is shared is the memory itself, where calls are not made to go through the agent. */
static void memory_of_kith_is_not_copied(void)
{
    unsigned char *p = filled(kith_alloc(70000), 70000);
    kith_shared s = kith_share(p, 70000);

    PASS(kith_check(s));
    if (!through_net())
        CU_ASSERT_PTR_EQUAL(kith_shared_data(s), p);
    CU_ASSERT(is_right(kith_shared_data(s), 70000));
    FAILS_WITH(KITH_EINVAL, kith_free(p));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "kith_shared_close"));
    PASS(kith_shared_close(s));
    FAILS_WITH(KITH_EINVAL, kith_free(p));
}

/* A part of it, an Array's, what is shared already: a copy. */
static void other_memory_stays_the_callers(void)
{
    unsigned char *p = filled(kith_alloc(70000), 70000);
    kith_array a = kith_array_open('b', 1000);
    kith_shared part = kith_share(p + 64, 100), of_array, twice[2];

    CU_ASSERT_PTR_NOT_EQUAL(kith_shared_data(part), p + 64);
    CU_ASSERT_EQUAL(memcmp(kith_shared_data(part), p + 64, 100), 0);
    of_array = kith_share(kith_array_here(a), 1000);
    PASS(kith_array_close(a));
    CU_ASSERT_EQUAL(((const char *)kith_shared_data(of_array))[999], 0);
    twice[0] = kith_share(p, 70000);
    twice[1] = kith_share(p, 70000);
    PASS(kith_shared_close(twice[0]));
    CU_ASSERT(is_right(kith_shared_data(twice[1]), 70000));
    PASS(kith_shared_close(twice[1]));
    PASS(kith_shared_close(part));
    PASS(kith_shared_close(of_array));
}

static int shares(const void *arg)
{
    const kith_queue *answer = arg;
    kith_shared s = kith_share(filled(kith_alloc(9000), 9000), 9000);

    return kith_put(*answer, s) < 0;
}

static int shares_and_dies(const void *arg)
{
    shares(arg);
    raise(SIGKILL);
    return 0;
}

/* Also when who has shared it has ended, or was killed. */
static void it_outlives_who_has_shared_it(void)
{
    kith_target *const targets[] = { shares, shares_and_dies };

    for (int i = 0; i < 2; i++) {
        kith_queue answer = kith_queue_open(0);
        kith_shared s;
        kith_process p = kith_process_start_with(targets[i], KITH_ARG(answer), .node = far_node());

        PASS(kith_get(answer, &s));
        CU_ASSERT_EQUAL(code_of(p), i == 0 ? 0 : -SIGKILL);
        CU_ASSERT(is_right(kith_shared_data(s), 9000));
        PASS(kith_shared_close(s));
        PASS(kith_queue_close(answer));
    }
}

static void closed_data_is_stale_everywhere(void)
{
    struct shared x = { .size = LARGE };
    uint64_t before = used_bytes();

    x.s = kith_share(filled(kith_alloc(LARGE), LARGE), LARGE);
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(reads, KITH_ARG(x), .node = far_node())), 0);
    CU_ASSERT(is_right(kith_shared_data(x.s), LARGE));
    PASS(kith_shared_close(x.s));
    CU_ASSERT(used_bytes() < before + LARGE / 2);
    CU_ASSERT_PTR_NULL(kith_shared_data(x.s));
    FAILS_WITH(KITH_ESTALE, kith_shared_size(x.s));
    FAILS_WITH(KITH_ESTALE, kith_shared_close(x.s));
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(reads, KITH_ARG(x), .node = far_node())), 1);
}

static void *reads_in_a_thread(void *arg)
{
    const struct shared *x = arg;

    return is_right(kith_shared_data(x->s), x->size) ? arg : NULL;
}

static void threads_wait_for_the_one_that_fetches(void)
{
    struct shared x = { .size = LARGE };
    pthread_t threads[4];
    void *good;

    x.s = kith_share(filled(kith_alloc(LARGE), LARGE), LARGE);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, reads_in_a_thread, &x), 0);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], &good), 0);
        CU_ASSERT_PTR_NOT_NULL(good);
    }
    PASS(kith_shared_close(x.s));
}

static int look_up(const void *in, void *out, const void *arg)
{
    const double *x = kith_shared_data(*(const kith_shared *)arg), *i = in;

    if (x)
        memcpy(out, &x[(int)*i], sizeof *x);
    return x ? 0 : KITH_EINVAL;
}

static void tasks_use_it_in_place(void)
{
    double *table = kith_alloc(1000 * sizeof *table), in[1000], out[1000];
    kith_pool pool = kith_pool_open(2);
    kith_shared s;

    for (int i = 0; i < 1000; i++) {
        in[i] = i;
        table[i] = i * 0.5;
    }
    s = kith_share(table, 1000 * sizeof *table);
    PASS(kith_map_with(pool, look_up, in, out, 1000, KITH_ARG(s)));
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL_FATAL(out[i], i * 0.5);
    PASS(kith_pool_close(pool));
    PASS(kith_shared_close(s));
}

struct mortal {
    struct shared x;
    int step;
};

static void reads_it(const void *arg)
{
    REQUIRE(reads(&((const struct mortal *)arg)->x) == 0);
}

static int reads_until_it_dies(const void *arg)
{
    kith__share_readers = 1; /* the step is that of one thread */
    die_on_the_way(((const struct mortal *)arg)->step, reads_it, arg);
    return 0;
}

static void shares_and_closes(const void *arg)
{
    (void)arg;
    kith_shared_close(kith_share("constant", 9));
    kith_shared_close(kith_share(kith_alloc(100000), 100000));
}

static int shares_until_it_dies(const void *arg)
{
    die_on_the_way(((const struct mortal *)arg)->step, shares_and_closes, arg);
    return 0;
}

/* The next one gets it, whatever the last one has left. Over the network there are many steps: some of them.
 */
static void whoever_dies_while_it_fetches_is_followed(void)
{
    struct mortal m = { .x = { .size = 300000 } };
    uint64_t before = used_bytes();
    int code = -1, n = 0;

    kith__share_piece = UINT64_C(4) << 20;
    for (m.step = 0; m.step < 3000 && code != 0; m.step += through_net() ? 13 : 1, n++) {
        m.x.s = kith_share(filled(kith_alloc(m.x.size), m.x.size), m.x.size);
        code = code_of(kith_process_start_with(reads_until_it_dies, KITH_ARG(m), .node = KITH_HERE));
        CU_ASSERT_EQUAL(code_of(kith_process_start_with(reads, KITH_ARG(m.x), .node = KITH_HERE)), 0);
        PASS(kith_shared_close(m.x.s));
    }
    CU_ASSERT(code == 0 && n < 3000);
    AWAIT(used_bytes() <= before + 299999); /* janitors are at work; mailboxes stay */
}

static void stop_at_the_end(const char *step)
{
    if (strcmp(step, "share: all has come") == 0)
        raise(SIGSTOP);
}

/* The letter of /proc/PID/stat. */
static char state_of(int pid)
{
    char path[64], line[256] = "", *name_end;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if ((f = fopen(path, "r"))) {
        line[fread(line, 1, sizeof line - 1, f)] = '\0';
        fclose(f);
    }
    name_end = strrchr(line, ')');
    return *(name_end ? name_end + 2 : line);
}

static int is_stopped_while_it_fetches(const void *arg)
{
    kith__failpoint_hook = stop_at_the_end;
    return reads(arg);
}

/* As by a debugger. The others of its node wait for it as long; when it is killed, one of them fetches. */
static void who_is_stopped_while_it_fetches_holds_up_its_node(void)
{
    kith_process stopped, reader;

    if (!through_net())
        SKIP("nothing is fetched on one node");
    for (int i = 0; i < 2; i++) {
        struct shared x = { .size = 5000000 };

        x.s = kith_share(filled(kith_alloc(x.size), x.size), x.size);
        stopped = kith_process_start(is_stopped_while_it_fetches, KITH_ARG(x));
        AWAIT(state_of(kith_process_pid(stopped)) == 'T');
        reader = kith_process_start(reads, KITH_ARG(x));
        FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(reader, 100));
        CU_ASSERT_EQUAL(kill(kith_process_pid(stopped), i == 0 ? SIGCONT : SIGKILL), 0);
        CU_ASSERT_EQUAL(code_of(stopped), i == 0 ? 0 : -SIGKILL);
        CU_ASSERT_EQUAL(code_of(reader), 0);
        PASS(kith_shared_close(x.s));
    }
}

static void whoever_dies_while_it_shares_leaves_it_whole_or_not(void)
{
    struct mortal m = { .x = { .size = 0 } };
    uint64_t before = used_bytes();
    int code = -1;

    if (through_net())
        SKIP("the same steps as on one node, and many more");
    for (m.step = 0; m.step < 1000 && code != 0; m.step++)
        code = code_of(kith_process_start_with(shares_until_it_dies, KITH_ARG(m), .node = KITH_HERE));
    CU_ASSERT(m.step > 20 && code == 0);
    /* What it has shared when it dies, nobody has a handle of: as with any object. */
    CU_ASSERT(used_bytes() < before + UINT64_C(100000) * (uint64_t)m.step);
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

static void wrong_use_is_a_sentence(void)
{
    int *x = kith_alloc(4);
    kith_shared none = { 0 };

    FAILS_WITH(KITH_EINVAL, kith_check(kith_share(NULL, 4)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_share(x, 1 << 20)));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "of a block of"));
    PASS(kith_free(x));
    FAILS_WITH(KITH_ESTALE, kith_shared_close(none));
    FAILS_WITH(KITH_ESTALE, kith_shared_size(none));
    CU_ASSERT_PTR_NULL(kith_shared_data(none));
}

static struct test tests[] = {
    TEST(processes_read_what_is_shared),
    TEST(memory_of_kith_is_not_copied),
    TEST(other_memory_stays_the_callers),
    TEST(it_outlives_who_has_shared_it),
    TEST(closed_data_is_stale_everywhere),
    TEST(threads_wait_for_the_one_that_fetches),
    TEST(tasks_use_it_in_place),
    TEST(whoever_dies_while_it_fetches_is_followed),
    TEST(who_is_stopped_while_it_fetches_holds_up_its_node),
    TEST(whoever_dies_while_it_shares_leaves_it_whole_or_not),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("share", tests);
    return kith_finalize() ? 1 : rc;
}
