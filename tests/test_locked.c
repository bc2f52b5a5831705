/* test_locked.c: programs that lock their memory, as those for real time do, before kith_init and after it.
 */
#include "config.h"
#include "anyjob.h"
#include "shm/arena.h"

#include <sys/mman.h>
#include <sys/resource.h>

/* In MiB, of this process. */
static long status_of(const char *key)
{
    FILE *f = fopen("/proc/self/status", "r");
    long kib = -1;
    char line[256];

    REQUIRE(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = atol(line + strlen(key) + 1);
    fclose(f);
    REQUIRE(kib >= 0);
    return kib / 1024;
}

static void work_locked(void)
{
    REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    begin();
    work(successor);
    /* The address sanitizer makes mlockall do nothing, and has much memory. */
    REQUIRE(SANITIZED || status_of("VmLck") < 200);
    REQUIRE(status_of("RssShmem") < 64);
    REQUIRE(kith_finalize() == 0);
}

static int may_lock(void)
{
    struct rlimit limit;

    return geteuid() == 0 || (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY);
}

static void locked_memory_costs_what_is_used(void)
{
    if (!may_lock())
        SKIP("no right to lock memory");
    CU_ASSERT_EQUAL(check_fork(work_locked), 0);
}

/* What the kernel has filled is there, but kith has not taken it. */
static void lock_all_of_it(void)
{
    enum { PART = 40 << 20 };
    char *block;

    setenv("KITH_MEM", "64M", 1);
    begin();
    REQUIRE(kith__layout.heap_size <= 128 << 20); /* else this fills the machine */
    REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    work(successor);
    REQUIRE(SANITIZED || (status_of("VmLck") >= 64 && status_of("VmLck") < 280));
    REQUIRE(status_of("RssShmem") < 240);
    REQUIRE((block = kith_alloc(PART)) != NULL);
    memset(block, 1, PART);
    REQUIRE(kith_alloc(PART) == NULL && strstr(kith_last_error(), "KITH_MEM"));
    kith_free(block);
    REQUIRE((block = kith_alloc(PART)) != NULL);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void a_limit_bounds_what_is_locked_after_kith_init(void)
{
    if (!may_lock())
        SKIP("no right to lock memory");
    CU_ASSERT_EQUAL(check_fork(lock_all_of_it), 0);
}

/* The kernel counts all that is mapped as locked then, but fills nothing. */
static void lock_what_is_used(void)
{
    begin();
    REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0);
    work(successor);
    REQUIRE(status_of("RssShmem") < 64);
    REQUIRE(kith_finalize() == 0);
}

static void on_fault_it_costs_what_is_used_after_kith_init(void)
{
    if (!may_lock())
        SKIP("no right to lock memory");
    CU_ASSERT_EQUAL(check_fork(lock_what_is_used), 0);
}

static void begin_over_the_limit(void)
{
    struct rlimit limit;

    REQUIRE(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    limit.rlim_cur = limit.rlim_max < 32 << 20 ? limit.rlim_max : 32 << 20;
    REQUIRE(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    REQUIRE(geteuid() != 0 || setuid(65534) == 0);
    REQUIRE(mlockall(MCL_FUTURE) == 0);
    kith_on_fault(NULL);
    REQUIRE(kith_init(NULL, NULL) == KITH_ENOMEM && strstr(kith_last_error(), "ulimit -l"));
}

static void too_little_that_may_be_locked_is_a_sentence(void)
{
    if (SANITIZED)
        SKIP("the sanitizer makes mlockall do nothing");
    CU_ASSERT_EQUAL(check_fork(begin_over_the_limit), 0);
}

static struct test tests[] = {
    TEST(locked_memory_costs_what_is_used),
    TEST(a_limit_bounds_what_is_locked_after_kith_init),
    TEST(on_fault_it_costs_what_is_used_after_kith_init),
    TEST(too_little_that_may_be_locked_is_a_sentence),
    TEST_END,
};

int main(void)
{
    return run_tests("locked", tests);
}
