/* test_builds.c: whether the ranks run the same builds, and the table for when they do not. */
#include "config.h"
#include "check.h"
#include "code/family.h"
#include "code/token.h"
#include "start/builds.h"
#include "start/rendezvous.h"

enum { RANKS = 6, MOST = 4 };

static struct kith__record records[RANKS];
static struct kith__library lists[RANKS][MOST];
static int gathered;

/* What the others tell. */
static int allgather(const void *mine, void *all, size_t each)
{
    (void)mine;
    for (int i = 0; i < RANKS; i++)
        memcpy((char *)all + (size_t)i * each, lists[i], each < sizeof lists[i] ? each : sizeof lists[i]);
    gathered++;
    return 0;
}

static const struct kith__mpi mpi = { .title = "no MPI", .allgather = allgather };

static void has(int rank, const char *name, int id, int of_system)
{
    struct kith__library *l = &lists[rank][records[rank].library_count++];

    snprintf(l->name, sizeof l->name, "%s", name);
    l->id[0] = (unsigned char)id;
    l->of_system = (unsigned char)of_system;
    records[rank].libraries = records[rank].libraries * 31 + (uint64_t)id;
}

/* Two ranks on each of three hosts, with one program and one library. */
static void begin(void)
{
    memset(records, 0, sizeof records);
    memset(lists, 0, sizeof lists);
    gathered = 0;
    for (int i = 0; i < RANKS; i++) {
        snprintf(records[i].host, sizeof records[i].host, "node%d", i / 2 + 1);
        records[i].program[0] = 1;
        has(i, "libc.so.6", 5, 1);
    }
}

static int compare(void)
{
    const struct kith__rendezvous m = { .mpi = &mpi, .size = RANKS, .records = records };

    return kith__builds_compare(&m);
}

static void equal_builds_need_no_list(void)
{
    begin();
    PASS(compare());
    CU_ASSERT_EQUAL(gathered, 0);
}

static void another_program_is_refused(void)
{
    begin();
    records[2].program[0] = records[3].program[0] = 0xab;
    FAILS_WITH(KITH_EPEER, compare());
    CU_ASSERT_STRING_EQUAL(kith_last_error(),
                           "the ranks run different programs: copy one and the same file to each host\n"
                           "    HOST   RANKS      PROGRAM\n"
                           "    node1  0-1        010000000000\n"
                           "    node2  2-3        ab0000000000\n"
                           "    node3  4-5        010000000000");
}

static void another_build_of_a_library_is_refused(void)
{
    begin();
    for (int i = 0; i < RANKS; i++) {
        has(i, "libm.so.6", i == 0 ? 1 : 2, 1);
        if (i != 1)
            has(i, "libsolver.so", i < 5 ? 7 : 8, 0);
    }
    FAILS_WITH(KITH_EPEER, compare());
    CU_ASSERT_STRING_EQUAL(
        kith_last_error(),
        "the ranks have different builds of libsolver.so: copy one and the same file to each host, or "
        "set KITH_BUILDS=any\n"
        "    HOST   RANKS      PROGRAM       libsolver.so  libm.so.6\n"
        "    node1  0          010000000000  070000000000  010000000000\n"
        "    node1  1          010000000000  -             020000000000\n"
        "    node2  2-3        010000000000  070000000000  020000000000\n"
        "    node3  4          010000000000  070000000000  020000000000\n"
        "    node3  5          010000000000  080000000000  020000000000");
    records[0].any_builds = 1;
    PASS(compare());
}

static void the_systems_libraries_may_differ(void)
{
    begin();
    has(4, "libm.so.6", 3, 1);
    has(5, "libm.so.6", 4, 1);
    PASS(compare());
    CU_ASSERT_EQUAL(gathered, 1);
}

/* A profiler of one host. */
static void what_only_some_have_is_left_out(void)
{
    begin();
    has(4, "libprofile.so", 3, 0);
    has(5, "libprofile.so", 3, 0);
    PASS(compare());
}

/* Counts and names of others are not believed. */
static void a_long_table_is_cut(void)
{
    begin();
    for (int i = 0; i < RANKS; i++) {
        memset(records[i].host, 'h', sizeof records[i].host - 1);
        memset(lists[i][0].name, 'l', sizeof lists[i][0].name);
        lists[i][0].id[0] = (unsigned char)(i + 1);
        lists[i][0].of_system = 0;
        records[i].program[0] = (unsigned char)i;
        records[i].library_count = 1;
    }
    FAILS_WITH(KITH_EPEER, compare());
    CU_ASSERT(strlen(kith_last_error()) < 1024);
    records[3].library_count = -5;
    records[4].library_count = 1 << 30;
    FAILS_WITH(KITH_EPEER, compare());
}

static void this_process_tells_what_it_has(void)
{
    struct kith__library list[200];
    struct kith__record r = { .program = { 0 } };
    int has_libc = 0;
    size_t n;

    PASS(kith__token_family());
    n = kith__family_libraries(list, 200);
    for (size_t i = 0; i < n; i++) {
        has_libc |= strcmp(list[i].name, "libc.so.6") == 0;
        CU_ASSERT(i == 0 || strcmp(list[i - 1].name, list[i].name) < 0);
        CU_ASSERT_PTR_NULL(strstr(list[i].name, "vdso"));
    }
    CU_ASSERT(has_libc);
    kith__builds_tell(&r);
    CU_ASSERT_EQUAL(r.library_count, (int32_t)n);
    CU_ASSERT(r.libraries != 0);
    CU_ASSERT_EQUAL(kith__family_libraries(list, 1), 1);
}

static struct test tests[] = {
    TEST(equal_builds_need_no_list),
    TEST(another_program_is_refused),
    TEST(another_build_of_a_library_is_refused),
    TEST(the_systems_libraries_may_differ),
    TEST(what_only_some_have_is_left_out),
    TEST(a_long_table_is_cut),
    TEST(this_process_tells_what_it_has),
    TEST_END,
};

int main(void)
{
    return run_tests("builds", tests);
}
