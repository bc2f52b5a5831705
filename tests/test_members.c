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

/* ------------------------------------------------------------------ states */

enum { STATES = KITH__SWEPT + 1, EVENTS = KITH__MEMBER_IS_FREED + 1 };

/* The state after it; as before when nothing is said of it. */
static unsigned after(unsigned state, unsigned event)
{
    static struct kith__member m;
    int moved;

    atomic_store(&m.state, state);
    moved = kith__member_move(&m, (enum kith__member_event)event);
    CU_ASSERT_EQUAL(moved, atomic_load(&m.state) != state);
    return atomic_load(&m.state);
}

/* No event leads from there, but that one. */
static int leads_only_by(unsigned state, unsigned event, unsigned to)
{
    for (unsigned e = 0; e < EVENTS; e++)
        if (after(state, e) != (e == event ? to : state))
            return 0;
    return 1;
}

/* The event leads from no state, but that one. */
static int happens_only_in(unsigned state, unsigned event)
{
    for (unsigned s = 0; s < STATES; s++)
        if ((after(s, event) != s) != (s == state))
            return 0;
    return 1;
}

static void a_dead_one_is_nobody_elses_before_it_is_swept(void)
{
    CU_ASSERT(leads_only_by(KITH__DEAD, KITH__MEMBER_IS_SWEPT, KITH__SWEPT));
    CU_ASSERT(happens_only_in(KITH__DEAD, KITH__MEMBER_IS_SWEPT));
    CU_ASSERT(happens_only_in(KITH__ENDED, KITH__MEMBER_IS_DEAD));
}

static void one_that_runs_has_to_end_first(void)
{
    CU_ASSERT(leads_only_by(KITH__RUNNING, KITH__MEMBER_ENDS, KITH__ENDED));
    CU_ASSERT(leads_only_by(KITH__FREE, KITH__MEMBER_IS_TAKEN, KITH__TAKEN));
    CU_ASSERT(happens_only_in(KITH__FREE, KITH__MEMBER_IS_TAKEN));
}

static unsigned reached_from(unsigned state)
{
    unsigned reached = 1U << state, before = 0;

    while (before != reached) {
        before = reached;
        for (unsigned s = 0; s < STATES; s++)
            for (unsigned e = 0; reached >> s & 1 && e < EVENTS; e++)
                reached |= 1U << after(s, e);
    }
    return reached;
}

static void each_state_is_reached_and_left(void)
{
    for (unsigned s = 0; s < STATES; s++)
        CU_ASSERT_EQUAL(reached_from(s), (1U << STATES) - 1);
}

static struct test tests[] = { TEST(the_first_free_one_is_taken),
                               TEST(none_is_overlooked_whatever_the_hint_says),
                               TEST(one_that_ends_meanwhile_is_the_next),
                               TEST(a_dead_one_is_nobody_elses_before_it_is_swept),
                               TEST(one_that_runs_has_to_end_first),
                               TEST(each_state_is_reached_and_left),
                               TEST_END };

int main(void)
{
    return run_tests("members", tests);
}
