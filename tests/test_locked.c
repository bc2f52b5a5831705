/* test_locked.c: programs that lock their memory, as those for real time do, before kith_init and after it.
 */
#include "config.h"
#include "anyjob.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

enum { PART = 200 << 20, BESIDE = 64 };

/* MiB of the files of shared memory: as much the kernel fills. Looked at before, as else it would fill the
 * machine. */
static long filled_then(void)
{
    long sum = 0;

    for (int fd = 3; fd < 4096; fd++) {
        char path[64], name[64] = "";
        struct stat st;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, name, sizeof name - 1) > 0 && strstr(name, "memfd:kith") && fstat(fd, &st) == 0)
            sum += (long)(st.st_size >> 20);
    }
    REQUIRE(sum > 0);
    return sum;
}

static void lock_now(long most)
{
    REQUIRE(filled_then() < most);
    REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    REQUIRE(status_of("RssShmem") < most);
}

static char *take_part(void)
{
    char *block = kith_alloc(PART);

    REQUIRE(block != NULL);
    memset(block, 1, PART);
    return block;
}

static void lock_and_grow(void)
{
    kith_queue queues[300];
    char *block;

    begin();
    lock_now(BESIDE);
    work(successor);
    block = take_part();
    for (int i = 0; i < 300; i++)
        REQUIRE(kith_check(queues[i] = kith_queue_open(0)) == 0 && kith_put(queues[i], i) == 0);
    work(successor);
    REQUIRE(status_of("RssShmem") >= PART >> 20 && status_of("RssShmem") < (PART >> 20) + BESIDE);
    kith_free(block);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

/* The files are as large as what was used at a time. */
static void lock_after_use(void)
{
    begin();
    kith_free(take_part());
    work(successor);
    lock_now((PART >> 20) + BESIDE);
    kith_free(take_part());
    REQUIRE(status_of("RssShmem") < (PART >> 20) + BESIDE);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static int lock_in_task(int x)
{
    static int is_locked;

    if (!is_locked)
        lock_now(BESIDE);
    is_locked = 1;
    return successor(x);
}

static void lock_in_workers(void)
{
    begin();
    work(lock_in_task);
    REQUIRE(kith_finalize() == 0);
}

static void after_kith_init_it_costs_what_is_used(void)
{
    if (!may_lock())
        SKIP("no right to lock memory");
    CU_ASSERT_EQUAL(check_fork(lock_and_grow), 0);
    CU_ASSERT_EQUAL(check_fork(lock_after_use), 0);
    CU_ASSERT_EQUAL(check_fork(lock_in_workers), 0);
}

/* What the kernel has filled is there, but kith has not taken it. */
static void lock_under_a_limit(void)
{
    enum { MOST = 64 << 20, SOME = 40 << 20 };
    char *block;

    setenv("KITH_MEM", "64M", 1);
    begin();
    REQUIRE((block = kith_alloc(SOME)) != NULL);
    kith_free(block);
    lock_now(2 * MOST >> 20);
    work(successor);
    REQUIRE((block = kith_alloc(SOME)) != NULL);
    memset(block, 1, SOME);
    REQUIRE(kith_alloc(SOME) == NULL && strstr(kith_last_error(), "KITH_MEM"));
    kith_free(block);
    REQUIRE((block = kith_alloc(SOME)) != NULL);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void what_was_filled_does_not_count(void)
{
    if (!may_lock())
        SKIP("no right to lock memory");
    CU_ASSERT_EQUAL(check_fork(lock_under_a_limit), 0);
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
    TEST(after_kith_init_it_costs_what_is_used),
    TEST(what_was_filled_does_not_count),
    TEST(on_fault_it_costs_what_is_used_after_kith_init),
    TEST(too_little_that_may_be_locked_is_a_sentence),
    TEST_END,
};

int main(void)
{
    return run_tests("locked", tests);
}
