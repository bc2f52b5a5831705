/* test_class.c: each method of each class of objects, from the tables (object/class.h), with handles that are
 * none, stale, of another class or of a node that is not there, and with arguments that no caller would send:
 * at home, and through the agent, which has to expect anything of its peers. */
#include "config.h"
#include "steps.h"
#include "base/error.h"
#include "base/handle.h"
#include "base/module.h"
#include "object/class.h"
#include "shm/heap.h"

#include <dlfcn.h>

static const int zero;

static uint64_t open_queue(void)
{
    return kith_queue_open(4).id;
}
/* Without its mark, which is for the functions that all Queues share. */
static uint64_t open_sorted(void)
{
    return kith_queue_open_with(4, .order = KITH_PRIORITY).id & ~KITH__HANDLE_PART;
}
static uint64_t open_sem(void)
{
    return kith_sem_open(2).id;
}
static uint64_t open_large_sem(void)
{
    return kith_sem_open(100).id;
}
static uint64_t open_value(void)
{
    return kith_value_open('i', &zero, sizeof zero).id;
}
static uint64_t open_bytes(void)
{
    return kith_value_open('b', "0123456789", 10).id;
}
static uint64_t open_lock(void)
{
    return kith_lock_open().id;
}
static uint64_t open_rlock(void)
{
    return kith_rlock_open().id;
}
static uint64_t open_array(void)
{
    return kith_array_open('l', 16).id;
}
static uint64_t open_dict(void)
{
    return kith_dict_open().id;
}
static uint64_t open_ns(void)
{
    return kith_ns_open().id;
}
static uint64_t open_list(void)
{
    return kith_list_open().id;
}
static uint64_t open_event(void)
{
    return kith_event_open().id;
}
static uint64_t open_cond(void)
{
    return kith_cond_open().id;
}
static uint64_t open_cond_with_rlock(void)
{
    return kith_cond_open_with(.lock = kith_rlock_open()).id & ~KITH__HANDLE_PART;
}
static uint64_t open_barrier(void)
{
    return kith_barrier_open(2).id;
}

static uint64_t open_share(void)
{
    return kith_share("constant", 9).id;
}

static uint64_t open_pipe(void)
{
    kith_pipe ends[2];

    kith_pipe_open(ends);
    return ends[0].id;
}

/* What has no row here is no object that its user calls by a handle: the node, a pool, memory by name; and a
 * Process, which test_process knows. */
static const struct maker {
    enum kith__kind kind;
    uint64_t (*open)(void);
} makers[] = {
    { KITH__FIFO_KIND, open_queue },  { KITH__SORTED_KIND, open_sorted },
    { KITH__SEM_KIND, open_sem },     { KITH__SEM_KIND, open_large_sem },
    { KITH__VALUE_KIND, open_value }, { KITH__VALUE_KIND, open_bytes },
    { KITH__LOCK_KIND, open_lock },   { KITH__RLOCK_KIND, open_rlock },
    { KITH__ARRAY_KIND, open_array }, { KITH__DICT_KIND, open_dict },
    { KITH__NS_KIND, open_ns },       { KITH__LIST_KIND, open_list },
    { KITH__EVENT_KIND, open_event }, { KITH__COND_KIND, open_cond },
    { KITH__PIPE_KIND, open_pipe },   { KITH__BARRIER_KIND, open_barrier },
    { KITH__SHARE_KIND, open_share }, { KITH__COND_KIND, open_cond_with_rlock },
};
enum { MAKERS = sizeof makers / sizeof makers[0], NO_MAKER = 4 };

static int has_maker(unsigned kind)
{
    for (int i = 0; i < MAKERS; i++)
        if (makers[i].kind == kind)
            return 1;
    return 0;
}

static void begin(void)
{
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_on_fault(NULL);
}

/* Calls a method, with nothing. */
static int64_t call(uint64_t id, unsigned kind, int method)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    return kith__invoke(id, kind, (unsigned)method, &in, &out, 0);
}

/* 1: each method gives that code. */
static int all_give(uint64_t id, unsigned kind, int code, const char *what)
{
    int right = 1;

    for (int m = KITH__FIRST_METHOD; m < kith__classes[kind]->count; m++) {
        int64_t rc = call(id, kind, m);

        if (rc != code)
            printf("\n    %s of %s gives %lld for %s: %s", kith__classes[kind]->methods[m].name,
                   kith__classes[kind]->noun, (long long)rc, what, kith_last_error());
        right &= rc == code;
    }
    return right;
}

static void use_wrong_handles(void)
{
    uint64_t ids[MAKERS];
    int right = 1;

    begin();
    for (int i = 0; i < MAKERS; i++)
        REQUIRE(kith__handle_code(ids[i] = makers[i].open()) == 0);
    for (int i = 0; i < MAKERS; i++) {
        enum kith__kind kind = makers[i].kind;
        uint64_t stale = makers[i].open();

        REQUIRE(kith__close_part(stale, kind, 0) == 0 &&
                (kind != KITH__PIPE_KIND || kith__close_part(stale, kind, 1) == 0));
        right &= all_give(0, kind, KITH_ESTALE, "the zero handle");
        right &= all_give(kith__failed_handle(KITH_ESIZE), kind, KITH_ESIZE, "a failed constructor");
        right &= all_give(stale, kind, KITH_ESTALE, "what was closed");
        right &= all_give(ids[i] ^ UINT64_C(5) << 48, kind, KITH_ESTALE, "a node that is not there");
        for (int k = 0; k < MAKERS; k++)
            if (makers[k].kind != kind && (k + i) % 3 == 0)
                right &= all_give(ids[k], kind, KITH_ETYPE, kith__classes[makers[k].kind]->noun);
    }
    REQUIRE(right);
    REQUIRE(kith_finalize() == 0);
}

/* Whatever it gives, it neither ends the process nor breaks the heap. */
static void call_strangely(uint64_t id, unsigned kind, int method)
{
    /* Some have an index, a type and an operation in them, as for Values and Arrays. */
    static const uint64_t numbers[] = { 0,
                                        1,
                                        UINT64_C(1) << 40,
                                        UINT64_MAX,
                                        UINT64_C(0x7fffffff00000001),
                                        (uint64_t)KITH_ADD << 48 | (uint64_t)'l' << 40 | UINT64_C(1) << 39,
                                        (uint64_t)KITH_ADD << 48 | (uint64_t)'i' << 40 | sizeof(int) };
    static const uint64_t sizes[] = { 0, 8, 24, KITH__LARGE + 1 };
    static unsigned char bytes[2][KITH__LARGE + 1];

    memset(bytes[1], 255, sizeof bytes[1]);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        for (unsigned k = 0; k < 2 * sizeof sizes / sizeof sizes[0]; k++) {
            struct kith__args in = { .bytes = bytes[k % 2], .size = sizes[k / 2], .number = numbers[i] };
            struct kith__result out = { 0 };

            kith__invoke(id, kind, (unsigned)method, &in, &out, 0);
        }
}

static void use_strange_arguments(void)
{
    begin();
    for (int i = 0; i < MAKERS; i++)
        for (int m = KITH__FIRST_METHOD; m < kith__classes[makers[i].kind]->count; m++) {
            uint64_t id = makers[i].open();

            call_strangely(id, makers[i].kind, m);
            REQUIRE(kith__heap_audit() == 0);
            kith__close(id, makers[i].kind);
        }
    REQUIRE(kith_finalize() == 0);
}

/* --------------------------------------------------------------------------- deaths */

struct doomed {
    int step, maker;
    uint64_t ours;
};

/* Calls each method, of one that others have and of one of its own, which it closes. */
static void calls_all(const void *arg)
{
    const struct doomed *d = arg;
    unsigned kind = makers[d->maker].kind;
    uint64_t own = makers[d->maker].open();

    for (int m = KITH__FIRST_METHOD; m < kith__classes[kind]->count; m++)
        for (int i = 0; i < 2; i++) {
            struct kith__args in = { .bytes = "12345678", .size = i ? 8 : 0, .number = (uint64_t)i };
            struct kith__result out = { 0 };

            kith__invoke(m % 2 == i ? own : d->ours, kind, (unsigned)m, &in, &out, 0);
            if (out.block)
                kith__heap_free(out.block);
        }
    kith__close_part(own, kind, 0);
    kith__close_part(own, kind, 1);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(((const struct doomed *)arg)->step, calls_all, arg);
    return 0;
}

static uint64_t ids_of_kind[64];
static int count_of_kind;

static void list_it(struct kith__object *o, void *context)
{
    (void)context;
    if (count_of_kind < 64)
        ids_of_kind[count_of_kind++] = kith__object_id(o);
}

/* What a dead process has opened stays open, and nobody has its handle: one at most. */
static int close_what_is_left(unsigned kind)
{
    count_of_kind = 0;
    kith__objects_each(kind, list_it, NULL);
    for (int i = 0; i < count_of_kind; i++) {
        kith__close_part(ids_of_kind[i], (enum kith__kind)kind, 0);
        kith__close_part(ids_of_kind[i], (enum kith__kind)kind, 1);
    }
    return count_of_kind;
}

static uint64_t used_blocks(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s.used_blocks;
}

/* Until a janitor has taken back what it had. */
static void end_doomed(kith_process p, int *code, int members)
{
    double until = kith_time() + SOON / 1000.0 * slowdown();

    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, code) == 0);
    REQUIRE((*code == 0 || *code == -SIGKILL) && kith_process_close(p) == 0);
    while (count_members() > members && kith_time() < until)
        usleep(500);
    REQUIRE(count_members() <= members); /* less: of the tests before */
}

/* At all of some 3,000 steps in a long run, else at some of them. Nothing is left. */
static void lose_callers_of(int maker)
{
    int code = -SIGKILL, members = count_members(),
        apart = SANITIZED                  ? 41
                : getenv("KITH_TEST_LONG") ? stride()
                                           : 13;
    struct doomed d = { maker % apart, maker, 0 };
    uint64_t before = used_blocks();

    for (; code != 0 && d.step < MOST_STEPS; d.step += apart) {
        d.ours = makers[maker].open();
        end_doomed(kith_process_start_with(dies_on_the_way, KITH_ARG(d), .node = KITH_HERE), &code, members);
        REQUIRE(close_what_is_left(makers[maker].kind) <= 2);
        REQUIRE(used_blocks() <= before);
    }
    REQUIRE(code == 0 && kith__heap_audit() == 0);
}

static void lose_callers(void)
{
    begin();
    for (int i = 0; i < MAKERS; i++)
        lose_callers_of(i);
    REQUIRE(kith_finalize() == 0);
}

static void through_net(void (*job)(void))
{
    setenv("KITH_TRANSPORT", "net", 1);
    CU_ASSERT_EQUAL(check_fork(job), 0);
    unsetenv("KITH_TRANSPORT");
}

static void each_class_is_here(void)
{
    int others = 0;

    for (unsigned kind = KITH__NOTHING + 1; kind < KITH__KINDS; kind++)
        others += !has_maker(kind);
    CU_ASSERT_EQUAL(others, NO_MAKER);
}

/* Who is to be woken is said by a bit for each. */
static void no_class_has_more_sets_of_waiters_than_can_be_named(void)
{
    for (unsigned kind = KITH__NOTHING + 1; kind < KITH__KINDS; kind++) {
        const struct kith__class *c = kith__classes[kind];

        CU_ASSERT(c->sides >= 0 && c->sides <= KITH__SIDES);
        for (int m = KITH__FIRST_METHOD; m < c->count; m++)
            CU_ASSERT(c->methods[m].side < c->sides);
    }
}

static void wrong_handles_give_a_code(void)
{
    CU_ASSERT_EQUAL(check_fork(use_wrong_handles), 0);
}

static void strange_arguments_harm_nobody(void)
{
    CU_ASSERT_EQUAL(check_fork(use_strange_arguments), 0);
}

static void whoever_dies_at_any_step_of_any_method_leaves_nothing(void)
{
    CU_ASSERT_EQUAL(check_fork(lose_callers), 0);
}

static void so_they_do_through_the_agent(void)
{
    void *module = kith__module("net");

    if (!module || !dlsym(module, "kith_net_transport"))
        SKIP("kith was built for one node only");
    through_net(use_wrong_handles);
    through_net(use_strange_arguments);
}

static struct test tests[] = {
    TEST(each_class_is_here),
    TEST(no_class_has_more_sets_of_waiters_than_can_be_named),
    TEST(wrong_handles_give_a_code),
    TEST(strange_arguments_harm_nobody),
    TEST(whoever_dies_at_any_step_of_any_method_leaves_nothing),
    TEST(so_they_do_through_the_agent),
    TEST_END,
};

int main(void)
{
    return run_tests("class", tests);
}
