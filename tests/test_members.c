/* test_members.c: the table of members: which entry is taken. */
#include "config.h"
#include "check.h"
#include "shared.h"
#include "member/members.h"

static void begin(void)
{
    open_arena();
    PASS(kith__members_init(1));
}

static uint32_t take(void)
{
    return kith__member_take(KITH__PROCESS);
}

static void the_first_free_one_is_taken(void)
{
    begin();
    for (uint32_t i = 1; i <= 10; i++)
        CU_ASSERT_EQUAL(take(), i);
    kith__member_free(7);
    kith__member_free(3);
    kith__member_free(5);
    CU_ASSERT(take() == 3 && take() == 5 && take() == 7 && take() == 11);
    CU_ASSERT_EQUAL(atomic_load(&kith__shared->members_used), 11);
}

/* A process may be stopped between its look and what it notes, and what it notes is old then. */
static void none_is_overlooked_whatever_the_hint_says(void)
{
    begin();
    for (uint32_t i = 1; i <= KITH__MEMBERS; i++)
        CU_ASSERT_EQUAL_FATAL(take(), i);
    CU_ASSERT_EQUAL(take(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "no more can be started until one has ended"));
    for (uint32_t i = 2; i < 5; i++) {
        kith__member_free(i);
        atomic_store(&kith__shared->members_in_use, i == 2 ? KITH__MEMBERS : i == 3 ? 3 : 0);
        CU_ASSERT_EQUAL(take(), i);
    }
    CU_ASSERT_EQUAL(take(), 0);
}

static uint32_t ends;

/* Before the hint is noted: one more has ended. */
static void one_ends(const char *step)
{
    if (strcmp(step, "member: taken") == 0 && ends) {
        kith__member_free(ends);
        ends = 0;
    }
}

static void one_that_ends_meanwhile_is_the_next(void)
{
    begin();
    for (uint32_t i = 1; i <= 4; i++)
        CU_ASSERT_EQUAL(take(), i);
    ends = 2;
    kith__failpoint_hook = one_ends;
    CU_ASSERT_EQUAL(take(), 5);
    kith__failpoint_hook = NULL;
    CU_ASSERT(take() == 2 && take() == 6);
}

static struct test tests[] = { TEST(the_first_free_one_is_taken),
                               TEST(none_is_overlooked_whatever_the_hint_says),
                               TEST(one_that_ends_meanwhile_is_the_next), TEST_END };

int main(void)
{
    return run_tests("members", tests);
}
