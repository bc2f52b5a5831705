/* test_heap.c: blocks, pages and budget of the shared memory, also when processes die in the middle. */
/* kith-test: limit=240 */
#include "config.h"
#include "check.h"
#include "arena.h"
#include "budget.h"
#include "heap.h"
#include "system.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#if defined __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { CHILD = 7 };                     /* owner of what a child of a test allocates */

static int arena = -1;

static void close_arena(void)
{
    if (arena < 0)
        return;
    kith__arena_detach();
    close(arena);
    arena = -1;
}

static void open_arena(void)
{
    close_arena();
    PASS(kith__arena_create(&arena));
    PASS(kith__heap_init());
}

static struct kith__heap_stats stats(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s;
}

/* What the kernel says that the arena takes. */
static uint64_t pages(void)
{
    struct stat st;

    return fstat(arena, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static uint64_t alloc(uint64_t size)
{
    uint64_t block = kith__heap_alloc(size, 0);

    if (!block)
        printf("\n    alloc of %llu: %s\n", (unsigned long long)size, kith_last_error());
    CU_ASSERT_FATAL(block != 0);
    return block;
}

/* Every byte of a block depends on it, so an overlap shows. */
static void fill(uint64_t block, uint64_t size, uint64_t key)
{
    unsigned char *p = kith__at(block);

    for (uint64_t i = 0; i < size; i++)
        p[i] = (unsigned char)(key * 167 + i * 13 + i / 251);
}

static int is_filled(uint64_t block, uint64_t size, uint64_t key)
{
    const unsigned char *p = kith__at(block);

    for (uint64_t i = 0; i < size; i++)
        if (p[i] != (unsigned char)(key * 167 + i * 13 + i / 251))
            return 0;
    return 1;
}

/* ---- one process */

static void block_is_aligned_and_large_enough(void)
{
    static const uint64_t sizes[] = { 0, 1, 63, 64, 65, 4095, 4096, 65535, 65536, 65537, MIB, 3 * MIB + 1 };

    open_arena();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t block = alloc(sizes[i]);

        CU_ASSERT_EQUAL(block % (sizes[i] < 64 * KIB ? 64 : 4096), 0);
        CU_ASSERT(kith__heap_size_of(block) >= sizes[i] && kith__heap_size_of(block) > 0);
        CU_ASSERT(kith__arena_holds(kith__at(block), kith__heap_size_of(block)));
        memset(kith__at(block), 0xa5, kith__heap_size_of(block));
    }
    PASS(kith__heap_audit());
}

static void freed_blocks_leave_nothing(void)
{
    uint64_t blocks[64];

    open_arena();
    for (int i = 0; i < 64; i++)
        blocks[i] = alloc(1 + (uint64_t)i * i * 50);
    for (int i = 0; i < 64; i++)
        kith__heap_free(blocks[i * 37 % 64]);
    CU_ASSERT_EQUAL(stats().used_bytes, 0);
    CU_ASSERT_EQUAL(stats().used_blocks, 0);
    PASS(kith__heap_audit());
}

static void live_blocks_never_overlap(void)
{
    enum { LIVE = 400, ROUNDS = 20000 };
    static uint64_t block[LIVE], size[LIVE];
    unsigned seed = (unsigned)kith__now_ns();

    printf("seed %u ", seed);
    open_arena();
    memset(block, 0, sizeof block);
    for (int round = 0; round < ROUNDS; round++) {
        int i = rand_r(&seed) % LIVE;

        if (block[i]) {
            CU_ASSERT_FATAL(is_filled(block[i], size[i], (uint64_t)i));
            kith__heap_free(block[i]);
            block[i] = 0;
            continue;
        }
        size[i] = (uint64_t)rand_r(&seed) % (rand_r(&seed) % 50 ? 2000 : 300000);
        block[i] = alloc(size[i]);
        fill(block[i], size[i], (uint64_t)i);
        if (round % 500 == 0)
            PASS(kith__heap_audit());
    }
    for (int i = 0; i < LIVE; i++)
        kith__heap_free(block[i]);
    CU_ASSERT_EQUAL(stats().used_bytes, 0);
    PASS(kith__heap_audit());
}

/* A page that is not there would be added at the first write: then the kernel's count rises. */
static void every_byte_of_a_block_is_backed(void)
{
    unsigned seed = 1;

    open_arena();
    for (int i = 0; i < 300; i++) {
        uint64_t size = (uint64_t)rand_r(&seed) % (i % 10 ? 5000 : 900000), block = alloc(size), before = pages();

        memset(kith__at(block), 1, kith__heap_size_of(block));
        CU_ASSERT_EQUAL(pages(), before);
        if (rand_r(&seed) % 2)
            kith__heap_free(block);
    }
}

static void hundreds_of_mebibytes_are_one_block(void)
{
    uint64_t a, b;

    open_arena();
    a = alloc(100 * MIB);
    b = alloc(333 * MIB + 1);
    memset(kith__at(a), 1, 100 * MIB);
    ((char *)kith__at(b))[333 * MIB] = 7;
    CU_ASSERT(a + 100 * MIB <= b || b + 333 * MIB < a);
    kith__heap_free(a);
    CU_ASSERT_EQUAL(((char *)kith__at(b))[333 * MIB], 7);
    kith__heap_free(b);
    PASS(kith__heap_audit());
}

static void what_is_no_block_is_refused(void)
{
    uint64_t block;

    open_arena();
    block = alloc(1000);
    PASS(kith__heap_check(block));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(0));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(1));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(block + 1));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(block + 64));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(kith__places.heap_start + kith__places.heap_size));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(kith__places.heap_start + kith__places.heap_size - 64));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(kith__places.heap_start - 64));
    FAILS_WITH(KITH_EINVAL, kith__heap_check(UINT64_MAX - 63));
    for (uint64_t at = kith__places.heap_start; at < kith__places.heap_start + 8 * MIB; at += 64)
        if (at != block && kith__heap_check(at) == 0)
            FAILS_WITH(KITH_EINVAL, kith__heap_check(at));
    CU_ASSERT(!kith__arena_holds("", 1));
    CU_ASSERT(!kith__arena_holds(kith__at(kith__places.heap_start), kith__places.heap_size + 1));
    CU_ASSERT(!kith__arena_holds(kith__at(kith__places.heap_start - 1), 1));
}

/* The kernel must not give a page for a look at what was never a block. */
static void looking_at_foreign_offsets_takes_no_pages(void)
{
    uint64_t before;

    open_arena();
    alloc(1);
    before = pages();
    for (uint64_t at = kith__places.heap_start; at < kith__places.heap_start + kith__places.heap_size; at += kith__places.heap_size / 1024 / 64 * 64)
        FAILS_WITH(at == kith__places.heap_start ? 0 : KITH_EINVAL, kith__heap_check(at));
    CU_ASSERT_EQUAL(pages(), before);
}

static void double_free_changes_nothing(void)
{
    uint64_t a, b, c;

    open_arena();
    a = alloc(100);
    b = alloc(100);
    c = alloc(100);
    kith__heap_free(b);
    FAILS_WITH(KITH_EINVAL, kith__heap_check(b));
    kith__heap_free(b);
    kith__heap_free(a);                 /* now b lies inside of a larger free block */
    FAILS_WITH(KITH_EINVAL, kith__heap_check(b));
    kith__heap_free(b);
    kith__heap_free(a);
    kith__heap_free(0);
    CU_ASSERT_EQUAL(stats().used_blocks, 1);
    PASS(kith__heap_check(c));
    PASS(kith__heap_audit());
}

static void owner_is_a_word_that_its_holder_sets(void)
{
    uint64_t mine, published;

    open_arena();
    mine = kith__heap_alloc(100, 5);
    published = kith__heap_alloc(100, 5);
    CU_ASSERT_FATAL(mine && published);
    CU_ASSERT_EQUAL(atomic_load(kith__heap_owner(mine)), 5);
    atomic_store(kith__heap_owner(published), 0);
    CU_ASSERT_EQUAL(kith__heap_sweep(6), 0);
    CU_ASSERT_EQUAL(stats().used_blocks, 2);
    CU_ASSERT_EQUAL(kith__heap_sweep(5), 0);
    FAILS_WITH(KITH_EINVAL, kith__heap_check(mine));
    PASS(kith__heap_check(published));
    CU_ASSERT_EQUAL(kith__heap_sweep(0), 0);
    PASS(kith__heap_check(published));
    kith__heap_free(published);
    CU_ASSERT_EQUAL(stats().used_bytes, 0);
}

/* ---- pages: kept warm, given back, within the budget */

static void warm_pages_are_used_again(void)
{
    uint64_t before = 0;

    open_arena();
    kith__heap_free(alloc(MIB));
    for (int i = 0; i < 1000; i++) {
        uint64_t a = alloc(1000 + (uint64_t)i), b = alloc(MIB - 70 * KIB);

        if (i == 0)
            before = pages();           /* with the metadata for blocks that begin there */
        kith__heap_free(a);
        kith__heap_free(b);
    }
    CU_ASSERT_EQUAL(pages(), before);
}

static void same_sizes_meet_the_same_blocks(void)
{
    static const uint64_t sizes[] = { 100000, 64, 5000, 777777, 65536, 1200 };
    uint64_t block[6], before;

    open_arena();
    for (int i = 0; i < 6; i++)
        block[i] = alloc(sizes[i]);
    before = pages();
    for (int round = 0; round < 200; round++) {
        int i = round * 5 % 6;

        kith__heap_free(block[i]);
        block[i] = alloc(sizes[i]);
    }
    CU_ASSERT_EQUAL(pages(), before);
}

static void warm_bytes_beyond_the_bound_go_back(void)
{
    uint64_t block[40];

    open_arena();
    for (int i = 0; i < 40; i++)
        block[i] = alloc(5 * MIB);
    CU_ASSERT(pages() >= 200 * MIB);
    for (int i = 0; i < 40; i++)
        kith__heap_free(block[i * 7 % 40]);
    CU_ASSERT(stats().warm_free_bytes <= 73 * MIB);
    CU_ASSERT(pages() <= 75 * MIB);
    CU_ASSERT(stats().warm_free_bytes >= 50 * MIB);
    PASS(kith__heap_audit());
    kith__heap_free(alloc(300 * MIB));
    CU_ASSERT(pages() <= 75 * MIB);
    PASS(kith__heap_audit());
}

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
    CU_ASSERT(count >= 30 && count <= 32);      /* metadata takes a little */
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
    CU_ASSERT_EQUAL(kith__heap_alloc(kith__places.heap_size, 0), 0);
    CU_ASSERT_EQUAL(stats().used_blocks, 0);
    CU_ASSERT(stats().warm_free_bytes >= 10 * MIB);     /* a hopeless wish costs nobody his warm pages */
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
        FAILS_WITH(KITH_EINVAL, kith__arena_create(&arena));
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
    REQUIRE(kith__arena_create(&arena) == 0);
    REQUIRE(kith__heap_init() == 0);
}

static char group[PATH_MAX];            /* a memory cgroup of 96 MiB, made by the test */

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

static void live_in_the_group(void)
{
    uint64_t eaten;

    REQUIRE(write_to(group, "cgroup.procs", "0"));
    close_arena();
    create();
    eaten = eat(MIB);
    REQUIRE(eaten >= 80 * MIB && eaten < 96 * MIB);
    REQUIRE(strstr(kith_last_error(), group) != NULL);
    REQUIRE(strstr(kith_last_error(), "96.0 MiB") != NULL);
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

static void memory_cgroup_refuses_and_never_kills(void)
{
    if (!make_group())
        SKIP("no memory cgroup can be made here");
    CU_ASSERT_EQUAL(check_fork(live_in_the_group), 0);
    CU_ASSERT_EQUAL(check_fork(several_live_in_the_group), 0);
    CU_ASSERT_EQUAL(rmdir(group), 0);
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
    REQUIRE(kith__places.heap_size >= 64 * MIB);
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
    REQUIRE(kith__arena_create(&arena) == KITH_ENOMEM);
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

static void find_file_limit_too_small(void)
{
    struct rlimit limit = { 4096, 4096 };

    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    close_arena();
    REQUIRE(kith__arena_create(&arena) == KITH_ENOMEM);
    REQUIRE(strstr(kith_last_error(), "ulimit -f") != NULL);
}

static void heap_adapts_to_ulimit_f(void)
{
    CU_ASSERT_EQUAL(check_fork(live_under_soft_file_limit), 0);
    CU_ASSERT_EQUAL(check_fork(live_under_hard_file_limit), 0);
    CU_ASSERT_EQUAL(check_fork(find_file_limit_too_small), 0);
}

static void ignore_it(int signal)
{
    (void)signal;
}

/* A signal undoes what fallocate did so far: profilers send 1000 a second and more. */
static void fast_timer_does_not_stop_large_blocks(void)
{
    struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
    uint64_t block;

    open_arena();
    signal(SIGVTALRM, ignore_it);
    signal(SIGPROF, ignore_it);
    setitimer(ITIMER_PROF, &often, NULL);
    block = alloc(128 * MIB);
    setitimer(ITIMER_PROF, &never, NULL);
    CU_ASSERT(pages() >= 128 * MIB);
    kith__heap_free(block);
}

/* Daemons close all descriptors, and open others: those must not be taken for the arena. */
static void lose_the_descriptor(void)
{
    char path[] = "/tmp/kith-test-XXXXXX";
    int fd = mkstemp(path);
    uint64_t block;
    struct stat st;

    REQUIRE(fd >= 0 && unlink(path) == 0 && ftruncate(fd, (off_t)(kith__places.heap_start + kith__places.heap_size)) == 0);
    REQUIRE(dup2(fd, arena) == arena);
    block = kith__heap_alloc(100 * MIB, 0);
    REQUIRE(block != 0);
    fill(block, 100 * MIB, 3);
    REQUIRE(is_filled(block, 100 * MIB, 3));
    kith__heap_free(block);
    REQUIRE(stats().warm_free_bytes <= 73 * MIB);
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
    CU_ASSERT(pages() >= before && pages() <= 75 * MIB);        /* it was given back by the mapping */
}

static void attach_and_look(void)
{
    char *old = kith__base;
    uint64_t block = stats().used_bytes;

    REQUIRE(block == 4096);
    kith__arena_detach();
    /* Another address: the old one is taken. */
    REQUIRE(mmap(old, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (void *)old);
    REQUIRE(kith__arena_attach(arena) == 0);
    REQUIRE(kith__base != old);
    block = kith__heap_alloc(100, CHILD);
    REQUIRE(block != 0);
    strcpy(kith__at(block), "hello");
    REQUIRE(kith__arena_attach(STDIN_FILENO) == KITH_EINVAL);
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

static void touch_before(void)
{
    ((volatile char *)kith__base)[kith__places.heap_start - 1] = 1;
}

static void touch_behind(void)
{
    ((volatile char *)kith__base)[kith__places.heap_start + kith__places.heap_size] = 1;
}

static void walls_stand_around_the_heap(void)
{
    signal(SIGSEGV, SIG_DFL);
    open_arena();
    CU_ASSERT_NOT_EQUAL(check_fork(touch_before), 0);
    CU_ASSERT_NOT_EQUAL(check_fork(touch_behind), 0);
}

static void size_is_sealed(void)
{
    open_arena();
    CU_ASSERT(ftruncate(arena, 4096) < 0);
    CU_ASSERT(ftruncate(arena, (off_t)1 << 45) < 0);
}

/* ---- death */

static struct { _Atomic int steps, seen; } *watch;      /* of the child: steps that it made; it came by wanted */
static const char *wanted, *die_on;
static int die_at;                      /* number of a step; 0: only count */

static void count_or_die(const char *step)
{
    if (wanted && strcmp(step, wanted) == 0)
        atomic_store(&watch->seen, 1);
    if (atomic_fetch_add(&watch->steps, 1) + 1 == die_at || (die_on && strcmp(step, die_on) == 0))
        raise(SIGKILL);
}

/* A moment of the heap's life: what was before, and what the one does who dies over it. */
struct scene {
    const char *name, *step;            /* step: one that it must come by */
    void (*before)(void);
    void (*act)(void);
    const char *limit;                  /* KITH_MEM */
    int stride;                         /* of many steps each stride-th; 1: all */
};

static uint64_t kept[8];                /* blocks of the parent */

static void keep(int i, uint64_t size)
{
    kept[i] = alloc(size);
    if (size <= MIB)
        fill(kept[i], size, (uint64_t)i);
}

static int kept_well(int i, uint64_t size)
{
    return kith__heap_check(kept[i]) == 0 && is_filled(kept[i], size, (uint64_t)i);
}

static void nothing_before(void)
{
}

static void some_before(void)           /* kept[0] and kept[4] stay; between them is what the child frees */
{
    for (int i = 0; i < 5; i++)
        keep(i, 1000);
    for (int i = 1; i < 4; i++)
        atomic_store(kith__heap_owner(kept[i]), CHILD);
}

static void hole_before(void)           /* free: kept[1] and kept[3] */
{
    some_before();
    kith__heap_free(kept[1]);
    kith__heap_free(kept[3]);
}

static void large_hole_before(void)     /* free: 300 KiB that begin in the middle of a page */
{
    keep(0, 1000);
    keep(1, 300 * KIB);
    keep(4, 1000);
    kith__heap_free(kept[1]);
}

static void much_before(void)
{
    keep(0, 1000);
    keep(1, 75 * MIB);
    atomic_store(kith__heap_owner(kept[1]), CHILD);
    keep(4, 1000);
}

static void full_before(void)           /* of 24 MiB 16 are warm, in pieces */
{
    uint64_t odd[8], even[8];

    for (int i = 0; i < 8; i++) {
        odd[i] = alloc(2 * MIB);
        even[i] = alloc(4096);
    }
    for (int i = 0; i < 8; i++)
        kith__heap_free(odd[i]);
    for (int i = 0; i < 8; i++)
        kith__heap_free(even[i]);
    keep(0, 1000);
    keep(4, 1000);
}

static void alloc_small(void)
{
    uint64_t block = kith__heap_alloc(100, CHILD);

    REQUIRE(block);
    memset(kith__at(block), 0x55, 100);
}

static void alloc_page_aligned(void)
{
    uint64_t block = kith__heap_alloc(100 * KIB, CHILD);

    REQUIRE(block);
    memset(kith__at(block), 0x55, 100 * KIB);
}

static void alloc_large(void)
{
    uint64_t block = kith__heap_alloc(3 * MIB + 5, CHILD);

    REQUIRE(block);
    memset(kith__at(block), 0x55, 3 * MIB + 5);
}

static void alloc_more_than_fits_warm(void)
{
    uint64_t block = kith__heap_alloc(20 * MIB, CHILD);

    REQUIRE(block);
}

static void alloc_too_much(void)
{
    REQUIRE(kith__heap_alloc(40 * MIB, CHILD) == 0);
}

static void free_one(void)
{
    kith__heap_free(kept[2]);
}

static void free_much(void)
{
    kith__heap_free(kept[1]);
}

static void alloc_many(void)
{
    for (int i = 0; i < 300; i++)
        REQUIRE(kith__heap_alloc(64, CHILD));
}

static void sweep_many(void)
{
    while (kith__heap_sweep(CHILD))
        ;
}

static void many_before(void)
{
    keep(0, 1000);
    keep(4, 1000);
    for (int i = 0; i < 20; i++)
        kith__heap_alloc(64 + (size_t)i * 64, CHILD);
}

/* Somebody died while pages were taken for him: the next one finds the lease. */
static void death_before(void)
{
    pid_t pid;

    some_before();
    pid = fork();
    if (pid == 0) {
        die_on = "heap: pages taken";
        kith__step_hook = count_or_die;
        alloc_large();
        _exit(0);
    }
    CU_ASSERT_EQUAL(check_wait(pid), -SIGKILL);
}

static const struct scene scenes[] = {
    { "first block", "heap: pages taken", nothing_before, alloc_small, NULL, 1 },
    { "small warm block", "guard: mark cleared", some_before, alloc_small, NULL, 1 },
    { "block with gaps on both sides", "guard: mark cleared", large_hole_before, alloc_page_aligned, NULL, 1 },
    { "large cold block", "heap: pages taken", some_before, alloc_large, NULL, 1 },
    { "free between used ones", "guard: mark cleared", some_before, free_one, NULL, 1 },
    { "free between free ones", "guard: mark cleared", hole_before, free_one, NULL, 1 },
    { "free of more than is kept warm", "heap: pages given back", much_before, free_much, NULL, 1 },
    { "block for which warm pieces must go", "heap: pages given back", full_before, alloc_more_than_fits_warm, "24M", 1 },
    { "block that the budget refuses", "heap: pages given back", some_before, alloc_too_much, "24M", 1 },
    { "many blocks, new descriptors", "heap: descriptors backed", some_before, alloc_many, NULL, 97 },
    { "sweep of many blocks", "guard: mark cleared", many_before, sweep_many, NULL, 3 },
    { "block after a death over another", "heap: pages taken", death_before, alloc_large, NULL, 1 },
    { "sweep after a death over a block", "heap: pages given back", death_before, sweep_many, NULL, 1 },
};

static uint64_t metadata;               /* pages of the arena that are no blocks, when the scene began */

static void set_scene(const struct scene *scene)
{
    if (scene->limit)
        setenv("KITH_MEM", scene->limit, 1);
    memset(kept, 0, sizeof kept);
    open_arena();
    unsetenv("KITH_MEM");
    scene->before();
    metadata = pages() - stats().backed_bytes;
}

/* Runs fn in a child that dies at that step; 0: at none. Gives how many steps it made. */
static int run_until(void (*fn)(void), int step)
{
    pid_t pid;

    atomic_store(&watch->steps, 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        die_at = step;
        kith__step_hook = count_or_die;
        fn();
        _exit(0);
    }
    CU_ASSERT_EQUAL(check_wait(pid), step ? -SIGKILL : 0);
    return atomic_load(&watch->steps);
}

static void audit_and_sweep(void)
{
    kith__heap_audit();
    sweep_many();
}

/* Nothing is lost, nothing is torn, and life goes on. */
static void look_after_death(void)
{
    uint64_t block, before;
    int mine = 0;

    PASS(kith__heap_audit());
    sweep_many();
    PASS(kith__heap_audit());
    for (int i = 0; i < 5; i += 4)
        if (kept[i]) {
            CU_ASSERT(kept_well(i, 1000));
            mine++;
        }
    CU_ASSERT_EQUAL(stats().used_blocks, (uint64_t)mine);
    CU_ASSERT_EQUAL(stats().used_bytes, (uint64_t)mine * 1024);
    CU_ASSERT(pages() <= stats().backed_bytes + metadata + 256 * KIB);
    block = alloc(3 * MIB);
    before = pages();
    memset(kith__at(block), 1, 3 * MIB);
    CU_ASSERT_EQUAL(pages(), before);
    kith__heap_free(block);
    PASS(kith__heap_audit());
}

static int play(const struct scene *scene)
{
    int steps, kills = 0;

    set_scene(scene);
    wanted = scene->step;
    atomic_store(&watch->seen, 0);
    steps = run_until(scene->act, 0);
    CU_ASSERT(atomic_load(&watch->seen));
    look_after_death();
    for (int step = 1; step <= steps; step += scene->stride, kills++) {
        set_scene(scene);
        CU_ASSERT_EQUAL(run_until(scene->act, step), step);
        look_after_death();
    }
    return kills;
}

static void death_at_each_step_is_harmless(void)
{
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        unsigned before = CU_get_number_of_failures();
        int kills = play(&scenes[i]);

        if (CU_get_number_of_failures() > before)
            printf("\n    scene: %s", scenes[i].name);
        printf("\n    %s: %d deaths", scenes[i].name, kills);
    }
    printf("\n    ");
}

static void death_over_the_repair_is_harmless(void)
{
    unsigned seed = (unsigned)kith__now_ns();
    int kills = 0;

    printf("seed %u ", seed);
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        int steps, repairs;

        set_scene(&scenes[i]);
        steps = run_until(scenes[i].act, 0);
        for (int k = 0; k < 25; k++, kills++) {
            int first = 1 + rand_r(&seed) % steps;
            unsigned again = seed;

            set_scene(&scenes[i]);
            run_until(scenes[i].act, first);
            repairs = run_until(audit_and_sweep, 0);
            set_scene(&scenes[i]);
            run_until(scenes[i].act, first);
            run_until(audit_and_sweep, 1 + rand_r(&again) % repairs);
            look_after_death();
        }
    }
    printf("%d repairs died ", kills);
}

/* ---- many processes, and deaths at any instruction */

enum { PROCESSES = 8, SLOTS = 32 };

/* A board on which blocks are published: owner and slot change in one commit, as in a queue. */
struct board {
    struct kith__guard guard;
    kith__word slots[SLOTS];            /* block, 0: empty; in its first word stands its size */
};

static uint64_t board_at;

static struct board *board(void)
{
    return kith__at(board_at);
}

static void put_on_board(int slot, uint64_t block)
{
    kith__guard_set(&board()->guard, &board()->slots[slot], block);
    kith__guard_set(&board()->guard, kith__heap_owner(block), 0);
    kith__guard_commit(&board()->guard);
}

static uint64_t take_from_board(int slot, uint32_t owner)
{
    uint64_t block = atomic_load(&board()->slots[slot]);

    kith__guard_set(&board()->guard, &board()->slots[slot], 0);
    kith__guard_set(&board()->guard, kith__heap_owner(block), owner);
    kith__guard_commit(&board()->guard);
    return block;
}

static uint64_t new_block(uint64_t size, uint32_t owner)
{
    uint64_t block = kith__heap_alloc(size, owner);

    REQUIRE(block != 0);
    *(uint64_t *)kith__at(block) = size;
    fill(block + 8, size - 8, block / 64);
    return block;
}

static void end_block(uint64_t block)
{
    REQUIRE(is_filled(block + 8, *(uint64_t *)kith__at(block) - 8, block / 64));
    kith__heap_free(block);
}

static void exchange(uint32_t owner, unsigned *seed)
{
    int slot = rand_r(seed) % SLOTS;
    uint64_t block = 0;

    kith__guard_enter(&board()->guard);
    if (atomic_load(&board()->slots[slot]))
        block = take_from_board(slot, owner);
    kith__guard_leave(&board()->guard);
    if (block) {
        end_block(block);
        return;
    }
    block = new_block(8 + (uint64_t)rand_r(seed) % 3000, owner);
    kith__guard_enter(&board()->guard);
    if (atomic_load(&board()->slots[slot]) == 0) {
        put_on_board(slot, block);
        block = 0;
    }
    kith__guard_leave(&board()->guard);
    if (block)
        end_block(block);
}

static void hammer(uint32_t owner, unsigned seed)
{
    uint64_t mine[40] = { 0 };

    for (;;) {
        int i = rand_r(&seed) % 40;

        if (rand_r(&seed) % 4 == 0) {
            exchange(owner, &seed);
        } else if (mine[i]) {
            end_block(mine[i]);
            mine[i] = 0;
        } else {
            uint64_t most = rand_r(&seed) % 100 ? 3000 : 2000000;

            mine[i] = new_block(8 + (uint64_t)rand_r(&seed) % most, owner);
        }
    }
}

static pid_t start_hammer(int i, unsigned seed)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        hammer((uint32_t)i + 1, seed);
    return pid;
}

/* The guard of the board is entered first: what the dead one had decided there is done before. */
static void bury(int i, pid_t pid)
{
    CU_ASSERT_EQUAL(check_wait(pid), -SIGKILL);
    kith__guard_enter(&board()->guard);
    kith__guard_leave(&board()->guard);
    while (kith__heap_sweep((uint32_t)i + 1))
        kith__pause();
}

static void count_what_is_left(void)
{
    uint64_t published = 0;

    PASS(kith__heap_audit());
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&board()->slots[i])) {
            uint64_t block = atomic_load(&board()->slots[i]);

            PASS(kith__heap_check(block));
            CU_ASSERT(is_filled(block + 8, *(uint64_t *)kith__at(block) - 8, block / 64));
            kith__heap_free(block);
            published++;
        }
    CU_ASSERT_EQUAL(stats().used_blocks, 1);    /* the board itself */
    CU_ASSERT_EQUAL(stats().used_bytes, kith__heap_size_of(board_at));
    CU_ASSERT(stats().warm_free_bytes <= 73 * MIB);
    CU_ASSERT(pages() <= stats().backed_bytes + 4 * MIB);
    printf("%llu published ", (unsigned long long)published);
}

static void kills_at_random_moments_harm_nobody(void)
{
    unsigned seed = (unsigned)kith__now_ns();
    pid_t pids[PROCESSES];
    int kills = 0;
    int64_t end;

    printf("seed %u ", seed);
    open_arena();
    board_at = alloc(sizeof (struct board));
    memset(board(), 0, sizeof (struct board));
    PASS(kith__guard_init(&board()->guard));
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start_hammer(i, (unsigned)rand_r(&seed));
    for (end = kith__now_ns() + 4000 * KITH__MS; kith__now_ns() < end; kills++) {
        struct timespec moment = { 0, (long)(rand_r(&seed) % 8000000) };
        int i = rand_r(&seed) % PROCESSES;

        nanosleep(&moment, NULL);
        kill(pids[i], SIGKILL);
        bury(i, pids[i]);
        if (kills % 16 == 0)
            PASS(kith__heap_audit());
        pids[i] = start_hammer(i, (unsigned)rand_r(&seed));
    }
    for (int i = 0; i < PROCESSES; i++) {
        kill(pids[i], SIGKILL);
        bury(i, pids[i]);
    }
    count_what_is_left();
    printf("%d kills ", kills);
}

static struct test tests[] = {
    TEST(block_is_aligned_and_large_enough),
    TEST(freed_blocks_leave_nothing),
    TEST(live_blocks_never_overlap),
    TEST(every_byte_of_a_block_is_backed),
    TEST(hundreds_of_mebibytes_are_one_block),
    TEST(what_is_no_block_is_refused),
    TEST(looking_at_foreign_offsets_takes_no_pages),
    TEST(double_free_changes_nothing),
    TEST(owner_is_a_word_that_its_holder_sets),
    TEST(warm_pages_are_used_again),
    TEST(same_sizes_meet_the_same_blocks),
    TEST(warm_bytes_beyond_the_bound_go_back),
    TEST(limit_by_variable_is_kept),
    TEST(warm_pieces_make_room_for_a_large_block),
    TEST(hopeless_wish_is_refused_at_once),
    TEST(bad_limit_is_refused),
    TEST(memory_cgroup_refuses_and_never_kills),
    TEST(heap_adapts_to_ulimit_v),
    TEST(heap_adapts_to_ulimit_f),
    TEST(fast_timer_does_not_stop_large_blocks),
    TEST(closed_descriptor_harms_no_other_file),
    TEST(other_mapping_shares_all),
    TEST(tables_are_backed_on_demand),
    TEST(walls_stand_around_the_heap),
    TEST(size_is_sealed),
    TEST(death_at_each_step_is_harmless),
    TEST(death_over_the_repair_is_harmless),
    TEST(kills_at_random_moments_harm_nobody),
    TEST_END
};

int main(void)
{
    watch = mmap(NULL, sizeof *watch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return watch == MAP_FAILED ? 1 : run_tests("heap", tests);
}
