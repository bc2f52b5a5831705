/* test_arena.c: the shared memory under the limits of the system: it refuses, and never kills. */
#include "config.h"
#include "check.h"
#include "shared.h"
#include "base/system.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

enum { CHILD = 7 }; /* owner of what a child of a test allocates */

static void with_limit(const char *limit, void (*fn)(void))
{
    setenv("KITH_MEM", limit, 1);
    open_arena();
    unsetenv("KITH_MEM");
    fn();
    PASS(kith__heap_audit());
    close_arena();
}

static void fill_it_up(void)
{
    uint64_t blocks[64];
    int count = 0;

    while (count < 64 && (blocks[count] = kith__heap_alloc(2 * MIB, 0)) != 0)
        memset(kith__at(blocks[count++]), 1, 2 * MIB);
    CU_ASSERT(count >= 30 && count <= 32); /* metadata takes a little */
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "2.0 MiB"));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "KITH_MEM"));
    CU_ASSERT(pages() <= 64 * MIB);
    CU_ASSERT(kith__memory_available() < 2 * MIB);
    kith__heap_free(blocks[3]);
    alloc(2 * MIB);
}

static void limit_by_variable_is_kept(void)
{
    with_limit("64M", fill_it_up);
}

static uint64_t size_of(int file)
{
    struct stat st;

    CU_ASSERT_FATAL(fstat(arena[file], &st) == 0);
    return (uint64_t)st.st_size;
}

static uint64_t all_sizes(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < KITH__ARENA_FILES; i++)
        sum += size_of(i);
    return sum;
}

/* mlockall fills the files: what is there then is not taken. */
static void fill_it_up_when_all_is_there(void)
{
    int count = 0;

    kith__heap_free(alloc(60 * MIB));
    for (int i = 0; i < KITH__ARENA_FILES; i++)
        CU_ASSERT_EQUAL_FATAL(fallocate(arena[i], 0, 0, (off_t)size_of(i)), 0);
    CU_ASSERT_FATAL(pages() == all_sizes() && pages() > 64 * MIB);
    while (count < 64 && kith__heap_alloc(2 * MIB, 0) != 0)
        count++;
    CU_ASSERT(count >= 30 && count <= 32);
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "KITH_MEM"));
}

static void what_is_there_is_not_taken(void)
{
    with_limit("64M", fill_it_up_when_all_is_there);
}

/* Not the room for objects ends first, nor that for descriptors of blocks, but KITH_MEM. */
static void use_it_up_by_objects(void)
{
    uint64_t at = KITH__TABLES_FIXED;

    while (kith__arena_back_tables(at, 4096) == 0)
        at += 4096;
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "is left of KITH_MEM"));
    CU_ASSERT(pages() > 7 * MIB && pages() <= 8 * MIB);
}

static void use_it_up_by_small_blocks(void)
{
    while (kith__heap_alloc(1, CHILD))
        ;
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "is left of KITH_MEM"));
    CU_ASSERT(pages() > 7 * MIB && pages() <= 8 * MIB);
    CU_ASSERT_EQUAL(kith__heap_sweep(CHILD), 0);
}

static void each_region_can_take_all_of_the_limit(void)
{
    with_limit("8M", use_it_up_by_objects);
    with_limit("8M", use_it_up_by_small_blocks);
}

/* From each size on every other block goes, and what that gives is taken by blocks of the next. */
static void grow_by_doubling(void)
{
    uint64_t blocks[32];
    int count = 0;

    while (count < 32 && (blocks[count] = kith__heap_alloc(2 * MIB - 64 * 1024, 0)) != 0)
        count++;
    CU_ASSERT(count >= 30);
    for (uint64_t size = 4 * MIB; count >= 4; size *= 2) {
        int next = 0;

        for (int i = 0; i < count; i += 2)
            kith__heap_free(blocks[i]);
        for (count /= 4; next < count && (blocks[next] = kith__heap_alloc(size - 64 * 1024, 0)) != 0;)
            next++;
        CU_ASSERT_EQUAL(next, count);
    }
}

static void growing_blocks_find_a_gap(void)
{
    with_limit("64M", grow_by_doubling);
}

/* 60 of 64 MiB are warm, but in pieces: they must go before a larger one can come. */
static void reuse_in_another_shape(void)
{
    uint64_t small[60], keep;

    for (int i = 0; i < 60; i++)
        small[i] = alloc(MIB - 4096);
    keep = alloc(4096);
    for (int i = 0; i < 60; i += 2)
        kith__heap_free(small[i]);
    alloc(20 * MIB);
    PASS(kith__heap_check(keep));
    PASS(kith__heap_audit());
    CU_ASSERT(pages() <= 64 * MIB);
}

static void warm_pieces_make_room_for_a_large_block(void)
{
    with_limit("64M", reuse_in_another_shape);
}

static void ask_for_too_much(void)
{
    uint64_t warm = alloc(10 * MIB);

    kith__heap_free(warm);
    CU_ASSERT_EQUAL(kith__heap_alloc(100 * MIB, 0), 0);
    CU_ASSERT_EQUAL(kith__heap_alloc(SIZE_MAX, 0), 0);
    CU_ASSERT_EQUAL(kith__heap_alloc(kith__layout.heap_size, 0), 0);
    CU_ASSERT_EQUAL(stats().used_blocks, 0);
    CU_ASSERT(stats().warm_free_bytes >= 10 * MIB); /* a hopeless wish costs nobody his warm pages */
}

static void hopeless_wish_is_refused_at_once(void)
{
    with_limit("64M", ask_for_too_much);
}

static void bad_limit_is_refused(void)
{
    static const char *const bad[] = { "much", "-1", "12Q", "0", "G", "1e99" };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("KITH_MEM", bad[i], 1);
        close_arena();
        FAILS_WITH(KITH_EINVAL, kith__arena_create(arena));
        CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "KITH_MEM"));
    }
    unsetenv("KITH_MEM");
}

/* ---- the system's limits, each in a child of its own */

/* Blocks until there is no memory, all written to. Gives the bytes. */
static uint64_t eat(uint64_t size)
{
    uint64_t sum = 0, block;

    while ((block = kith__heap_alloc(size, 0)) != 0) {
        memset(kith__at(block), 1, size);
        sum += size;
    }
    return sum;
}

static void create(void)
{
    REQUIRE(kith__arena_create(arena) == 0);
    REQUIRE(kith__heap_init() == 0);
}

static char group[PATH_MAX]; /* a memory cgroup of 96 MiB, made by the test */

static int write_to(const char *directory, const char *file, const char *text)
{
    char path[PATH_MAX + 64];
    int fd, ok;

    snprintf(path, sizeof path, "%s/%s", directory, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

static int make_group(void)
{
    snprintf(group, sizeof group, "/sys/fs/cgroup/memory/kith-test-%d", (int)getpid());
    if (mkdir(group, 0755) == 0) {
        if (write_to(group, "memory.limit_in_bytes", "96M"))
            return 1;
        rmdir(group);
    }
    snprintf(group, sizeof group, "/sys/fs/cgroup/kith-test-%d", (int)getpid());
    if (mkdir(group, 0755) == 0) {
        if (write_to(group, "memory.max", "96M"))
            return 1;
        rmdir(group);
    }
    return 0;
}

static void touch_all(const uint64_t *blocks, int count)
{
    for (int i = 0; i < count; i++)
        for (uint64_t at = blocks[i]; at < blocks[i] + MIB; at += 4096)
            *(_Atomic unsigned char *)kith__at(at) = 1;
}

/* When all is taken eight processes touch it: each has page tables of its own for it. */
static void live_in_the_group(void)
{
    uint64_t blocks[97];
    int count = 0, ready[2];
    pid_t pids[8];
    char byte;

    REQUIRE(write_to(group, "cgroup.procs", "0"));
    close_arena();
    create();
    while (count < 97 && (blocks[count] = kith__heap_alloc(MIB, 0)) != 0)
        count++;
    REQUIRE(count >= 80 && count < 96);
    REQUIRE(strstr(kith_last_error(), group) != NULL);
    REQUIRE(strstr(kith_last_error(), "96.0 MiB") != NULL);
    REQUIRE(pipe(ready) == 0);
    for (int i = 0; i < 8; i++)
        if ((pids[i] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            touch_all(blocks, count);
            REQUIRE(write(ready[1], "", 1) == 1);
            pause();
        }
    for (int i = 0; i < 8; i++) {
        struct pollfd one = { ready[0], POLLIN, 0 };

        REQUIRE(poll(&one, 1, 20000) == 1 && read(ready[0], &byte, 1) == 1);
    }
    for (int i = 0; i < 8; i++) {
        REQUIRE(kill(pids[i], SIGTERM) == 0);
        REQUIRE(check_wait(pids[i]) == -SIGTERM);
    }
    REQUIRE(kith__heap_audit() == 0);
}

static void several_live_in_the_group(void)
{
    pid_t pids[4];

    REQUIRE(write_to(group, "cgroup.procs", "0"));
    close_arena();
    create();
    for (int i = 0; i < 4; i++)
        if ((pids[i] = fork()) == 0) {
            eat(300 * KIB + (uint64_t)i * 64);
            _exit(0);
        }
    for (int i = 0; i < 4; i++)
        REQUIRE(check_wait(pids[i]) == 0);
    REQUIRE(stats().used_bytes >= 75 * MIB);
    REQUIRE(kith__heap_audit() == 0);
}

/* Large blocks: huge pages are charged in pieces of 2 MiB. */
static void large_blocks_live_in_the_group(void)
{
    pid_t pids[2];

    REQUIRE(write_to(group, "cgroup.procs", "0"));
    close_arena();
    create();
    REQUIRE(eat(12 * MIB) >= 72 * MIB);
    close_arena();
    create();
    for (int i = 0; i < 2; i++)
        if ((pids[i] = fork()) == 0) {
            eat(5 * MIB + (uint64_t)i * 4096);
            _exit(0);
        }
    for (int i = 0; i < 2; i++)
        REQUIRE(check_wait(pids[i]) == 0);
    REQUIRE(stats().used_bytes >= 70 * MIB);
    REQUIRE(kith__heap_audit() == 0);
}

/* What was freed is for who comes next in the group, whoever that is. */
static void give_back_to_the_group(void)
{
    static uint64_t blocks[97];
    int count = 0;
    char *own;

    REQUIRE(write_to(group, "cgroup.procs", "0"));
    close_arena();
    create();
    while (count < 97 && (blocks[count] = kith__heap_alloc(MIB, 0)) != 0)
        count++;
    while (count > 0)
        kith__heap_free(blocks[--count]);
    REQUIRE(stats().warm_free_bytes <= 16 * MIB && kith__heap_audit() == 0);
    REQUIRE((own = malloc(64 * MIB)) != NULL);
    memset(own, 1, 64 * MIB);
    free(own);
}

static void memory_cgroup_refuses_and_never_kills(void)
{
    if (SANITIZED)
        SKIP("the sanitizer's own memory does not fit the group");
    if (!make_group())
        SKIP("no memory cgroup can be made here");
    CU_ASSERT_EQUAL(check_fork(live_in_the_group), 0);
    CU_ASSERT_EQUAL(check_fork(several_live_in_the_group), 0);
    CU_ASSERT_EQUAL(check_fork(large_blocks_live_in_the_group), 0);
    CU_ASSERT_EQUAL(check_fork(give_back_to_the_group), 0);
    for (int tries = 0; tries < 3000 && rmdir(group) < 0; tries++)
        usleep(10000); /* the kernel may still be at work on who was killed there */
    CU_ASSERT_EQUAL(access(group, F_OK), -1);
}

static void limit_address_space(uint64_t bytes)
{
    struct rlimit limit = { bytes, bytes };

    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    close_arena();
}

static void live_under_1200_mebibytes(void)
{
    limit_address_space(1200 * MIB);
    create();
    REQUIRE(kith__layout.heap_size >= 64 * MIB);
    REQUIRE(eat(MIB) >= 60 * MIB);
    REQUIRE(kith__heap_audit() == 0);
    REQUIRE(kith__arena_back_tables(KITH__TABLES_LEAST - 4096, 4096) == 0);
    REQUIRE(kith__arena_back_tables(KITH__TABLES_SIZE - 4096, 4096) == KITH_ENOMEM);
    REQUIRE(malloc(100 * MIB) != NULL);
}

/* Small blocks need more descriptors than there is address space for. */
static void use_up_descriptors(void)
{
    limit_address_space(1200 * MIB);
    create();
    while (kith__heap_alloc(1, CHILD))
        ;
    REQUIRE(strstr(kith_last_error(), "ulimit -v") != NULL);
    REQUIRE(kith__heap_audit() == 0);
    REQUIRE(kith__heap_sweep(CHILD) == 0);
    REQUIRE(stats().used_bytes == 0);
}

static void find_no_room(void)
{
    limit_address_space(200 * MIB);
    REQUIRE(kith__arena_create(arena) == KITH_ENOMEM);
    REQUIRE(strstr(kith_last_error(), "ulimit -v") != NULL);
}

static void heap_adapts_to_ulimit_v(void)
{
    if (SANITIZED)
        SKIP("the sanitizer needs all address space");
    CU_ASSERT_EQUAL(check_fork(live_under_1200_mebibytes), 0);
    CU_ASSERT_EQUAL(check_fork(use_up_descriptors), 0);
    CU_ASSERT_EQUAL(check_fork(find_no_room), 0);
}

static void live_under_soft_file_limit(void)
{
    struct rlimit limit = { 4096, RLIM_INFINITY }, after;

    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    close_arena();
    create();
    REQUIRE(kith__heap_alloc(8 * MIB, 0) != 0);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &after) == 0 && after.rlim_cur == 4096);
}

static void live_under_hard_file_limit(void)
{
    struct rlimit limit = { GIB, GIB };

    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    close_arena();
    create();
    REQUIRE(eat(MIB) >= 60 * MIB);
}

/* Limits that the program sets itself. */
static void grow_under_soft_file_limit(void)
{
    struct rlimit limit = { 4096, RLIM_INFINITY }, after;

    close_arena();
    create();
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    REQUIRE(eat(100 * KIB) >= 48 * MIB);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &after) == 0 && after.rlim_cur == 4096);
}

static void grow_under_hard_file_limit(void)
{
    struct rlimit limit = { 32 * MIB, 32 * MIB };

    close_arena();
    create();
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    REQUIRE(eat(MIB) >= 30 * MIB);
    REQUIRE(strstr(kith_last_error(), "ulimit -f") != NULL);
    REQUIRE(kith__heap_audit() == 0);
}

static void find_file_limit_too_small(void)
{
    struct rlimit limit = { 4096, 4096 };

    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    close_arena();
    REQUIRE(kith__arena_create(arena) == KITH_ENOMEM);
    REQUIRE(strstr(kith_last_error(), "ulimit -f") != NULL);
}

static void heap_adapts_to_ulimit_f(void)
{
    CU_ASSERT_EQUAL(check_fork(live_under_soft_file_limit), 0);
    CU_ASSERT_EQUAL(check_fork(live_under_hard_file_limit), 0);
    setenv("KITH_MEM", "64M", 1);
    CU_ASSERT_EQUAL(check_fork(grow_under_soft_file_limit), 0);
    unsetenv("KITH_MEM");
    CU_ASSERT_EQUAL(check_fork(grow_under_hard_file_limit), 0);
    CU_ASSERT_EQUAL(check_fork(find_file_limit_too_small), 0);
}

static void ignore_it(int signal)
{
    (void)signal;
}

/* Profilers send thousands of signals a second; on older kernels each undoes what fallocate did so far. */
static void live_with_a_fast_timer(void)
{
    struct itimerval often = { { 0, 100 }, { 0, 100 } };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGALRM, ignore_it);
    REQUIRE(setitimer(ITIMER_REAL, &often, NULL) == 0);
    REQUIRE(kith__heap_alloc(64 * MIB, 0) != 0);
}

static void fast_timer_does_not_stop_large_blocks(void)
{
    open_arena();
    CU_ASSERT_EQUAL(check_fork(live_with_a_fast_timer), 0);
    CU_ASSERT(pages() >= 64 * MIB);
}

/* Daemons close all descriptors, and open others: those must not be taken for the arena. */
static void lose_the_descriptor(void)
{
    char path[] = "/tmp/kith-test-XXXXXX";
    int fd = mkstemp(path);
    uint64_t block, size;
    struct stat st;

    REQUIRE(fd >= 0 && unlink(path) == 0 &&
            ftruncate(fd, (off_t)(kith__layout.heap_start + kith__layout.heap_size)) == 0);
    for (int i = 0; i < KITH__ARENA_FILES; i++)
        REQUIRE(dup2(fd, arena[i]) == arena[i]);
    size = stats().warm_bound + 30 * MIB;
    block = kith__heap_alloc(size, 0);
    REQUIRE(block != 0);
    fill(block, size, 3);
    REQUIRE(is_filled(block, size, 3));
    kith__heap_free(block);
    REQUIRE(stats().warm_free_bytes <= stats().warm_bound);
    REQUIRE(kith__arena_back_tables(KITH__TABLES_START, 64 * KIB) == 0);
    REQUIRE(kith__heap_audit() == 0);
    REQUIRE(fstat(fd, &st) == 0 && st.st_blocks == 0);
}

static void closed_descriptor_harms_no_other_file(void)
{
    uint64_t before;

    open_arena();
    before = pages();
    CU_ASSERT_EQUAL(check_fork(lose_the_descriptor), 0);
    CU_ASSERT(pages() >= before &&
              pages() <= stats().warm_bound + 3 * MIB); /* it was given back by the mapping */
}

/* Of what there is they can still have all. */
static void lose_it_with_the_keeper(void)
{
    for (int i = 0; i < KITH__ARENA_FILES; i++)
        close(arena[i]);
    kith__arena_keep(); /* this process, which has none, instead of its parent */
    REQUIRE(eat(4096) < 2 * MIB);
    REQUIRE(strstr(kith_last_error(), "has closed the descriptors") != NULL);
    REQUIRE(eat(64) < MIB && kith__heap_audit() == 0);
}

static void lost_descriptors_of_all_are_a_sentence(void)
{
    open_arena();
    CU_ASSERT_EQUAL(check_fork(lose_it_with_the_keeper), 0);
}

enum { GROWERS = 4 };

/* Blocks of its own size, so that the files of all four grow, and small ones, so that the table does. */
static void grow_often(void)
{
    static uint64_t blocks[300];

    for (uint64_t i = 0; i < 300; i++) {
        REQUIRE((blocks[i] = kith__heap_alloc(64 * KIB + (uint64_t)getpid() % 16 * KIB, 0)) != 0);
        fill(blocks[i], 64 * KIB, (uint64_t)getpid() + i);
        for (int k = 0; k < 100; k++)
            REQUIRE(kith__heap_alloc(64, CHILD) != 0);
        REQUIRE(kith__arena_back_tables(KITH__TABLES_FIXED + i * 64 * KIB, 64 * KIB) == 0);
    }
    for (uint64_t i = 0; i < 300; i++)
        REQUIRE(is_filled(blocks[i], 64 * KIB, (uint64_t)getpid() + i));
}

static void many_processes_grow_at_once(void)
{
    pid_t pids[GROWERS];

    open_arena();
    for (int i = 0; i < GROWERS; i++)
        if ((pids[i] = fork()) == 0) {
            grow_often();
            _exit(0);
        }
    for (int i = 0; i < GROWERS; i++)
        CU_ASSERT_EQUAL(check_wait(pids[i]), 0);
    PASS(kith__heap_audit());
    CU_ASSERT(stats().used_bytes >= GROWERS * 300 * 64 * KIB && all_sizes() < 200 * MIB);
}

/* What lies before the end of a file, mlockall fills. */
static void files_are_as_large_as_what_is_used(void)
{
    uint64_t block, before;

    open_arena();
    CU_ASSERT(all_sizes() < 12 * MIB);
    before = all_sizes();
    alloc(20 * MIB);
    CU_ASSERT(all_sizes() >= 20 * MIB && all_sizes() < before + 24 * MIB);
    before = pages();
    CU_ASSERT_FATAL((block = kith__heap_alloc_hollow(20 * MIB, 0)) != 0);
    CU_ASSERT(all_sizes() >= 40 * MIB && pages() < before + MIB);
    ((volatile char *)kith__at(block))[20 * MIB - 1] = 1;
    kith__heap_free(block);
    PASS(kith__heap_audit());
}

static void attach_and_look(void)
{
    char *old = kith__base;
    uint64_t block = stats().used_bytes;
    int file[KITH__ARENA_FILES];

    for (int i = 0; i < KITH__ARENA_FILES; i++)
        file[i] = dup(arena[i]);
    REQUIRE(block == 4096);
    kith__arena_detach();
    /* Another address: the old one is taken. */
    REQUIRE(mmap(old, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (void *)old);
    REQUIRE(kith__arena_attach(file) == 0);
    REQUIRE(kith__base != old);
    block = kith__heap_alloc(100, CHILD);
    REQUIRE(block != 0);
    strcpy(kith__at(block), "hello");
    for (int i = 0; i < KITH__ARENA_FILES; i++)
        file[i] = dup(STDIN_FILENO);
    REQUIRE(kith__arena_attach(file) == KITH_EINVAL);
}

static void other_mapping_shares_all(void)
{
    uint64_t block;

    open_arena();
    block = alloc(4096);
    fill(block, 4096, 1);
    CU_ASSERT_EQUAL(check_fork(attach_and_look), 0);
    CU_ASSERT(is_filled(block, 4096, 1));
    CU_ASSERT_EQUAL(stats().used_blocks, 2);
    CU_ASSERT_EQUAL(kith__heap_sweep(CHILD), 0);
    CU_ASSERT_EQUAL(stats().used_blocks, 1);
}

static void tables_are_backed_on_demand(void)
{
    uint64_t before;

    open_arena();
    before = pages();
    PASS(kith__arena_back_tables(KITH__TABLES_SIZE / 2, 100));
    CU_ASSERT(pages() > before && pages() <= before + 64 * KIB);
    before = pages();
    PASS(kith__arena_back_tables(KITH__TABLES_SIZE / 2, 100));
    memset(kith__at(KITH__TABLES_SIZE / 2), 1, 100);
    CU_ASSERT_EQUAL(pages(), before);
    PASS(kith__arena_back_tables(KITH__TABLES_SIZE - 4096, 4096));
    FAILS_WITH(KITH_ENOMEM, kith__arena_back_tables(KITH__TABLES_SIZE - 4096, 4097));
}

static int begins_a_mapping(const char *line)
{
    unsigned long from, to;
    char access[5];

    return sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3;
}

/* A core file with all of it took 41 s. */
static void core_files_leave_it_out(void)
{
    char line[512];
    int in_arena = 0, maps = 0, left_out = 0;
    FILE *f;

    open_arena();
    f = fopen("/proc/self/smaps", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof line, f)) {
        if (begins_a_mapping(line)) {
            in_arena = strstr(line, "memfd:kith") != NULL;
            maps += in_arena;
        } else if (strncmp(line, "VmFlags:", 8) == 0) {
            left_out += in_arena && strstr(line, " dd") != NULL;
        }
    }
    fclose(f);
    CU_ASSERT(maps >= 3);
    CU_ASSERT_EQUAL(left_out, maps);
}

static int collapse(void *at, size_t size)
{
    return madvise(at, size, 25); /* MADV_COLLAPSE, which headers before Linux 6.1 do not name */
}

/* 1 when the system gives huge pages to shared memory that asks for them. */
static int huge_pages_exist(void)
{
    const size_t huge = 2 * MIB;
    int fd = memfd_create("probe", MFD_CLOEXEC), yes = 0;
    char *room = mmap(NULL, 2 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;

    REQUIRE(fd >= 0 && room != MAP_FAILED && ftruncate(fd, (off_t)huge) == 0);
    at = room + (huge - (uintptr_t)room % huge) % huge;
    REQUIRE(mmap(at, huge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at);
    at[0] = 1;
    yes = collapse(at, huge) == 0;
    munmap(room, 2 * huge);
    close(fd);
    return yes;
}

/* KiB of huge pages of the arena in this process. */
static long huge_mapped(void)
{
    long sum = 0, kib;
    char line[512];
    int in_arena = 0;
    FILE *f = fopen("/proc/self/smaps", "r");

    REQUIRE(f != NULL);
    while (fgets(line, sizeof line, f)) {
        if (begins_a_mapping(line))
            in_arena = strstr(line, "memfd:kith") != NULL;
        else if (in_arena && sscanf(line, "ShmemPmdMapped: %ld", &kib) == 1)
            sum += kib;
    }
    fclose(f);
    return sum;
}

static uint64_t shared_block;

/* Another process: few faults for all of it. */
static void read_with_few_faults(void)
{
    struct rusage before, after;

    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < 64 * MIB; i += 4096)
        REQUIRE(((const volatile char *)kith__at(shared_block))[i] == (char)(i >> 12));
    getrusage(RUSAGE_SELF, &after);
    REQUIRE(SANITIZED ||
            after.ru_minflt - before.ru_minflt < 64 * 16); /* so many were small pages, mapped by sixteens */
}

enum { NOT_NOW = 3 };

/* The whole program, which has not asked for any yet. */
static int use_huge_pages(void)
{
    const char *block;

    create();
    REQUIRE((shared_block = kith__heap_alloc(64 * MIB, 0)) != 0 && pages() <= 66 * MIB);
    block = kith__at(shared_block);
    for (size_t i = 0; i < 64 * MIB; i += 4096)
        ((volatile char *)kith__at(shared_block))[i] = (char)(i >> 12);
    if (huge_mapped() < 60 * 1024)
        return NOT_NOW;
    REQUIRE(check_fork(read_with_few_faults) == 0);
    /* A piece out of the middle goes back, and what is around it stays. */
    kith__arena_unback(shared_block + 3 * MIB, 5 * MIB);
    REQUIRE(pages() <= 61 * MIB);
    REQUIRE(kith__arena_back(shared_block + 3 * MIB, 5 * MIB) == 0);
    REQUIRE(block[3 * MIB] == 0);
    memset(kith__at(shared_block + 3 * MIB), 7, 5 * MIB);
    REQUIRE(block[3 * MIB - 4096] == (char)((3 * MIB - 4096) >> 12) &&
            block[8 * MIB] == (char)((8 * MIB) >> 12));
    REQUIRE(pages() <= 66 * MIB);
    kith__heap_free(shared_block);
    return 0;
}

static void use_huge_pages_anew(void)
{
    execl("/proc/self/exe", "test_arena", "--huge", (char *)NULL);
    _exit(1);
}

/* They do not come while the system is short of them or slow, and a process for which they were slow asks for
 * them no more. So more than one process tries. */
static void large_blocks_have_huge_pages(void)
{
    int rc = NOT_NOW;

    if (!huge_pages_exist())
        return;
    for (int tries = 0; rc == NOT_NOW && tries < 100; tries++) {
        if (tries)
            usleep(100000);
        rc = check_fork(use_huge_pages_anew);
    }
    CU_ASSERT_EQUAL(rc, 0);
}

static void arena_is_small_under_valgrind(void)
{
    char *before = getenv("LD_PRELOAD") ? strdup(getenv("LD_PRELOAD")) : NULL;

    setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core-amd64-linux.so", 1);
    open_arena();
    if (before)
        setenv("LD_PRELOAD", before, 1);
    else
        unsetenv("LD_PRELOAD");
    free(before);
    CU_ASSERT(kith__layout.heap_start + kith__layout.heap_size < 700 * MIB);
    alloc(200 * MIB);
    CU_ASSERT_EQUAL(kith__heap_alloc(300 * MIB, 0), 0);
}

static void touch_before(void)
{
    ((volatile char *)kith__base)[kith__layout.heap_start - 1] = 1;
}

static void touch_behind(void)
{
    ((volatile char *)kith__base)[kith__layout.heap_start + kith__layout.heap_size] = 1;
}

static void touch_behind_tables(void)
{
    ((volatile char *)kith__base)[kith__layout.tables_end] = 1;
}

static void walls_stand_around_the_heap(void)
{
    signal(SIGSEGV, SIG_DFL);
    open_arena();
    CU_ASSERT_NOT_EQUAL(check_fork(touch_before), 0);
    CU_ASSERT_NOT_EQUAL(check_fork(touch_behind), 0);
    CU_ASSERT_NOT_EQUAL(check_fork(touch_behind_tables), 0);
}

static void nobody_can_cut_it(void)
{
    open_arena();
    alloc(4096);
    for (int i = 0; i < KITH__ARENA_FILES; i++)
        CU_ASSERT(ftruncate(arena[i], 4096) < 0);
}

static struct test tests[] = { TEST(limit_by_variable_is_kept),
                               TEST(what_is_there_is_not_taken),
                               TEST(each_region_can_take_all_of_the_limit),
                               TEST(growing_blocks_find_a_gap),
                               TEST(warm_pieces_make_room_for_a_large_block),
                               TEST(hopeless_wish_is_refused_at_once),
                               TEST(bad_limit_is_refused),
                               TEST(memory_cgroup_refuses_and_never_kills),
                               TEST(heap_adapts_to_ulimit_v),
                               TEST(heap_adapts_to_ulimit_f),
                               TEST(fast_timer_does_not_stop_large_blocks),
                               TEST(closed_descriptor_harms_no_other_file),
                               TEST(lost_descriptors_of_all_are_a_sentence),
                               TEST(many_processes_grow_at_once),
                               TEST(files_are_as_large_as_what_is_used),
                               TEST(other_mapping_shares_all),
                               TEST(tables_are_backed_on_demand),
                               TEST(core_files_leave_it_out),
                               TEST(large_blocks_have_huge_pages),
                               TEST(arena_is_small_under_valgrind),
                               TEST(walls_stand_around_the_heap),
                               TEST(nobody_can_cut_it),
                               TEST_END };

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--huge") == 0)
        return use_huge_pages();
    return run_tests("arena", tests);
}
